//! Everything that gates judge, as data. Whoever gathers it says what it found or why it could not look.

use crate::canonical::Digest;
use crate::evidence::Signed;
use crate::finding::Place;
use crate::instant::Instant;
use crate::ledger::{Passed, Quarantined};
use crate::manifest::Need;
use crate::people::People;
use crate::policy::Policy;
use crate::preflight::Preflight;
use crate::release::{Commit, Migration, Release};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What was found, or in one line why nobody could look. "Not there" is something found.
pub type Gathered<T> = Result<T, String>;

#[derive(Clone, Debug)]
pub struct GateInput {
    pub service: String,
    pub env: String,
    pub release: Release,
    /// What the release file really contains.
    pub contents: Gathered<Contents>,
    /// Of the plan as it would be applied now.
    pub plan_hash: Digest,
    /// The stricter of the plan's and the last settled run's; see `policy::stricter`.
    pub policy: Policy,
    /// Likewise; see `people::stricter`.
    pub people: People,
    /// Evidence kind → its document; a kind that has none is absent.
    pub evidence: Gathered<BTreeMap<String, Signed>>,
    /// Environment → its ledger, for each that policy names in `after`.
    pub predecessors: BTreeMap<String, Gathered<Predecessor>>,
    /// Over every ledger that this plan's environment stands behind, and its own.
    pub quarantine: Gathered<BTreeMap<Digest, Quarantined>>,
    /// The deployer's variables that hold secrets; a variable that is not set is absent.
    pub variables: Gathered<BTreeMap<String, Variable>>,
    /// What the objects refer to, and neither the release brings nor their namespace has.
    pub needs: Gathered<Vec<Need>>,
    /// The migrations that the plan applies, in its order.
    pub migrations: Vec<Migration>,
    /// What contracts have to do with it.
    pub contracts: Contracts,
    /// What a throw-away database said about them.
    pub certificates: Gathered<Vec<Certificate>>,
    /// What the target's side said; none where it runs processes.
    pub preflight: Option<Preflight>,
    pub approvals: Vec<Signed>,
    /// Nonces of approvals and waivers that opened an earlier run.
    pub consumed: BTreeSet<String>,
    /// All commits between the live release and this one.
    pub commits: Gathered<Vec<Commit>>,
    /// `NICA_ACTOR`, else `user@host`.
    pub starter: String,
    /// As they were signed, whatever they are worth.
    pub waivers: Vec<Signed>,
    /// Database time of the environment.
    pub now: Instant,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contracts {
    /// The plan is a contract run's, not a deploy's.
    pub run: bool,
    pub live: Option<Digest>,
    /// The highest contract that was ever applied in the environment.
    pub floor: Option<String>,
    /// Every migration that is there.
    pub applied: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// SHA-256 of release.json as it lies in the file.
    pub hash: Digest,
    /// The digests of everything else in it, computed from the bytes.
    pub present: BTreeSet<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    pub runs: Vec<Passed>,
    /// Its own database time, so that a wrong clock here shortens no soak.
    pub now: Instant,
}

/// Whether a variable holds something; never what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    Set,
    Empty,
}

/// What a throw-away database showed of one migration: up, down, up again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    pub migration: String,
    pub has_down: bool,
    /// None without a down, or when an error came first.
    pub round_trip: Option<RoundTrip>,
    /// What the down takes away.
    pub removes: Vec<Removed>,
    /// What the up does to tables that were there before.
    pub changes: Vec<Change>,
    pub errors: Vec<SqlError>,
}

/// Fingerprints of the schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundTrip {
    pub before: String,
    pub up: String,
    pub down: String,
    pub up_again: String,
    /// How the first two that should be equal differ, line by line and not without end.
    #[serde(default)]
    pub difference: Vec<String>,
}

/// A table or column that the down drops, empties, or makes too narrow for what it may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// As `park` names it: `diary.note`, or `diary` for the whole table; `app.diary.note` and `app.diary.*` outside of
    /// the schema `public`.
    pub name: String,
    /// False for what nobody can write: a generated column, a view.
    pub writable: bool,
    /// Its table has a primary key, so that values can be parked.
    pub keyed: bool,
    pub place: Option<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub kind: ChangeKind,
    /// `diary.note`, `diary`, or in words: `rows of diary`, `function total(integer)`.
    pub name: String,
    pub place: Option<Place>,
}

/// What the old program could trip over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Removed,
    Narrowed,
    Constraint,
    Trigger,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlError {
    pub place: Option<Place>,
    pub message: String,
}
