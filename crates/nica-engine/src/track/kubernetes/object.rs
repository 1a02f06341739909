//! The objects that are watched, each holding only what is judged.
//!
//! Unknown fields are ignored here, unlike in our own formats: the API server adds fields with every version. No
//! environment, argument or annotation value is kept, so none can reach a line. Field names and meanings: the
//! Kubernetes API reference, apps/v1, batch/v1 and core/v1.

mod pod;
mod workload;

pub use pod::{
    Container, ContainerStatus, Pod, PodSpec, PodStatus, Probe, Running, State, Terminated, Volume, Waiting,
};
pub use workload::{Share, Template, Workload, WorkloadSpec, WorkloadStatus};

use serde::Deserialize;
use serde_json::Value;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub resource_version: String,
    pub generation: i64,
    pub labels: Labels,
    pub annotations: Annotations,
    /// Present while the object is being deleted.
    pub deletion_timestamp: Option<String>,
    pub owner_references: Vec<Owner>,
}

/// The labels by which a controller says which template a pod was made from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Labels {
    #[serde(rename = "controller-revision-hash")]
    pub revision: String,
    #[serde(rename = "pod-template-generation")]
    pub template_generation: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Annotations {
    /// Deprecated by name, and still what the DaemonSet controller labels its pods with.
    #[serde(rename = "deprecated.daemonset.template.generation")]
    pub template_generation: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Owner {
    pub uid: String,
    pub controller: bool,
}

impl Meta {
    /// Versions of one object are ordered numbers (guaranteed since 1.35; true long before).
    pub fn version(&self) -> Option<u64> {
        self.resource_version.parse().ok()
    }

    pub fn owner(&self) -> Option<&str> {
        self.owner_references.iter().find(|owner| owner.controller).map(|owner| owner.uid.as_str())
    }

    pub fn leaving(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    #[serde(rename = "type")]
    pub name: String,
    pub status: String,
    pub reason: String,
    pub message: String,
    pub last_transition_time: String,
}

/// The condition of that name, when it is true.
pub fn holds<'a>(conditions: &'a [Condition], name: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.name == name && condition.status == "True")
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Claim {
    pub metadata: Meta,
    pub status: ClaimStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimStatus {
    pub phase: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    pub metadata: Meta,
    pub involved_object: Involved,
    pub reason: String,
    pub message: String,
    pub count: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Involved {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// Of the object, when whoever reports it acted on it.
    pub resource_version: String,
    pub field_path: String,
}

impl Event {
    /// The container that `spec.containers{name}` points to.
    pub fn container(&self) -> Option<&str> {
        self.involved_object.field_path.split_once('{')?.1.strip_suffix('}')
    }
}

/// Written-out nulls mean the same as absent fields.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nulls_and_unknown_fields_do_not_matter() {
        let told = json!({"metadata": {"name": "p", "uid": "u", "novel": 1, "labels": null},
            "status": {"conditions": null, "containerStatuses": [{"name": "c", "ready": true, "lastState": {}}]}});
        let pod: Pod = serde_json::from_value(without_nulls(&told)).unwrap();
        assert_eq!((pod.metadata.name.as_str(), pod.status.container_statuses.len()), ("p", 1));
    }

    #[test]
    fn two_templates_are_equal_when_they_differ_by_their_hash_label_only() {
        let read = |template: Value| serde_json::from_value::<Template>(template).unwrap();
        let ours =
            read(json!({"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"image": "a"}]}}));
        let set = json!({"metadata": {"labels": {"app": "d", "pod-template-hash": "x"}},
            "spec": {"containers": [{"image": "a"}]}});
        let older = json!({"metadata": {"labels": {"app": "d", "pod-template-hash": "x"}},
            "spec": {"containers": [{"image": "b"}]}});
        assert_eq!(ours, read(set));
        assert_ne!(ours, read(older));
    }
}
