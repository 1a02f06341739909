//! Health that cannot lie: each way in which a database can be wrong has a code and a sentence of its own.
//!
//! Never writes: the server is told so before anything is read. All that is wrong is said; the verdict is the first
//! in the order of `State`, because what stands earlier makes what stands later uncertain. Being ahead by an expand
//! or holding retained migrations is healthy, and said. How the facts are read stands in `health/look`.

mod judge;
mod look;

use crate::connect::DbUrl;
use crate::seed::SeedFile;
use crate::source::Migration;
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

pub use look::healthcheck;

/// What can be wrong, in the order in which it decides the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    Unreachable,
    AuthRefused,
    TlsRefused,
    WrongDatabase,
    ReadOnly,
    MigrationsBehind,
    AheadByContract,
    MigrationEdited,
    LedgerMoved,
    StepHalfDone,
    SeedMissing,
    SeedAltered,
    InvalidIndex,
    TooSlow,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(rename = "code")]
    pub state: State,
    /// What it is and what to do.
    pub sentence: String,
    /// Ids, rows or names that it is about.
    pub items: Vec<String>,
}

/// Something worth knowing that is no problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    pub code: &'static str,
    pub sentence: String,
    pub items: Vec<String>,
}

/// What the program that asks needs to find.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs<'a> {
    /// Whose database it must be, where the program knows: service and environment.
    pub owner: Option<(&'a str, &'a str)>,
    pub migrations: &'a [Migration],
    pub seeds: &'a [SeedFile],
}

/// How long an answer may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// More than this is too slow, whatever came.
    pub slow: Duration,
    /// After this nothing is waited for any more.
    pub give_up: Duration,
}

/// The answer, with all that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    pub format: u32,
    /// Without its password.
    pub database: String,
    pub healthy: bool,
    /// `healthy`, or the code of the first problem.
    pub verdict: &'static str,
    pub problems: Vec<Problem>,
    pub notes: Vec<Note>,
    pub millis: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { slow: Duration::from_secs(1), give_up: Duration::from_secs(5) }
    }
}

impl State {
    /// In the order of the verdict.
    pub const ALL: [State; 14] = [
        State::Unreachable,
        State::AuthRefused,
        State::TlsRefused,
        State::WrongDatabase,
        State::ReadOnly,
        State::MigrationsBehind,
        State::AheadByContract,
        State::MigrationEdited,
        State::LedgerMoved,
        State::StepHalfDone,
        State::SeedMissing,
        State::SeedAltered,
        State::InvalidIndex,
        State::TooSlow,
    ];

    pub fn code(self) -> &'static str {
        match self {
            State::Unreachable => "unreachable",
            State::AuthRefused => "auth-refused",
            State::TlsRefused => "tls-refused",
            State::WrongDatabase => "wrong-database",
            State::ReadOnly => "read-only",
            State::MigrationsBehind => "migrations-behind",
            State::AheadByContract => "ahead-by-contract",
            State::MigrationEdited => "migration-edited",
            State::LedgerMoved => "ledger-moved",
            State::StepHalfDone => "step-half-done",
            State::SeedMissing => "seed-missing",
            State::SeedAltered => "seed-altered",
            State::InvalidIndex => "invalid-index",
            State::TooSlow => "too-slow",
        }
    }
}

impl Health {
    fn of(url: &DbUrl, mut problems: Vec<Problem>, notes: Vec<Note>, took: Duration) -> Health {
        problems.sort_by_key(|problem| problem.state);
        Health {
            format: 1,
            database: url.to_string(),
            healthy: problems.is_empty(),
            verdict: problems.first().map_or("healthy", |problem| problem.state.code()),
            problems,
            notes,
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The first problem's.
    pub fn state(&self) -> Option<State> {
        self.problems.first().map(|problem| problem.state)
    }

    /// 0 healthy, 1 not, 40 unreachable.
    pub fn exit_code(&self) -> u8 {
        match self.state() {
            None => 0,
            Some(State::Unreachable) => 40,
            Some(_) => 1,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl Problem {
    fn new(state: State, sentence: impl Into<String>, items: Vec<String>) -> Problem {
        Problem { state, sentence: sentence.into(), items }
    }
}

/// The first few of many, for a sentence.
fn few(items: &[String]) -> String {
    const SHOWN_MAX: usize = 3;
    let shown = items.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
