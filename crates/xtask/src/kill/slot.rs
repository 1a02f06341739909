//! One place where worlds stand, one after the other: fixed paths and ports, so that a snapshot fits again.
//!
//! Addresses and paths are part of a release's configuration and of a supervisor's state, so a world cannot be
//! copied elsewhere; it is put back where it was.

use super::project::{COMPONENTS, Release};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Slot {
    pub home: PathBuf,
    /// Component → its service address.
    pub listens: BTreeMap<String, String>,
    /// The program that is judged.
    pub nica: PathBuf,
    /// Another build of it, for runs that one build opens and another finishes.
    pub other: Option<PathBuf>,
    /// Which mutant it is told to be.
    #[serde(skip)]
    pub mutant: Option<String>,
}

/// What a world begins with; the baseline serves in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Fresh,
    /// A successor was undone, and what people wrote into its column is parked.
    Undone,
}

const FILE: &str = "slot.json";

impl Slot {
    pub(crate) fn create(home: &Path, nica: &Path, other: Option<PathBuf>) -> Result<Slot> {
        std::fs::create_dir_all(home).with_context(|| format!("create {}", home.display()))?;
        super::open_to_all(home)?;
        // All are held until all are chosen, so that no two get the same.
        let held: Vec<TcpListener> =
            COMPONENTS.iter().map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let address = |listener: &TcpListener| listener.local_addr().map(|address| address.to_string());
        let addresses: Vec<String> = held.iter().map(address).collect::<Result<_, _>>()?;
        let listens = COMPONENTS.iter().map(|name| name.to_string()).zip(addresses).collect();
        let slot = Slot { home: home.to_path_buf(), listens, nica: nica.to_path_buf(), other, mutant: None };
        std::fs::write(home.join(FILE), serde_json::to_vec(&slot)?)?;
        Ok(slot)
    }

    pub(crate) fn open(home: &Path) -> Result<Slot> {
        let path = home.join(FILE);
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    pub(crate) fn pg(&self) -> PathBuf {
        self.home.join("pg")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home.join("state")
    }

    /// `XDG_RUNTIME_DIR` of everything that runs here.
    pub(crate) fn run(&self) -> PathBuf {
        self.home.join("run")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.home.join("tmp")
    }

    /// What `nica` may keep from run to run, for all worlds of a sweep: that migrations were tried on a throw-away
    /// database is asked once, not with every deploy.
    pub(crate) fn cache(&self) -> PathBuf {
        self.home.with_file_name("cache")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.home.join("logs")
    }

    /// What replicas were told is written.
    pub(crate) fn journal(&self) -> PathBuf {
        self.home.join("journal")
    }

    /// Database and state of such a world, at rest.
    pub(crate) fn snapshot(&self, base: Base) -> PathBuf {
        self.home.join(match base {
            Base::Fresh => "snapshot-fresh",
            Base::Undone => "snapshot-undone",
        })
    }

    pub(crate) fn project(&self, release: Release) -> PathBuf {
        self.home.join(format!("project-{}", release.version()))
    }

    pub(crate) fn release_file(&self, release: Release) -> PathBuf {
        self.home.join(format!("sweep-{}.nica", release.version()))
    }
}
