//! From an applied configuration to the body that is sent: what NICA adds so that it finds its objects again.
//!
//! Pure. A configuration says what is asked for; labels, annotations and, where something else scales, the number of
//! replicas are all that is added.

use super::names::{
    APPLIED, COMPONENT, ENVIRONMENT, GENERATION, MANAGED_BY, MANAGER, PREVIOUS, REPLICAS, SERVICE,
};
use super::observe::Kept;
use super::{Owner, object};
use nica_engine::Desired;
use serde_json::{Map, Value, json};

/// Kinds whose replicas are counted.
const COUNTED: [&str; 2] = ["Deployment", "StatefulSet"];

/// What a component is asked to be.
#[derive(Clone, Copy)]
pub(super) struct Stamp<'a> {
    pub component: &'a str,
    pub desired: &'a Desired,
    pub owner: &'a Owner,
}

/// The configuration with our marks. `kept` is the object as it is, where there is one.
pub(super) fn stamped(configuration: &Value, stamp: Stamp<'_>, kept: Option<&Kept>) -> Value {
    let mut body = configuration.clone();
    let kind = object::text(configuration, "/kind").unwrap_or_default().to_string();
    let generation = stamp.desired.generation().0;
    let labels = at(&mut body, &["metadata", "labels"]);
    labels.insert(MANAGED_BY.to_string(), json!(MANAGER));
    labels.insert(SERVICE.to_string(), json!(stamp.owner.service));
    let annotations = at(&mut body, &["metadata", "annotations"]);
    annotations.insert(GENERATION.to_string(), json!(generation));
    annotations.insert(APPLIED.to_string(), json!(stamp.desired.digest.as_str()));
    if let Some(env_id) = &stamp.owner.env_id {
        annotations.insert(ENVIRONMENT.to_string(), json!(env_id));
    }
    if let Some(previous) = kept.and_then(|kept| kept.before(&generation)) {
        annotations.insert(PREVIOUS.to_string(), json!(previous));
    }
    if let Some(template) = template(&kind) {
        let path = |last| [template, &["metadata", last]].concat();
        at(&mut body, &path("labels")).insert(GENERATION.to_string(), json!(generation));
        at(&mut body, &path("annotations")).insert(COMPONENT.to_string(), json!(stamp.component));
        let replicas = stamp.desired.replicas;
        at(&mut body, &["metadata", "annotations"]).insert(REPLICAS.to_string(), json!(replicas.to_string()));
        scale(&mut body, &kind, replicas, kept);
    }
    body
}

/// Where the kind keeps the template of its pods; none where it has no pods.
pub(super) fn template(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => Some(&["spec", "template"]),
        "CronJob" => Some(&["spec", "jobTemplate", "spec", "template"]),
        _ => None,
    }
}

/// Something else scales where the configuration does not say how many. An apply that leaves out a field which it owned
/// would take it back to its default, so what we own is said again as it is; what is inert is woken with the least that
/// is awaited.
fn scale(body: &mut Value, kind: &str, replicas: u32, kept: Option<&Kept>) {
    if !COUNTED.contains(&kind) || body.pointer("/spec/replicas").is_some() {
        return;
    }
    let live = kept.filter(|kept| kept.owns_replicas).and_then(|kept| kept.live_replicas);
    if let Some(live) = live.or_else(|| kept.is_none().then_some(0)) {
        let asked = if live == 0 { replicas.max(1) } else { live };
        at(body, &["spec"]).insert("replicas".to_string(), json!(asked));
    }
}

/// How many are awaited of what was asked for.
pub(super) fn replicas(object: &Value) -> u32 {
    object::annotation(object, REPLICAS).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// One is what the API server takes where nothing is said.
pub(super) fn live_replicas(object: &Value) -> u32 {
    object::number(object, "/spec/replicas").map_or(1, |n| u32::try_from(n).unwrap_or(u32::MAX))
}

/// The map at this path, made where there is none. What stands there otherwise was no object and is replaced.
fn at<'a>(body: &'a mut Value, path: &[&str]) -> &'a mut Map<String, Value> {
    let mut place = body;
    for key in path {
        if !place.is_object() {
            *place = json!({});
        }
        place = place.as_object_mut().expect("it was just made one").entry(*key).or_insert_with(|| json!({}));
    }
    if !place.is_object() {
        *place = json!({});
    }
    place.as_object_mut().expect("it was just made one")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nica_engine::Digest;
    use nica_engine::release::ComponentKind;
    use std::collections::BTreeMap;

    fn desired(replicas: u32) -> Desired {
        Desired {
            kind: ComponentKind::Image,
            digest: Digest::of(b"configuration"),
            args: Vec::new(),
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            replicas,
            listen: String::new(),
        }
    }

    fn body(configuration: &Value, replicas: u32, kept: Option<&Kept>) -> Value {
        let owner = Owner { service: "s".to_string(), env_id: None };
        let desired = desired(replicas);
        stamped(configuration, Stamp { component: "K/n", desired: &desired, owner: &owner }, kept)
    }

    fn owning(replicas: u32) -> Kept {
        Kept { owns_replicas: true, live_replicas: Some(replicas), ..Kept::default() }
    }

    #[test]
    fn what_is_awaited_is_read_back() {
        let check = |configuration: Value, asked, expected| {
            assert_eq!(replicas(&body(&configuration, asked, None)), expected, "{configuration}");
        };
        check(json!({ "kind": "Deployment", "spec": { "replicas": 3 } }), 3, 3);
        check(json!({ "kind": "Deployment", "spec": { "replicas": 0 } }), 0, 0);
        check(json!({ "kind": "CronJob", "spec": {} }), 0, 0);
        check(json!({ "kind": "Service", "spec": {} }), 0, 0);
    }

    #[test]
    fn replicas_are_left_to_who_scales_and_never_fall_to_the_default() {
        let scaled = json!({ "kind": "Deployment", "spec": {} });
        let check = |kept: Option<Kept>, expected: Option<u32>| {
            let made = body(&scaled, 2, kept.as_ref());
            assert_eq!(made.pointer("/spec/replicas"), expected.map(|n| json!(n)).as_ref(), "{made}");
        };
        check(None, Some(2));
        check(Some(owning(0)), Some(2));
        check(Some(owning(7)), Some(7));
        check(Some(Kept { live_replicas: Some(7), ..Kept::default() }), None);
    }

    #[test]
    fn pods_carry_generation_and_component() {
        let made = body(&json!({ "kind": "CronJob", "spec": {} }), 1, None);
        let meta = "/spec/jobTemplate/spec/template/metadata";
        let generation = desired(1).generation().0;
        let label = object::text(&made, &format!("{meta}/labels/nica~1generation"));
        assert_eq!(label, Some(generation.as_str()));
        assert_eq!(object::text(&made, &format!("{meta}/annotations/nica~1component")), Some("K/n"));
    }
}
