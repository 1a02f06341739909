//! What counts as the state of an environment: one written list.
//!
//! The plan's hash, drift, reading back and the ledger all mean this and nothing else. What is not listed here
//! (logs, user rows, replicas that restart) may change without voiding an approval.

use crate::canonical::Digest;
use crate::effect::{Generation, SecretName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    /// Which environment: a plan for one copy of a database is not a plan for another.
    pub env_id: String,
    pub components: BTreeMap<String, ComponentState>,
    /// Migration id → digest of its text and its state.
    pub migrations: BTreeMap<String, String>,
    /// Fingerprint of the declared schemas, absent before the first run.
    pub schema: Option<String>,
    /// Digest over the managed seed rows.
    pub seeds: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentState {
    pub generation: Generation,
    pub replicas: u32,
    pub listen: String,
    pub secrets: BTreeMap<String, SecretName>,
    /// Somebody changed what that generation asks for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drifted: bool,
}

impl Projection {
    pub fn hash(&self) -> Digest {
        Digest::of_value(self)
    }
}
