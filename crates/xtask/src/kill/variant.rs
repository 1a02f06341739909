//! Programs made of a copy of this checkout with edits: the mutants, and the other build that finishes a run.
//!
//! The copy is built into the checkout's own target folder, under a name of its own: everything that is not of the
//! workspace is there already.

use super::build::{self, Profile};
use super::proc;
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What git knows of, as it stands in the checkout, and what was edited in it.
pub(crate) struct Variant {
    name: &'static str,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Variant {
    /// A copy whose program will be called `name`. Its version tells its libraries from the checkout's own: cargo would
    /// take them for the same, and hand mutated ones to the next build of the product.
    pub(crate) fn of_checkout(name: &'static str, version: &str) -> Result<Variant> {
        let root = crate::repo::root();
        let mut git = Command::new("git");
        git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(&root);
        let listed = proc::must_succeed(&mut git, "list the checkout's files")?;
        let read = |file: &str| Some((PathBuf::from(file), std::fs::read(root.join(file)).ok()?));
        let mut variant = Variant { name, files: listed.lines().filter_map(read).collect() };
        let program = format!("\n[[bin]]\nname = \"{name}\"\npath = \"src/main.rs\"\n");
        variant.edit(Path::new("crates/nica/Cargo.toml"), |text| Ok(format!("{text}{program}")))?;
        variant.edit(Path::new("Cargo.toml"), |text| at_version(text, version))?;
        Ok(variant)
    }

    pub(crate) fn edit(&mut self, file: &Path, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
        let bytes =
            self.files.get_mut(file).with_context(|| format!("find {} in the checkout", file.display()))?;
        let text = std::str::from_utf8(bytes).with_context(|| format!("read {}", file.display()))?;
        *bytes = change(text)?.into_bytes();
        Ok(())
    }

    /// Files that are equal stay untouched, for cargo's sake.
    pub(crate) fn build(&self, profile: Profile) -> Result<PathBuf> {
        let source = crate::repo::root().join("target/kill").join(self.name);
        for (file, bytes) in &self.files {
            write_if_other(&source.join(file), bytes)?;
        }
        build::from(&source, self.name, profile)
    }
}

/// Another build of this checkout, as the release before it would be: it names another version wherever it signs.
pub(crate) fn other(profile: Profile) -> Result<PathBuf> {
    Variant::of_checkout("nica-other", "0.0.9")?.build(profile)
}

fn at_version(manifest: &str, version: &str) -> Result<String> {
    let now = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
    ensure!(manifest.matches(&now).count() == 1, "find {now} once in Cargo.toml");
    Ok(manifest.replacen(&now, &format!("version = \"{version}\""), 1))
}

fn write_if_other(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    std::fs::create_dir_all(path.parent().context("write into a folder")?)?;
    std::fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_build_differs_in_its_version_alone() {
        let here = std::fs::read_to_string(crate::repo::root().join("Cargo.toml")).expect("the manifest");
        let there = at_version(&here, "0.0.9").expect("its version stands there once");
        let differ = here.lines().zip(there.lines()).filter(|(a, b)| a != b).count();
        assert_eq!((differ, here.lines().count()), (1, there.lines().count()));
        assert!(at_version("[workspace]", "0.0.9").is_err());
    }
}
