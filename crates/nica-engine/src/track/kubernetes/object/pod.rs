//! A pod: what it should run, and what its containers say about themselves.

use super::{Condition, Meta};
use serde::Deserialize;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Pod {
    pub metadata: Meta,
    pub spec: PodSpec,
    pub status: PodStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    pub node_name: String,
    pub init_containers: Vec<Container>,
    pub containers: Vec<Container>,
    pub volumes: Vec<Volume>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    pub name: String,
    pub image: String,
    /// `Always` makes an init container a sidecar.
    pub restart_policy: String,
    pub readiness_probe: Option<Probe>,
    pub liveness_probe: Option<Probe>,
    pub startup_probe: Option<Probe>,
}

/// The numbers of a probe; what is absent is what the API server fills in.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    pub initial_delay_seconds: u32,
    pub period_seconds: u32,
    pub success_threshold: u32,
    pub failure_threshold: u32,
}

impl Default for Probe {
    fn default() -> Probe {
        Probe { initial_delay_seconds: 0, period_seconds: 10, success_threshold: 1, failure_threshold: 3 }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    pub name: String,
    pub persistent_volume_claim: ClaimName,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimName {
    pub claim_name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    pub phase: String,
    pub reason: String,
    /// Set while lower priorities are being cleared away for this pod.
    pub nominated_node_name: String,
    pub conditions: Vec<Condition>,
    pub init_container_statuses: Vec<ContainerStatus>,
    pub container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    pub name: String,
    pub state: State,
    pub last_state: State,
    pub ready: bool,
    pub restart_count: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct State {
    pub waiting: Option<Waiting>,
    pub running: Option<Running>,
    pub terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Waiting {
    pub reason: String,
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Running {
    pub started_at: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terminated {
    pub exit_code: i32,
    pub reason: String,
    pub started_at: String,
    pub finished_at: String,
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// Read for start errors only, where the container runtime wrote it: a program may write anything here.
    pub message: String,
}

impl Pod {
    /// Every container with whether it runs to its end before the others start.
    pub fn containers(&self) -> impl Iterator<Item = (&Container, bool)> {
        let init = self.spec.init_containers.iter().map(|c| (c, c.restart_policy != "Always"));
        init.chain(self.spec.containers.iter().map(|c| (c, false)))
    }

    pub fn statuses(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.status.init_container_statuses.iter().chain(&self.status.container_statuses)
    }

    pub fn status_of(&self, container: &str) -> Option<&ContainerStatus> {
        self.statuses().find(|status| status.name == container)
    }

    pub fn condition(&self, name: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.name == name)
    }

    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|ready| ready.status == "True")
    }

    /// The scheduler looked and found no node.
    pub fn unschedulable(&self) -> Option<&Condition> {
        self.condition("PodScheduled").filter(|c| c.status == "False" && c.reason == "Unschedulable")
    }

    /// Ended as a whole or marked for it (eviction, node pressure, preemption, a node that goes): its controller
    /// makes another one, and what its containers show says nothing about the release.
    pub fn is_lost(&self) -> bool {
        let disrupted = self.condition("DisruptionTarget").is_some_and(|c| c.status == "True");
        self.metadata.leaving() || self.status.phase == "Failed" || disrupted
    }
}
