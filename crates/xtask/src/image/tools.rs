//! The programs that images need, from Debian's packages: installed where that is allowed, and then said.
//!
//! Debian's registry package would start a server for everybody: of that one only the program is taken, and nothing is
//! installed.

use crate::config;
use crate::kill::proc;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why nothing can be built here, in one sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unavailable {
    #[error("building images needs root here; run it as root, or on a machine of your own")]
    NotRoot,
    #[error("{programs} are not installed; run `apt-get install --no-install-recommends {packages}`")]
    Missing { programs: String, packages: String },
    #[error("{packages} could not be installed: {why}")]
    NotInstalled { packages: String, why: String },
    #[error("this machine does not let us {what}: {why}")]
    NotAllowed { what: &'static str, why: String },
}

pub(crate) struct Tools {
    pub(crate) registry: PathBuf,
}

/// Program and package.
const NEEDED: &[(&str, &str)] = &[
    ("buildah", "buildah"),
    ("podman", "podman"),
    ("conmon", "conmon"),
    ("runc", "runc"),
    ("mmdebstrap", "mmdebstrap"),
    ("apt-get", "apt"),
    ("dpkg", "dpkg"),
];

/// `install`: packages may be installed, because somebody asked for images by name or nobody else uses the machine.
pub(crate) fn obtain(install: bool) -> Result<std::result::Result<Tools, Unavailable>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Err(Unavailable::NotRoot));
    }
    let missing: Vec<_> = NEEDED.iter().filter(|(program, _)| find(program).is_none()).collect();
    let names = |pick: fn(&&&(&'static str, &'static str)) -> &'static str| {
        missing.iter().map(|pair| pick(&pair)).collect::<Vec<_>>().join(" ")
    };
    let (programs, packages) = (names(|pair| pair.0), names(|pair| pair.1));
    if !missing.is_empty() {
        if !install || find("apt-get").is_none() {
            return Ok(Err(Unavailable::Missing { programs, packages }));
        }
        println!("  installing {packages}, which build and run images");
        if let Err(error) = install_packages(&packages) {
            return Ok(Err(Unavailable::NotInstalled { packages, why: format!("{error:#}") }));
        }
    }
    if let Err(why) = allowed() {
        return Ok(Err(why));
    }
    match registry(install) {
        Ok(Some(registry)) => Ok(Ok(Tools { registry })),
        Ok(None) => {
            let name = "docker-registry".to_string();
            Ok(Err(Unavailable::Missing { programs: name.clone(), packages: name }))
        }
        Err(error) => Ok(Err(Unavailable::NotInstalled {
            packages: "docker-registry".into(),
            why: format!("{error:#}"),
        })),
    }
}

/// Tried in a namespace of its own, so that nothing of it stays.
fn allowed() -> std::result::Result<(), Unavailable> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--", "mount", "-t", "tmpfs", "none", "/mnt"]);
    let tried = proc::must_succeed(&mut command, "try");
    tried
        .map(drop)
        .map_err(|error| Unavailable::NotAllowed { what: "mount file systems", why: error.to_string() })
}

pub(crate) fn find(program: &str) -> Option<PathBuf> {
    config::program_folders().into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn install_packages(packages: &str) -> Result<()> {
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        proc::must_succeed(&mut command, "run apt-get").map(drop)
    };
    apt(&["update", "-qq"])?;
    let words = ["install", "-qq", "-y", "--no-install-recommends"];
    apt(&words.into_iter().chain(packages.split(' ')).collect::<Vec<_>>())
}

fn registry(fetch: bool) -> Result<Option<PathBuf>> {
    let unpacked = super::cache()?.join("docker-registry");
    let program = unpacked.join("usr/bin/docker-registry");
    match find("docker-registry").or_else(|| program.is_file().then(|| program.clone())) {
        Some(found) => Ok(Some(found)),
        None if !fetch => Ok(None),
        None => {
            unpack("docker-registry", &unpacked)?;
            Ok(Some(program))
        }
    }
}

/// A package's files into a folder; nothing is installed and nothing of it is started.
pub(crate) fn unpack(package: &str, to: &Path) -> Result<()> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let mut download = Command::new("apt-get");
    // apt fetches as a user of its own, who may not write into a folder of root's.
    download.args(["download", "-q", "-o", "APT::Sandbox::User=root", package]).current_dir(folder.path());
    proc::must_succeed(&mut download, &format!("download {package}"))?;
    let mut archives = std::fs::read_dir(folder.path())?.flatten().map(|entry| entry.path());
    let archive = archives.next().with_context(|| format!("find the archive of {package}"))?;
    let half = to.with_extension("half");
    if half.exists() {
        std::fs::remove_dir_all(&half)?;
    }
    proc::must_succeed(Command::new("dpkg").arg("-x").arg(archive).arg(&half), "unpack a package")?;
    std::fs::rename(&half, to).with_context(|| format!("name {}", to.display()))
}
