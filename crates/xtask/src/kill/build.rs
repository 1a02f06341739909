//! The programs of a sweep, as cargo builds them from this checkout or from a copy of it.

use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Profile::Dev => "debug",
            Profile::Release => "release",
        }
    }
}

/// A fresh build of `nica`; its path.
pub(crate) fn nica(profile: Profile) -> Result<PathBuf> {
    from(&crate::repo::root(), "nica", profile)
}

/// The program that is delivered: without symbols, because each world copies and reads it many times.
pub(crate) fn passenger() -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["rustc", "--quiet", "--package", "xtask", "--bin", "sweep-passenger", "--"]);
    cargo.args(["-C", "strip=symbols"]).current_dir(crate::repo::root());
    built(cargo, "sweep-passenger", Profile::Dev)
}

/// A program of the package `nica` that stands in `source`, built into this checkout's target folder.
pub(crate) fn from(source: &Path, program: &str, profile: Profile) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--package", "nica", "--bin", program, "--target-dir"]);
    cargo.arg(crate::repo::root().join("target")).current_dir(source);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    built(cargo, program, profile)
}

/// What is said on the way is shown only when it fails: what an edit leaves unused is nobody's fault.
fn built(mut cargo: Command, program: &str, profile: Profile) -> Result<PathBuf> {
    let out = cargo.output().context("start cargo")?;
    ensure!(out.status.success(), "build {program}:\n{}", String::from_utf8_lossy(&out.stderr));
    let path = crate::repo::root().join("target").join(profile.folder()).join(program);
    ensure!(path.exists(), "find {} after building it", path.display());
    Ok(path)
}
