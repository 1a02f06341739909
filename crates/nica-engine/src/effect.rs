//! The closed list of things that NICA may do to the world.
//!
//! One effect is one object or one transaction. Each carries, as data, everything that doing it and undoing it
//! needs, so that a run can be finished by a process that has nothing but credentials.

use crate::canonical::Digest;
use crate::release::{ComponentKind, Migration, SeedFile};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Note the WAL position before anything changes.
    RestorePoint,
    /// One migration in one transaction; the migration row is written in it.
    Sql { migration: Migration },
    /// One statement outside a transaction that converges to a definition (a concurrent index).
    SqlConverge { migration: Migration },
    /// Move values that an earlier down parked back to where they belong, in batches.
    Unpark { migration: String, park: Vec<String> },
    /// All seed files in one transaction, row by row.
    Seeds { files: Vec<SeedFile> },
    /// The object that owns everything that this run creates. Going back deletes it, and what it owns with it.
    Anchor,
    /// An object that the target does not have, owned by the anchor. A workload is born inert, and made effective by a
    /// `SetDesired` of its own.
    Create { component: String, desired: Desired },
    /// Ask the target for a component in this state; `before` is the baseline's applied configuration.
    SetDesired { component: String, desired: Desired, before: Option<Desired> },
    /// Wait until the component serves in the state that was asked for.
    Await { component: String, generation: Generation, replicas: u32 },
    /// Watch the new release for a while and judge it.
    Bake,
    /// The point of no return.
    Commit,
    /// Take away a component that the release dropped. After Commit only.
    Delete { component: String, before: Desired },
    /// Delete the anchor and leave what it owns. After Commit only.
    Unanchor,
}

/// The state of a component that a target is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desired {
    pub kind: ComponentKind,
    /// Of the program; of an object its applied configuration's, and then the fields below say nothing.
    pub digest: Digest,
    pub args: Vec<String>,
    /// Environment variables with their values.
    pub config: BTreeMap<String, String>,
    /// Environment variables whose value the target keeps under this content name.
    pub secrets: BTreeMap<String, SecretName>,
    /// How many are awaited; 0 for what has none or is not awaited.
    pub replicas: u32,
    pub listen: String,
}

/// Keyed digest of a secret's value: tells values apart, gives none away.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretName(pub String);

/// Which desired state a replica, a session or a metric belongs to: 12 hex digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Generation(pub String);

impl Desired {
    /// First 12 hex digits of the hash of what a replica runs. Replicas and address are not part of it: scaling
    /// does not make a program another one.
    pub fn generation(&self) -> Generation {
        let runs = (self.kind, &self.digest, &self.args, &self.config, &self.secrets);
        Generation(Digest::of_value(&runs).as_str()[..12].to_string())
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Effect {
    /// The migration that this effect applies, if it applies one.
    pub fn migration(&self) -> Option<&Migration> {
        match self {
            Effect::Sql { migration } | Effect::SqlConverge { migration } => Some(migration),
            _ => None,
        }
    }
}
