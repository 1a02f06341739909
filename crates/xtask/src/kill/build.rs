//! The programs of a sweep, as cargo builds them from this checkout.

use anyhow::{Context as _, Result, ensure};
use std::path::PathBuf;
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

/// The program that is delivered: without symbols, because each world copies and reads it many times.
pub(crate) fn passenger() -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["rustc", "--quiet", "--package", "xtask", "--bin", "sweep-passenger", "--"]);
    cargo.args(["-C", "strip=symbols"]);
    built(cargo, "sweep-passenger", Profile::Dev)
}

/// A fresh build of `package`'s program; its path.
pub(crate) fn program(package: &str, program: &str, profile: Profile) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--package", package, "--bin", program]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    built(cargo, program, profile)
}

fn built(mut cargo: Command, program: &str, profile: Profile) -> Result<PathBuf> {
    let root = crate::repo::root();
    ensure!(cargo.current_dir(&root).status().context("start cargo")?.success(), "build {program}");
    let path = root.join("target").join(profile.folder()).join(program);
    ensure!(path.exists(), "find {} after building it", path.display());
    Ok(path)
}
