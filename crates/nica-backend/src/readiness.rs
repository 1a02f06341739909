//! Whether the database serves this program.
//!
//! A task asks `nica.serves()` once a second on a connection of its own; everybody else reads the last answer from
//! memory. User tables are never asked: a migration that holds a lock on one must not take replicas out.

mod judge;
mod watcher;

pub use judge::{Needs, Reason, Serves};
pub use watcher::{ASK_LIMIT, Miss, watch};

use std::collections::BTreeSet;

/// What `/readyz` says, before draining is taken into account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    #[default]
    Starting,
    Ready,
    /// The schema lacks something, or has moved beyond this program.
    Unfit(Vec<Reason>),
    /// The database did not answer twice in a row.
    Blind(String),
}

/// The last answer and what follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub readiness: Readiness,
    /// Whether it was ever ready.
    pub was_ready: bool,
    /// Migrations that are in force now.
    pub applied: BTreeSet<String>,
    /// Questions in a row without an answer.
    pub misses: u32,
}

impl State {
    pub fn is_ready(&self) -> bool {
        self.readiness == Readiness::Ready
    }

    /// Why not, in sentences; empty while ready.
    pub fn reasons(&self) -> Vec<String> {
        match &self.readiness {
            Readiness::Ready => Vec::new(),
            Readiness::Starting => vec!["the database was not asked yet".into()],
            Readiness::Unfit(reasons) => reasons.iter().map(ToString::to_string).collect(),
            Readiness::Blind(why) => vec![why.clone()],
        }
    }
}
