//! One image from its Dockerfile: which file, which bases in the place of public ones, which build arguments.

use super::store::Store;
use super::{Kind, bases, program};
use crate::kill::proc;
use crate::repo;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Base {
    /// Debian with a shell
    Slim,
    /// libc and nothing to run
    Distroless,
}

/// Where the program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Every stage as it is written.
    Whole,
    /// The last stage; what it copies is built on this machine.
    BuiltHere { release: bool },
}

pub(crate) struct Wanted<'a> {
    pub(crate) kind: Kind,
    pub(crate) base: Base,
    pub(crate) way: Way,
    pub(crate) version: &'a str,
    pub(crate) commit: &'a str,
}

pub(crate) struct Built {
    pub(crate) kind: Kind,
    /// In the store.
    pub(crate) name: String,
    pub(crate) id: String,
    /// Which way was gone, for people.
    pub(crate) how: &'static str,
    pub(crate) version: String,
    pub(crate) seconds: f64,
}

impl Way {
    pub(crate) fn built_here(release: bool) -> Way {
        Way::BuiltHere { release }
    }

    fn told(self) -> &'static str {
        match self {
            Way::Whole => "whole Dockerfile",
            Way::BuiltHere { release: true } => "last stage of the Dockerfile, program built here (release)",
            Way::BuiltHere { release: false } => "last stage of the Dockerfile, program built here (dev)",
        }
    }
}

/// The Dockerfile's own text, unless a test has changed it.
pub(crate) fn dockerfile(kind: Kind) -> PathBuf {
    repo::root().join(match kind {
        Kind::Backend => "Dockerfile",
        Kind::Frontend => "infra/docker/frontend.Dockerfile",
    })
}

pub(crate) fn build(store: &Store, wanted: &Wanted<'_>) -> Result<Built> {
    let path = dockerfile(wanted.kind);
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let name = format!("localhost/{}:{}", wanted.kind.name(), wanted.version);
    build_named(store, wanted, &text, &name)
}

/// From another text, under another name.
pub(crate) fn build_named(store: &Store, wanted: &Wanted<'_>, dockerfile: &str, name: &str) -> Result<Built> {
    let began = Instant::now();
    let folder = tempfile::tempdir().context("make a folder")?;
    let mut command = store.buildah();
    // `docker` format: the other one has no place for HEALTHCHECK. Layers are kept: the second build is short.
    command.args([
        "bud",
        "--quiet",
        "--isolation",
        "chroot",
        "--format",
        "docker",
        "--layers",
        "--pull-never",
    ]);
    let base = match (wanted.kind, wanted.base) {
        (Kind::Backend, Base::Distroless) => bases::distroless(store)?,
        _ => bases::slim(store)?,
    };
    let text = match (wanted.kind, wanted.way) {
        (Kind::Backend, Way::BuiltHere { release }) => {
            program::stage(folder.path(), release, wanted.version, wanted.commit)?;
            command.arg("--build-context").arg(format!("{}={}", program::STAGE, folder.path().display()));
            program::last_stage(dockerfile)?
        }
        (Kind::Backend, Way::Whole) => {
            bases::rust(store, &rust_version()?)?;
            dockerfile.to_string()
        }
        (Kind::Frontend, _) => dockerfile.to_string(),
    };
    for (key, value) in [("BASE", base), ("VERSION", wanted.version), ("REVISION", wanted.commit)] {
        command.arg("--build-arg").arg(format!("{key}={value}"));
    }
    command.arg("--build-arg").arg(format!("CREATED={}", committed()?));
    let file = folder.path().join("Dockerfile");
    std::fs::write(&file, text)?;
    command.args(["--tag", name, "--ignorefile"]).arg(ignored()).arg("--file").arg(&file).arg(repo::root());
    let said = proc::must_succeed(&mut command, &format!("build {name}"))?;
    let id = said.lines().last().unwrap_or_default().to_string();
    let seconds = began.elapsed().as_secs_f64();
    let (kind, how, version) = (wanted.kind, wanted.way.told(), wanted.version.to_string());
    Ok(Built { kind, name: name.to_string(), id, how, version, seconds })
}

fn ignored() -> PathBuf {
    repo::root().join(".dockerignore")
}

fn rust_version() -> Result<String> {
    let text = std::fs::read_to_string(repo::root().join("Dockerfile")).context("read the Dockerfile")?;
    let version = text.lines().find_map(|line| line.strip_prefix("ARG RUST_VERSION="));
    Ok(version.context("find RUST_VERSION in the Dockerfile")?.to_string())
}

/// When the commit was made, not when somebody built it: the same sources give the same label.
fn committed() -> Result<String> {
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%cI"]).current_dir(Path::new(&repo::root()));
    proc::must_succeed(&mut git, "ask git when the commit was made")
}
