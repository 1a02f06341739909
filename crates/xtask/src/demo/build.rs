//! The programs of the demo, built from this checkout: `nica`, and the service once for each release.
//!
//! A release differs by its version and by the migrations it brings along. Two demos side by side would build into
//! each other's hands, so building and copying happen under a lock.

use crate::ci;
use crate::repo;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds `nica` and copies it into the folder.
pub(crate) fn nica(folder: &Path) -> Result<PathBuf> {
    let _lock = lock()?;
    cargo("nica", None)?;
    copy("nica", folder, "nica")
}

/// Builds the service as this version, with the migrations and seeds of `folder`, and copies it there.
pub(crate) fn service(folder: &Path, version: &str) -> Result<()> {
    let lock = lock()?;
    cargo("nica-backend", Some((version, folder)))?;
    let program = copy("nica-backend", folder, "nica-backend")?;
    drop(lock);
    let asked = Command::new(&program).arg("version").stdin(Stdio::null()).output();
    let said = String::from_utf8_lossy(&asked.context("ask the service its version")?.stdout).into_owned();
    ensure!(said.contains(version), "build the service as {version}: it says it is {}", said.trim());
    Ok(())
}

fn lock() -> Result<File> {
    let path = repo::root().join("target/demo.lock");
    fs::create_dir_all(repo::root().join("target")).context("make the target folder")?;
    let file = File::create(&path).with_context(|| format!("open {}", path.display()))?;
    flock(&file, FlockOperation::LockExclusive).with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

fn cargo(package: &str, release: Option<(&str, &Path)>) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--quiet", "--package", package]).current_dir(repo::root());
    if let Some((version, folder)) = release {
        command.env("NICA_VERSION", version).env("NICA_COMMIT", ci::commit()?);
        command
            .env("NICA_MIGRATIONS_DIR", folder.join("migrations"))
            .env("NICA_SEEDS_DIR", folder.join("seeds"));
    }
    let out = command.stdin(Stdio::null()).output().context("start cargo")?;
    if !out.status.success() {
        bail!("build {package}:\n{}", String::from_utf8_lossy(&out.stderr));
    }
    Ok(())
}

fn copy(program: &str, folder: &Path, name: &str) -> Result<PathBuf> {
    let (from, to) = (repo::root().join("target/release").join(program), folder.join(name));
    fs::copy(&from, &to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(to)
}
