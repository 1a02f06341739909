//! Where images and containers lie: a store of our own, so that those of the machine are neither seen nor touched.
//!
//! Both programs read it. One at a time uses it: its holder keeps a lock, and whoever comes next removes what a killed
//! one left running.

use super::build::Built;
use crate::kill::proc;
use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Store {
    folder: PathBuf,
    driver: &'static str,
    _lock: File,
}

impl Store {
    pub(crate) fn open() -> Result<Store> {
        let folder = super::cache()?;
        let lock = File::create(folder.join("store.lock")).context("open the lock of the images")?;
        flock(&lock, FlockOperation::LockExclusive).context("lock the images")?;
        let driver = if lays_over(&folder) { "overlay" } else { "vfs" };
        let store = Store { folder, driver, _lock: lock };
        store.clear()?;
        Ok(store)
    }

    pub(crate) fn buildah(&self) -> Command {
        self.program("buildah")
    }

    /// Without systemd, and with the runtime that needs least of a machine.
    pub(crate) fn podman(&self) -> Command {
        let mut command = self.program("podman");
        command.args(["--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "none"]);
        command
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command
            .arg("--root")
            .arg(self.folder.join(self.driver))
            .arg("--runroot")
            .arg(self.folder.join("run"));
        command.args(["--storage-driver", self.driver]);
        command
    }

    /// Containers that nobody waits for any more.
    pub(crate) fn clear(&self) -> Result<()> {
        let mut command = self.podman();
        command.args(["rm", "--all", "--force", "--volumes", "--time", "0"]);
        proc::must_succeed(&mut command, "remove old containers").map(drop)
    }

    pub(crate) fn has(&self, image: &str) -> bool {
        let inspected = self.buildah().args(["inspect", "--type", "image", image]).output();
        inspected.is_ok_and(|out| out.status.success())
    }

    pub(crate) fn inspect(&self, image: &str) -> Result<Value> {
        let mut command = self.buildah();
        command.args(["inspect", "--type", "image", image]);
        Ok(serde_json::from_str(&proc::must_succeed(&mut command, &format!("inspect {image}"))?)?)
    }

    pub(crate) fn save(&self, built: &Built, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder).with_context(|| format!("make folder {}", folder.display()))?;
        let file = folder.join(format!("{}.tar", built.kind.name()));
        if file.exists() {
            std::fs::remove_file(&file)?;
        }
        let mut command = self.buildah();
        command.args(["push", "--quiet", &built.name]);
        command.arg(format!("docker-archive:{}:{}", file.display(), built.name));
        proc::must_succeed(&mut command, "save an image")?;
        Ok(file)
    }

    /// An image from one archive of a root's files, and a script that is run in that folder.
    pub(crate) fn import(&self, archive: &Path, image: &str, script: &str) -> Result<()> {
        self.made(image, &["--cmd", "/bin/sh"], |container| {
            let mut add = self.buildah();
            add.args(["add", "--quiet", container]).arg(archive).arg("/");
            proc::must_succeed(&mut add, "add an archive")?;
            self.mounted(container, |root| {
                let mut shell = Command::new("sh");
                shell.args(["-euc", script]).current_dir(root);
                proc::must_succeed(&mut shell, "clear a new root").map(drop)
            })
        })
    }

    pub(crate) fn made(
        &self,
        image: &str,
        settings: &[&str],
        fill: impl FnOnce(&str) -> Result<()>,
    ) -> Result<()> {
        let what = format!("make {image}");
        let container = proc::must_succeed(self.buildah().args(["from", "scratch"]), &what)?;
        let filled = fill(&container).and_then(|()| {
            proc::must_succeed(self.buildah().args(["config"]).args(settings).arg(&container), &what)?;
            proc::must_succeed(self.buildah().args(["commit", "--quiet", &container, image]), &what)
        });
        proc::must_succeed(self.buildah().args(["rm", &container]), &what)?;
        filled.map(drop)
    }

    /// The container's root as a folder, while `use_it` runs.
    pub(crate) fn mounted<T>(&self, container: &str, use_it: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let folder = proc::must_succeed(self.buildah().args(["mount", container]), "mount an image")?;
        let used = use_it(Path::new(&folder));
        proc::must_succeed(self.buildah().args(["umount", container]), "unmount an image")?;
        used
    }
}

/// Whether file systems can be laid over each other here; inside a container often not.
fn lays_over(folder: &Path) -> bool {
    let script =
        "set -e; cd \"$1\"; mkdir -p l u w m; mount -t overlay none -o lowerdir=l,upperdir=u,workdir=w m";
    let tried = folder.join("try");
    let made = std::fs::create_dir_all(&tried).is_ok();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--", "sh", "-c", script, "sh"]).arg(&tried);
    let over = made && command.output().is_ok_and(|out| out.status.success());
    let _ = std::fs::remove_dir_all(&tried);
    over
}
