//! What deployer and supervisor say to each other: one JSON line there, one JSON line back, one connection each.
//!
//! The answer to a write is given when the write is durable, never when it has taken effect in processes: that
//! is what `observe` and `watch` are for.

use super::kernel::ProcessId;
use super::metrics::Metrics;
use nica_engine::effect::{Generation, SecretName};
use nica_engine::track::Diagnosis;
use nica_engine::world::ComponentSeen;
use nica_engine::{Desired, Digest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

pub const PROTOCOL: u32 = 1;

/// Which environment this target belongs to. Stored at the first hello; another one is refused from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub service: String,
    pub env: String,
    /// The uuid in the environment's `nica.control`.
    pub env_id: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum Request {
    Hello {
        identity: Option<Identity>,
    },
    Admit {
        fence: i64,
    },
    Set(Box<Set>),
    Put {
        path: PathBuf,
        digest: Digest,
    },
    PutSecret {
        value: SecretValue,
    },
    Pin {
        fence: i64,
        pins: Pins,
    },
    Gc {
        fence: i64,
    },
    Observe,
    /// Answers when something differs from what `since` named, or after `wait_ms`.
    Watch {
        since: Option<Cursor>,
        wait_ms: u64,
    },
    /// Scrapes every replica now; the answer holds, by component and generation, one Prometheus text.
    Scrape,
    /// Drains every replica, ends the keeper and the supervisor; desired state stays as it is.
    Stop {
        fence: i64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    Hello(Hello),
    Done,
    Secret(SecretName),
    Swept(u32),
    Observed(Observed),
    Metrics(BTreeMap<String, BTreeMap<Generation, Metrics>>),
    Refused(Refusal),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: u32,
    pub identity: Option<Identity>,
    pub fence: i64,
}

/// Asks for a component to be in a state. `desired: None` asks for it to be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    pub fence: i64,
    /// `run/step`, the effect this belongs to.
    pub key: String,
    pub component: String,
    pub desired: Option<Desired>,
    /// The generation that was seen when this was decided. Another one now means that this is a late duplicate.
    pub expected: Option<Generation>,
    pub limits: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Every replica is ready this soon after the set, or the state is doomed.
    pub ready_within_ms: u64,
    /// A draining replica that is still there after this long is killed.
    pub drain_within_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { ready_within_ms: 60_000, drain_within_ms: 30_000 }
    }
}

/// What must stay in the store beside what is desired or running: the baseline and the open run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    pub digests: BTreeSet<Digest>,
    pub secrets: BTreeSet<SecretName>,
}

/// A place in one supervisor's history of changes. Another supervisor's cursor is simply not this one's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub epoch: String,
    pub version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    pub fence: i64,
    pub cursor: Cursor,
    pub components: BTreeMap<String, Seen>,
}

/// One component as it is: what is asked for, and every process that lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub desired: Option<Desired>,
    pub generation: Option<Generation>,
    pub replicas: u32,
    /// Replicas of the desired generation, on the desired address, that are ready.
    pub ready: u32,
    pub processes: Vec<ProcessSeen>,
    pub doomed: Option<Diagnosis>,
    /// Every replica was ready at once since the last set, and nothing older was left.
    pub rolled_out: bool,
    /// When the state was asked for, in milliseconds since boot.
    pub since_boot_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSeen {
    #[serde(flatten)]
    pub id: ProcessId,
    pub generation: Generation,
    pub replica: u32,
    pub phase: Phase,
    /// Of the file the process really runs; none until it was read.
    pub exe: Option<Digest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Was not ready yet.
    Starting,
    Ready,
    /// Was ready, and is not now.
    Unready,
    Draining,
}

/// Why a request was not carried out. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    #[error("act with a superseded fence: {highest} was admitted since; end this deployer")]
    Superseded { highest: i64 },
    #[error(
        "set a component that is at generation {current:?} now, not at the one this was decided on; observe again"
    )]
    Duplicate { current: Option<Generation> },
    #[error(
        "use this target for another environment: it belongs to {service}/{env} ({env_id}); check `state` in nica.toml"
    )]
    OtherEnvironment { service: String, env: String, env_id: String },
    #[error("accept the request: {0}")]
    Invalid(String),
    #[error("make the change durable: {0}")]
    NotDurable(String),
}

impl Seen {
    /// The part of this that the engine decides on.
    pub fn world(&self) -> ComponentSeen {
        ComponentSeen {
            generation: self.generation.clone(),
            replicas: self.replicas,
            ready: self.ready,
            alive: self.processes.iter().map(|process| process.generation.clone()).collect(),
            doomed: self.doomed.as_ref().map(ToString::to_string),
            ..ComponentSeen::default()
        }
    }
}

/// A secret on its way. It prints as dots.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretValue(String);

impl SecretValue {
    pub fn new(value: String) -> SecretValue {
        SecretValue(value)
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}
