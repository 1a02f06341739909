//! cargo-deny for the job `lint`: the pinned version, installed once into a cache outside the checkout.
//!
//! One of another version that may be on the PATH is not used: two versions may judge the same tree differently. Where
//! it cannot be installed (no network), that is said and counts as not checked.

use super::{Check, command};
use crate::config;
use crate::repo;
use crate::suite::{Child, Counts};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::time::Duration;

const VERSION: &str = "0.20.2";
/// Some 300 crates on two cold cores.
const INSTALL_LIMIT: Duration = Duration::from_secs(20 * 60);

pub(super) fn check() -> Result<Check> {
    let folder = config::cache().join(format!("tools/cargo-deny-{VERSION}"));
    let Some(program) = installed(&folder)? else {
        println!(
            "── deny\nnot checked: cargo-deny {VERSION} could not be installed into {}",
            folder.display()
        );
        return Ok(Check::of("deny", Counts::default()));
    };
    command("deny", &[&program.display().to_string(), "check", "bans", "licenses", "sources"])
}

fn installed(folder: &Path) -> Result<Option<PathBuf>> {
    let program = folder.join("bin/cargo-deny");
    if !program.is_file() {
        println!("── installing cargo-deny {VERSION} into {}", folder.display());
        let (wanted, root) = (format!("cargo-deny@{VERSION}"), folder.display().to_string());
        let install = ["cargo", "install", "--locked", "--quiet", "--root", &root, &wanted];
        Child::start(&install, &[], &repo::root())?.read(INSTALL_LIMIT, |line| println!("{line}"))?;
    }
    Ok(program.is_file().then_some(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_not_installed_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("bin/cargo-deny");
        std::fs::create_dir(folder.path().join("bin")).expect("a folder");
        std::fs::write(&program, "").expect("written");
        assert_eq!(installed(folder.path()).expect("nothing is started"), Some(program));
    }
}
