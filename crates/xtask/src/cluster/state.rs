//! The books: which clusters there are, what each holds of the machine, and whether its guard lives.
//!
//! A cluster is a folder under `run`. Its guard holds a lock on a file in it for as long as it lives, so that no pid
//! has to be believed; a folder whose lock is free belongs to nobody and is cleared away by whoever comes next.

use super::names::{Name, Range};
use super::obtain::{self, Tools};
use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What its guard has to know and what whoever clears up has to undo.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub name: Name,
    pub range: Range,
    pub nodes: u8,
    pub kwok: u16,
    pub tools: Tools,
    /// The first process of the cluster's process namespace, once there is one.
    pub init: Option<Init>,
}

/// A process that cannot be mistaken for another that got its number later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Init {
    pub pid: u32,
    pub began: u64,
    /// `pid:[4026532256]`
    pub namespace: String,
}

const FILE: &str = "state.json";
const ALIVE: &str = "alive";

pub(crate) fn run_folder() -> PathBuf {
    obtain::folder().join("run")
}

pub(crate) fn home(name: &Name) -> PathBuf {
    run_folder().join(name.as_str())
}

impl State {
    pub(crate) fn home(&self) -> PathBuf {
        home(&self.name)
    }

    /// Whole or not at all: a reader never sees half of it.
    pub(crate) fn write(&self) -> Result<()> {
        let path = self.home().join(FILE);
        let half = path.with_extension("half");
        std::fs::write(&half, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("write {}", half.display()))?;
        std::fs::rename(&half, &path).with_context(|| format!("write {}", path.display()))
    }

    pub(crate) fn read(home: &Path) -> Result<State> {
        let path = home.join(FILE);
        let text = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("read {}", path.display()))
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.home().join("pki/admin.kubeconfig")
    }
}

/// Folders of all clusters, living or not.
pub(crate) fn homes() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run_folder()).into_iter().flatten().flatten();
    let mut homes: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    homes.sort();
    homes
}

/// Waits until nobody else holds this lock; it is let go with the returned file.
pub(crate) fn lock(folder: &Path, name: &str) -> Result<File> {
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let file = open(&folder.join(name))?;
    flock(&file, FlockOperation::LockExclusive).with_context(|| format!("lock {name}"))?;
    Ok(file)
}

/// What a guard holds while it lives; an error when another holds it.
pub(crate) fn hold(home: &Path) -> Result<File> {
    let file = open(&home.join(ALIVE))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .with_context(|| format!("guard {}", home.display()))?;
    Ok(file)
}

pub(crate) fn is_guarded(home: &Path) -> bool {
    let Ok(file) = File::open(home.join(ALIVE)) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

fn open(path: &Path) -> Result<File> {
    let opened = File::options().create(true).truncate(false).write(true).open(path);
    opened.with_context(|| format!("open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_guarded_while_its_guard_lives() {
        let home = tempfile::tempdir().expect("a folder");
        assert!(!is_guarded(home.path()));
        let held = hold(home.path()).expect("free");
        assert!(is_guarded(home.path()) && hold(home.path()).is_err());
        drop(held);
        assert!(!is_guarded(home.path()));
    }
}
