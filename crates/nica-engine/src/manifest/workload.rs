//! Workloads: which image their containers run, how many replicas, and what they look like when they run nothing.

use super::check::refusal;
use super::object::{Name, Raw, containers, pods, table, text};
use super::refusal::{Refused, Why};
use super::{Facts, Image, names};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const KINDS: [&str; 5] = ["CronJob", "DaemonSet", "Deployment", "Job", "StatefulSet"];

/// `postgres` cuts application names at 63 bytes; the generation, 12 digits, stands last.
const SESSION_MAX: usize = 63 - 12 - 2;
const VARIABLES: [&str; 2] = ["NICA_GENERATION", "PGAPPNAME"];

/// Images by digest, and the name of sessions into every container.
pub(super) fn prepare(raw: &mut [Raw], facts: &Facts<'_>) -> Vec<Refused> {
    let mut refused = Vec::new();
    for object in raw.iter_mut() {
        let name = object.name();
        let session = session(facts.service, &name.name);
        let Some(pods) = pods(&mut object.0) else { continue };
        for container in containers(pods) {
            let whys =
                image(container, facts.images).into_iter().chain(reserved(container)).chain(texts(container));
            refused.extend(whys.map(|why| refusal(&name, why)));
            name_sessions(container, &session);
        }
    }
    refused
}

fn image(container: &mut Value, images: &[Image]) -> Option<Why> {
    let called = || text(container, "/name").to_string();
    let image = text(container, "/image");
    let (tagged, digest) = match image.split_once('@') {
        Some((tagged, digest)) => (tagged, Some(digest)),
        None => (image, None),
    };
    let repository = without_tag(tagged);
    let Some(ours) = images.iter().find(|i| i.repository == repository) else {
        let container = called();
        return digest.is_none().then(|| Why::ImageByTag { container, image: image.to_string() });
    };
    let wanted = format!("sha256:{}", ours.digest.as_str());
    if digest.is_some_and(|digest| digest != wanted) {
        return Some(Why::OtherDigest { container: called(), repository: repository.to_string() });
    }
    let by_digest = format!("{repository}@{wanted}");
    container.as_object_mut()?.insert("image".into(), by_digest.into());
    None
}

/// A colon after the last slash begins a tag; one before it, a port.
fn without_tag(image: &str) -> &str {
    let path = image.rfind('/').map_or(0, |slash| slash + 1);
    image[path..].find(':').map_or(image, |colon| &image[..path + colon])
}

fn reserved(container: &Value) -> Vec<Why> {
    let names = variables(container).map(|v| text(v, "/name"));
    let ours = names.filter(|name| VARIABLES.contains(name));
    let container = text(container, "/name");
    ours.map(|v| Why::Reserved { container: container.into(), variable: v.into() }).collect()
}

fn texts(container: &Value) -> Vec<Why> {
    let wrong = variables(container).filter(|v| v.get("value").is_some_and(|value| !value.is_string()));
    wrong.map(|v| Why::NoText(format!("env.{}", text(v, "/name")))).collect()
}

fn variables(container: &Value) -> impl Iterator<Item = &Value> {
    container.get("env").and_then(Value::as_array).into_iter().flatten()
}

/// Sessions say which generation they belong to: the pod's label, so that the configuration does not name its own
/// hash. Every container gets it, whatever it runs: a barrier that misses one session is none.
fn name_sessions(container: &mut Value, session: &str) {
    let label = format!("metadata.labels['{}']", names::GENERATION);
    let ours = [
        json!({ "name": "NICA_GENERATION", "valueFrom": { "fieldRef": { "fieldPath": label } } }),
        json!({ "name": "PGAPPNAME", "value": format!("{session}/$(NICA_GENERATION)") }),
    ];
    let Some(container) = container.as_object_mut() else { return };
    let env = container.entry("env").or_insert_with(|| json!([]));
    if let Some(env) = env.as_array_mut() {
        env.splice(0..0, ours);
    }
}

/// The object's name is cut where the whole would be too long: only service and generation are read.
fn session(service: &str, name: &str) -> String {
    let room = SESSION_MAX.saturating_sub(service.len());
    format!("{service}/{}", name.get(..room).unwrap_or(name))
}

/// Workloads that an autoscaler of the set rules, with its minimum.
pub(super) fn ruled(raw: &[Raw]) -> BTreeMap<Name, u32> {
    let scalers = raw.iter().filter(|o| o.kind() == "HorizontalPodAutoscaler");
    let rules = scalers.map(|o| {
        let of = |field| text(&o.0, &format!("/spec/scaleTargetRef/{field}"));
        let min = o.0.pointer("/spec/minReplicas").and_then(Value::as_u64).unwrap_or(1);
        (Name::new(of("kind"), of("name")), number(min))
    });
    rules.collect()
}

/// How many are asked for. `ruled` is the minimum of the autoscaler that rules them: then the configuration names none,
/// or each apply would take back what it did. Else it names one, so that a hand that scaled is seen.
pub(super) fn replicas(value: &mut Value, name: &Name, ruled: Option<u32>) -> u32 {
    let Some(spec) = table(value, "spec") else { return 0 };
    match (name.kind.as_str(), ruled) {
        ("Deployment" | "StatefulSet", Some(minimum)) => {
            spec.remove("replicas");
            minimum
        }
        ("Deployment" | "StatefulSet", None) => {
            spec.entry("replicas").or_insert_with(|| 1.into()).as_u64().map_or(1, number)
        }
        // What people suspended is not counted.
        _ => u32::from(spec.get("suspend").and_then(Value::as_bool) != Some(true)),
    }
}

fn number(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The same workload before it was made effective: it runs nothing, and carries a mark that says why.
pub(super) fn inert(value: &Value) -> Value {
    let mut inert = value.clone();
    if let Some(spec) = table(&mut inert, "spec") {
        match text(value, "/kind") {
            "Deployment" | "StatefulSet" => spec.insert("replicas".into(), 0.into()),
            "Job" | "CronJob" => spec.insert("suspend".into(), true.into()),
            _ => None,
        };
    }
    if text(value, "/kind") == "DaemonSet"
        && let Some(selector) = pods(&mut inert).and_then(|pods| table(pods, "nodeSelector"))
    {
        // No node has it.
        selector.insert(names::INERT.into(), "true".into());
    }
    if let Some(annotations) = table(&mut inert["metadata"], "annotations") {
        annotations.insert(names::INERT.into(), "true".into());
    }
    inert
}

/// The place of the first component whose image a workload runs; after all of them when it runs none.
pub(super) fn component(configuration: &Value, facts: &Facts<'_>) -> usize {
    let mut value = configuration.clone();
    let Some(pods) = pods(&mut value) else { return facts.images.len() };
    let images = containers(pods);
    let runs =
        |i: &Image| images.iter().any(|c| text(c, "/image").split('@').next() == Some(i.repository.as_str()));
    facts.images.iter().position(runs).unwrap_or(facts.images.len())
}
