//! Pods, as far as a deployer cares: which component and generation, ready or not, and what their containers say.
//!
//! Read instead of the workload's own summary: that one lags behind, and a crashing program without a readiness probe
//! makes it *available*.

use super::names::{COMPONENT, GENERATION};
use nica_engine::effect::Generation;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Only what is read is kept: two thousand whole pods are tens of megabytes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Pod {
    pub metadata: Meta,
    pub spec: Spec,
    pub status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub deletion_timestamp: Option<String>,
    pub owner_references: Vec<Owner>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Owner {
    pub kind: String,
    pub name: String,
    pub controller: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    pub ports: Vec<Port>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Port {
    pub name: String,
    pub container_port: u16,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    pub phase: String,
    pub conditions: Vec<Condition>,
    pub container_statuses: Vec<ContainerStatus>,
    pub init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerStatus {
    pub name: String,
    pub restart_count: u32,
}

impl Pod {
    /// Something in it runs, or may yet.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    pub(super) fn is_going(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    pub(super) fn is_ready(&self) -> bool {
        let ready = |c: &Condition| c.kind == "Ready" && c.status == "True";
        !self.is_going() && self.status.conditions.iter().any(ready)
    }

    /// A pod that does not say its generation was not asked for by us: it counts as one that nobody knows.
    pub(super) fn generation(&self) -> Generation {
        let unknown = || UNKNOWN.to_string();
        Generation(self.metadata.labels.get(GENERATION).cloned().unwrap_or_else(unknown))
    }

    /// As its template says; else by the controller that owns it.
    pub(super) fn component(&self, replica_sets: &BTreeMap<String, String>) -> Option<String> {
        if let Some(component) = self.metadata.annotations.get(COMPONENT) {
            return Some(component.clone());
        }
        let owner = self.metadata.owner_references.iter().find(|owner| owner.controller)?;
        match owner.kind.as_str() {
            "ReplicaSet" => replica_sets.get(&owner.name).cloned(),
            kind => Some(format!("{kind}/{}", owner.name)),
        }
    }
}

/// Generation of pods that carry none.
const UNKNOWN: &str = "unknown";

/// Name of a ReplicaSet → its Deployment as a component.
pub(super) fn deployments(replica_sets: &[Value]) -> BTreeMap<String, String> {
    let owner = |set: &Value| {
        let owners = set.pointer("/metadata/ownerReferences")?.as_array()?;
        let deployment = owners.iter().find(|owner| owner["kind"] == "Deployment")?["name"].as_str()?;
        Some((super::object::name(set).to_string(), format!("Deployment/{deployment}")))
    };
    replica_sets.iter().filter_map(owner).collect()
}
