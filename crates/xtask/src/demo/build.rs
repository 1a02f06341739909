//! The programs of the demo, built from this checkout: `nica`, and the service once for each release.
//!
//! A release differs by its version and by the migrations it brings along. Two demos side by side would build into
//! each other's hands, so building and copying happen under a lock.

use super::place::Place;
use super::workspace::Edition;
use crate::ci;
use crate::repo;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Editions with equal migrations after each other: only the first of them compiles more than `main.rs`.
pub(crate) const ORDER: [usize; 6] = [0, 1, 2, 3, 5, 4];

/// How programs are built: as they are shipped, or quickly, for work on the demo itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Release,
    Dev,
}

/// Builds `nica` and copies it into the folder.
pub(crate) fn nica(profile: Profile, folder: &Path) -> Result<PathBuf> {
    let _lock = lock()?;
    cargo(profile, "nica", None)?;
    copy(profile, "nica", folder)
}

/// Builds the service as this checkout has it, or with the migrations and seeds of a folder, and copies it.
pub(crate) fn plain_service(profile: Profile, sources: Option<&Path>, folder: &Path) -> Result<PathBuf> {
    let _lock = lock()?;
    cargo(profile, "nica-backend", sources.map(|sources| ("0.0.0-bench", sources)))?;
    copy(profile, "nica-backend", folder)
}

/// Builds the service as this edition and copies it into the edition's folder, with what it was built from.
pub(crate) fn service(profile: Profile, edition: &Edition, place: &Place) -> Result<()> {
    let lock = lock()?;
    let sources = edition.sources()?;
    edition.write_sources(place, &sources)?;
    cargo(profile, "nica-backend", Some((edition.version, &sources)))?;
    let program = copy(profile, "nica-backend", &edition.folder(place))?;
    drop(lock);
    let asked = Command::new(&program).arg("version").stdin(Stdio::null()).output();
    let said = String::from_utf8_lossy(&asked.context("ask the service its version")?.stdout).into_owned();
    let version = edition.version;
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

fn cargo(profile: Profile, package: &str, release: Option<(&str, &Path)>) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--package", package]).current_dir(repo::root());
    command.args(["--release"].iter().filter(|_| profile == Profile::Release));
    if let Some((version, folder)) = release {
        command.env("NICA_VERSION", version).env("NICA_COMMIT", ci::commit()?);
        command.env("NICA_EMBEDDED", write_list(folder)?);
    }
    let out = command.stdin(Stdio::null()).output().context("start cargo")?;
    if !out.status.success() {
        bail!("build {package}:\n{}", String::from_utf8_lossy(&out.stderr));
    }
    Ok(())
}

/// What the service's `main` takes in instead of `crates/nica-backend/embedded.in`.
fn write_list(folder: &Path) -> Result<PathBuf> {
    let mut text = String::from("Bundle {\n");
    for name in ["migrations", "seeds"] {
        let mut files = Vec::new();
        list(&folder.join(name), "", &mut files)?;
        files.sort();
        let entry = |(path, full): &(String, PathBuf)| format!("    ({path:?}, include_str!({full:?})),\n");
        text += &format!("{name}: &[\n{}],\n", files.iter().map(entry).collect::<String>());
    }
    let path = folder.join("embedded.in");
    fs::write(&path, text + "}\n").with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

fn list(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            list(&path, &format!("{prefix}{name}/"), files)?;
        } else {
            files.push((format!("{prefix}{name}"), path));
        }
    }
    Ok(())
}

fn copy(profile: Profile, program: &str, folder: &Path) -> Result<PathBuf> {
    let built = if profile == Profile::Release { "target/release" } else { "target/debug" };
    let (from, to) = (repo::root().join(built).join(program), folder.join(program));
    fs::copy(&from, &to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(to)
}
