//! Deployment, ReplicaSet, StatefulSet, DaemonSet and Job: one struct, since what is judged of them is shared.

use super::{Condition, Meta};
use crate::canonical::Digest;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Workload {
    pub metadata: Meta,
    pub spec: WorkloadSpec,
    pub status: WorkloadStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSpec {
    pub replicas: Option<u32>,
    pub min_ready_seconds: u32,
    pub paused: bool,
    pub suspend: bool,
    pub template: Template,
    pub pod_management_policy: String,
    pub ordinals: Ordinals,
    pub strategy: Strategy,
    pub update_strategy: Strategy,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Ordinals {
    pub start: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Strategy {
    #[serde(rename = "type")]
    pub kind: String,
    pub rolling_update: Rolling,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rolling {
    /// StatefulSet: pods with a lower ordinal keep the older template.
    pub partition: u32,
    pub max_surge: Option<Share>,
    pub max_unavailable: Option<Share>,
}

/// A number of pods or a percentage of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Share {
    Pods(u32),
    Percent(String),
}

impl Share {
    /// Rounded up: the most it can mean, so that nothing is called late that may still be in time.
    pub fn at_most(&self, replicas: u32) -> u32 {
        match self {
            Share::Pods(pods) => *pods,
            Share::Percent(text) => {
                let percent: u64 = text.trim_end_matches('%').parse().unwrap_or(100);
                u32::try_from(u64::from(replicas).saturating_mul(percent).div_ceil(100)).unwrap_or(replicas)
            }
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadStatus {
    pub observed_generation: i64,
    pub update_revision: String,
    pub desired_number_scheduled: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub conditions: Vec<Condition>,
}

/// A pod template by its hash: its values are not kept. The label that a Deployment's controller adds is left out,
/// as the controller itself does when it looks for the ReplicaSet of a template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template(Option<Digest>);

impl Template {
    pub fn is_known(&self) -> bool {
        self.0.is_some()
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut template = Value::deserialize(deserializer)?;
        let labels = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut);
        labels.map(|labels| labels.remove("pod-template-hash"));
        Ok(Template(Some(Digest::of_value(&template))))
    }
}
