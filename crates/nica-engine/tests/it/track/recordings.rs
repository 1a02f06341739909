//! Reading a recording as what the watch delivered: whole objects, with the specs that were applied.

use super::replay::{Delivery, Life};
use nica_engine::track::kubernetes::{Kind, Wanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

pub(super) const ALL: [&str; 19] = [
    "arm64",
    "arm64-mislabelled",
    "bad-command",
    "exit1",
    "init-fail",
    "liveness",
    "missing-configmap-volume",
    "missing-image",
    "missing-secret-env",
    "missing-secret-key",
    "missing-secret-volume",
    "never-ready",
    "oom",
    "podsecurity",
    "pvc-unbound",
    "quota",
    "registry-down",
    "slow-start",
    "unschedulable",
];

pub(super) fn text_of(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/kubelet");
    std::fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap()
}

pub(super) fn read(name: &str) -> Life {
    let lines: Vec<Value> = text_of(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let uids = uids(&lines);
    let deliveries = lines.iter().map(|line| delivery(name, line, &uids)).collect();
    let uid = uids[&("Deployment".to_string(), "d".to_string())].clone();
    let applied = lines.iter().find(|line| line["kind"] == "Deployment").unwrap();
    let (since, version) = (at(applied), as_text(&applied["rv"]).parse().unwrap());
    let wanted = Wanted { kind: Kind::Deployment, uid, generation: 1, version, since, limit_ms: 600_000 };
    Life { name: name.into(), wanted, deliveries, patience_ms: 0, tick_ms: 100 }
}

/// Milliseconds of the day: all recordings lie within one.
pub(super) fn at(line: &Value) -> u64 {
    let received = line["received"].as_str().unwrap();
    let part = |range: std::ops::Range<usize>| received[range].parse::<u64>().unwrap();
    ((part(11..13) * 60 + part(14..16)) * 60 + part(17..19)) * 1_000 + part(20..23)
}

/// Events name the uid of what they are about; what no event is about gets its name.
fn uids(lines: &[Value]) -> BTreeMap<(String, String), String> {
    let mut uids = BTreeMap::new();
    for line in lines {
        let key = |kind: &Value, name: &Value| (as_text(kind), as_text(name));
        let own = key(&line["kind"], &line["name"]);
        let by_name = format!("{}/{}", own.0, own.1);
        uids.entry(own).or_insert(by_name);
        if let Some(involved) = line.get("event").map(|event| &event["involvedObject"]) {
            uids.insert(key(&involved["kind"], &involved["name"]), as_text(&involved["uid"]));
        }
    }
    uids
}

fn delivery(class: &str, line: &Value, uids: &BTreeMap<(String, String), String>) -> Delivery {
    let (kind, name) = (as_text(&line["kind"]), as_text(&line["name"]));
    let uid = |kind: &str, name: &str| uids[&(kind.to_string(), name.to_string())].clone();
    let owner = match kind.as_str() {
        "ReplicaSet" => json!([{"uid": uid("Deployment", "d"), "controller": true}]),
        "Pod" => {
            let set = name.rsplit_once('-').unwrap().0;
            json!([{"uid": uid("ReplicaSet", set), "controller": true}])
        }
        _ => Value::Null,
    };
    let metadata = json!({"name": name, "namespace": format!("rec-{class}"), "uid": uid(&kind, &name),
        "generation": 1, "resourceVersion": line["rv"], "ownerReferences": owner});
    let mut object = match kind.as_str() {
        "Event" => line["event"].clone(),
        "Pod" => json!({"spec": spec(class, line), "status": line["status"]}),
        _ => json!({"spec": {"replicas": 1, "template": {"spec": class}}, "status": line["status"]}),
    };
    object["kind"] = json!(kind);
    object["metadata"] = metadata;
    let change = match line["type"].as_str().unwrap() {
        "ADDED" => "ADDED",
        "MODIFIED" => "MODIFIED",
        other => panic!("no recording has {other}"),
    };
    Delivery { at: at(line), change, object }
}

fn spec(class: &str, line: &Value) -> Value {
    let image = line.pointer("/status/containerStatuses/0/image").cloned().unwrap_or_default();
    let every = |seconds: u32, failures: u32| json!({"periodSeconds": seconds, "failureThreshold": failures});
    let (mut readiness, mut liveness) = (Value::Null, Value::Null);
    match class {
        "never-ready" | "slow-start" => readiness = every(1, 3),
        "liveness" => liveness = every(2, 2),
        _ => {}
    }
    let init = match class {
        "init-fail" => json!([{"name": "i", "image": image}]),
        _ => json!([]),
    };
    let volumes = match class {
        "pvc-unbound" => json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]),
        _ => json!([]),
    };
    json!({"initContainers": init, "volumes": volumes, "containers": [{"name": "c", "image": image,
        "readinessProbe": readiness, "livenessProbe": liveness}]})
}

fn as_text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
