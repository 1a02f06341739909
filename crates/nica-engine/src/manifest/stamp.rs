//! What NICA writes on objects, and the part of it that only the object's own hash can say.

use super::Facts;
use super::object::{table, template, text};
use crate::canonical::Digest;
use crate::effect::Generation;
use serde_json::{Value, json};

/// Annotation: digest of the configuration that was applied.
pub const APPLIED: &str = "nica/applied";
/// Annotation of objects and label of pods.
pub const GENERATION: &str = "nica/generation";
/// Annotation: what the records call the object.
pub const COMPONENT: &str = "nica/component";
/// Annotation: the highest fence that was admitted.
pub const FENCE: &str = "nica/fence";
/// Annotation: an autoscaler rules the replicas, so they are not applied.
pub(super) const RULED: &str = "nica/replicas";
/// Annotation of a workload that runs nothing yet; and the node label, that no node has, of an inert DaemonSet.
pub(super) const INERT: &str = "nica/inert";
/// Annotation that people write: the ConfigMap is asked for by name.
pub(super) const KEEP_NAME: &str = "nica/keep-name";
/// What nobody else may write.
pub(super) const OURS: [&str; 6] = [APPLIED, GENERATION, COMPONENT, FENCE, RULED, INERT];

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label: several services may share a namespace.
const SERVICE: &str = "nica/service";

/// What stands on every object whatever its content.
pub(super) fn label(value: &mut Value, component: &str, facts: &Facts<'_>) {
    if let Some(labels) = table(&mut value["metadata"], "labels") {
        labels.insert(MANAGED_BY.into(), "nica".into());
        labels.insert(SERVICE.into(), facts.service.into());
    }
    annotate(value, COMPONENT, component);
}

pub(super) fn annotate(value: &mut Value, key: &str, text: &str) {
    if let Some(annotations) = table(&mut value["metadata"], "annotations") {
        annotations.insert(key.into(), text.into());
    }
}

/// The configuration as it is sent: with its digest, its generation (on the pods too) and its replicas, unless an
/// autoscaler rules them.
pub fn stamp(configuration: &Value, generation: &Generation, replicas: u32) -> Value {
    let mut value = configuration.clone();
    annotate(&mut value, APPLIED, Digest::of_value(configuration).as_str());
    annotate(&mut value, GENERATION, &generation.0);
    let kind = text(&value, "/kind").to_string();
    if let Some(pods) = template(&kind).and_then(|pointer| value.pointer_mut(pointer)) {
        let labels = table(pods, "metadata").map(|m| m.entry("labels").or_insert_with(|| json!({})));
        if let Some(Value::Object(labels)) = labels {
            labels.insert(GENERATION.into(), generation.0.clone().into());
        }
    }
    let annotation = |key| configuration.pointer("/metadata/annotations").and_then(|a| a.get(key)).is_some();
    // An inert workload has no replicas even where an autoscaler will rule them: it leaves 0 alone.
    if matches!(kind.as_str(), "Deployment" | "StatefulSet") && (!annotation(RULED) || annotation(INERT)) {
        table(&mut value, "spec").map(|spec| spec.insert("replicas".into(), replicas.into()));
    }
    value
}
