//! A whole roll that comes good: a workload of each kind, its older pods, its controller, and trouble on the way.

use super::super::replay::Life;
use super::pod::Pod;
use super::sim::{About, Sim};
use super::trouble::{Trouble, live, misbehave};
use nica_engine::track::kubernetes::{Kind, Wanted};
use rand::Rng;
use serde_json::{Value, json};

pub(crate) const KINDS: [Kind; 4] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Job];

const SINCE: u64 = 2_000;
const LIMIT_MS: u64 = 3_600_000;

pub(crate) fn life(kind: Kind, trouble: Trouble, seed: u64) -> Life {
    let mut sim = Sim::new(seed);
    let generation = match kind {
        Kind::Deployment => deployment(&mut sim, trouble),
        Kind::StatefulSet => stateful(&mut sim, trouble),
        Kind::DaemonSet => daemons(&mut sim, trouble),
        _ => job(&mut sim, trouble),
    };
    let wanted = Wanted { kind, uid: "w".into(), generation, since: SINCE, limit_ms: LIMIT_MS };
    let name = format!("{} {trouble:?} seed {seed}", kind.word());
    Life { name, wanted, deliveries: sim.deliveries(), patience_ms: 60_000 }
}

fn workload(kind: &str, generation: u64, spec: Value, status: Value) -> Value {
    let annotations = json!({"deprecated.daemonset.template.generation": generation.min(2).to_string()});
    json!({"kind": kind, "metadata": {"name": "d", "namespace": "n", "uid": "w", "generation": generation,
        "annotations": annotations}, "spec": spec, "status": status})
}

fn old_pod(sim: &mut Sim, name: String, owner: &str, labels: Value) -> Pod {
    let mut pod = Pod::new(sim, name, owner, labels);
    (pod.phase, pod.scheduled) = ("Running", true);
    pod.main.run(0);
    pod.set_ready(true);
    pod.create(sim, 200);
    pod
}

/// Leaves with its grace period, and shows what ends in it; answers when it is gone.
fn leave(sim: &mut Sim, pod: &mut Pod, at: u64) -> u64 {
    pod.leave();
    pod.show(sim, at);
    pod.event(sim, at, "c", "Killing", "Stopping container c");
    let gone_at = at + sim.ms(100..=25_000);
    pod.set_ready(false);
    pod.main.end(sim, "Error", 143);
    pod.show(sim, gone_at - 20);
    pod.vanish(sim, gone_at);
    gone_at
}

/// The given trouble happens to one of the pods, small ones of the others are left alone.
fn troubles(sim: &mut Sim, trouble: Trouble, pods: u64) -> Vec<Trouble> {
    let struck = sim.ms(0..=pods - 1);
    (0..pods).map(|index| if index == struck { trouble } else { Trouble::None }).collect()
}

fn deployment(sim: &mut Sim, trouble: Trouble) -> i64 {
    let replicas = sim.ms(1..=4);
    let template = |image: &str| json!({"metadata": {"labels": {"app": "d"}}, "spec": {"image": image}});
    let set = |uid: &str, image: &str, failure: Option<&str>| {
        let mut template = template(image);
        template["metadata"]["labels"]["pod-template-hash"] = json!(uid);
        let refused = failure.map(|message| json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]));
        json!({"kind": "ReplicaSet", "metadata": {"name": uid, "namespace": "n", "uid": uid, "generation": 1,
            "ownerReferences": [{"uid": "w", "controller": true}]}, "spec": {"template": template},
            "status": {"conditions": refused}})
    };
    let shown = |generation: u64, observed: u64, replicas: u64, image: &str, conditions: Value| {
        let spec = json!({"replicas": replicas, "template": template(image),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}});
        workload(
            "Deployment",
            generation,
            spec,
            json!({"observedGeneration": observed, "conditions": conditions}),
        )
    };
    // Nothing about the Deployment's own conditions counts, for or against.
    let available = json!([{"type": "Available", "status": "True"},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]);
    let late = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    sim.emit(100, "ADDED", shown(1, 1, replicas, "v1", available.clone()));
    sim.emit(110, "ADDED", set("old", "v1", None));
    let mut old: Vec<Pod> =
        (0..replicas).map(|i| old_pod(sim, format!("d-old-{i}"), "old", json!({}))).collect();
    sim.emit(SINCE, "MODIFIED", shown(2, 1, replicas, "v2", available));
    sim.emit(SINCE + 60, "ADDED", set("new", "v2", None));
    sim.emit(SINCE + 120, "MODIFIED", shown(2, 2, replicas, "v2", late));

    let mut at = SINCE + 150;
    if sim.rng.random_bool(0.3) {
        at = refused_for_a_while(sim, &mut old, at, |message| set("new", "v2", message));
    }
    let mut ready = Vec::new();
    for (index, trouble) in troubles(sim, trouble, replicas).into_iter().enumerate() {
        let mut again = |sim: &mut Sim| {
            let name = sim.id("d-new");
            Pod::new(sim, name, "new", json!({}))
        };
        if let Some(mut pod) = old.pop() {
            if sim.rng.random_bool(0.2) {
                misbehave(sim, &mut pod, at);
            }
            if sim.rng.random_bool(0.5) {
                leave(sim, &mut pod, at + 3_000);
            } else {
                old.insert(0, pod);
            }
        }
        let ready_at = live(sim, &mut again, at, trouble);
        ready.push(ready_at);
        at = if sim.rng.random_bool(0.5) { ready_at + 50 } else { at + sim.ms(10..=500) };
        if index == 0 && sim.rng.random_bool(0.2) {
            // A person scales meanwhile.
            let conditions = json!([]);
            sim.emit(at, "MODIFIED", shown(3, 2, replicas + 1, "v2", conditions.clone()));
            sim.emit(at + 40, "MODIFIED", shown(3, 3, replicas + 1, "v2", conditions));
            ready.push(live(sim, &mut again, at + 60, Trouble::None));
        }
    }
    let all_ready_at = ready.into_iter().max().unwrap_or(at);
    for mut pod in old {
        let leaves_at = all_ready_at + sim.ms(10..=900);
        leave(sim, &mut pod, leaves_at);
    }
    2
}

/// The first try to create a pod is refused, by something that passes.
fn refused_for_a_while(
    sim: &mut Sim,
    old: &mut Vec<Pod>,
    at: u64,
    set: impl Fn(Option<&str>) -> Value,
) -> u64 {
    let quota =
        "pods \"d-x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=4, limited: pods=4";
    let words = [
        "Internal error occurred: failed calling webhook \"w.example\": failed to call webhook: connection refused",
        "pods is forbidden: User \"system:serviceaccount:kube-system:replicaset-controller\" cannot create resource \"pods\"",
        "Operation cannot be fulfilled on resourcequotas \"q\": the object has been modified",
        quota,
    ];
    let message = words[sim.ms(0..=3) as usize];
    sim.emit(at, "MODIFIED", set(Some(message)));
    let about = About { kind: "ReplicaSet", name: "new", uid: "new", container: "" };
    sim.event(at + 5, &about, "FailedCreate", &format!("Error creating: {message}"));
    let over_at = match (message == quota, old.pop()) {
        // Only an older pod that leaves gives its part of the quota back; it is counted again a little later.
        (true, Some(mut pod)) => leave(sim, &mut pod, at + 100) + sim.ms(100..=12_000),
        (_, kept) => {
            old.extend(kept);
            at + sim.ms(500..=20_000)
        }
    };
    sim.emit(over_at, "MODIFIED", set(None));
    over_at
}

fn stateful(sim: &mut Sim, trouble: Trouble) -> i64 {
    let replicas = sim.ms(1..=4);
    let partition = if sim.rng.random_bool(0.4) { sim.ms(0..=replicas - 1) } else { 0 };
    let labels = |revision: &str| json!({"controller-revision-hash": revision});
    let shown = |generation: u64, observed: u64, revision: &str| {
        let spec = json!({"replicas": replicas, "template": {},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}});
        let status =
            json!({"observedGeneration": observed, "updateRevision": revision, "currentRevision": "r1"});
        workload("StatefulSet", generation, spec, status)
    };
    sim.emit(100, "ADDED", shown(1, 1, "r1"));
    let mut old: Vec<Pod> =
        (0..replicas).map(|i| old_pod(sim, format!("d-{i}"), "w", labels("r1"))).collect();
    sim.emit(SINCE, "MODIFIED", shown(2, 1, "r1"));
    sim.emit(SINCE + 80, "MODIFIED", shown(2, 2, "r2"));
    let mut at = SINCE + 100;
    let troubles = troubles(sim, trouble, replicas - partition);
    for trouble in troubles {
        let mut pod = old.pop().unwrap();
        if sim.rng.random_bool(0.3) {
            misbehave(sim, &mut pod, at);
            at += 3_000;
        }
        let gone_at = leave(sim, &mut pod, at);
        let name = pod.name.clone();
        let mut again = |sim: &mut Sim| Pod::new(sim, name.clone(), "w", labels("r2"));
        at = live(sim, &mut again, gone_at + 30, trouble) + 40;
    }
    2
}

fn daemons(sim: &mut Sim, trouble: Trouble) -> i64 {
    let nodes = sim.ms(1..=4);
    let labels = |generation: &str| json!({"pod-template-generation": generation});
    let shown = |generation: u64, observed: u64| {
        let status = json!({"observedGeneration": observed, "desiredNumberScheduled": nodes});
        workload("DaemonSet", generation, json!({"template": {}}), status)
    };
    sim.emit(100, "ADDED", shown(1, 1));
    let mut old: Vec<Pod> = (0..nodes).map(|i| old_pod(sim, format!("d-old{i}"), "w", labels("1"))).collect();
    sim.emit(SINCE, "MODIFIED", shown(2, 1));
    sim.emit(SINCE + 80, "MODIFIED", shown(2, 2));
    let mut at = SINCE + 100;
    for trouble in troubles(sim, trouble, nodes) {
        let mut pod = old.pop().unwrap();
        let gone_at = leave(sim, &mut pod, at);
        let mut again = |sim: &mut Sim| {
            let name = sim.id("d-new");
            Pod::new(sim, name, "w", labels("2"))
        };
        at = live(sim, &mut again, gone_at + 30, trouble) + 40;
    }
    2
}

/// Pods that fail are its retries; the last one goes through.
fn job(sim: &mut Sim, trouble: Trouble) -> i64 {
    let shown =
        |conditions: Value| workload("Job", 1, json!({"template": {}}), json!({"conditions": conditions}));
    sim.emit(SINCE, "ADDED", shown(json!([])));
    let mut at = SINCE + 60;
    for _ in 0..sim.ms(0..=3) {
        let name = sim.id("d");
        let mut pod = Pod::new(sim, name, "w", json!({}));
        pod.probed = false;
        pod.scheduled = true;
        pod.create(sim, at);
        for _ in 0..sim.ms(1..=3) {
            at += sim.ms(300..=4_000);
            pod.phase = "Running";
            pod.main.run(at);
            pod.show(sim, at);
            at += sim.ms(100..=9_000);
            pod.main.end(sim, "Error", 1);
            pod.show(sim, at);
        }
        pod.phase = "Failed";
        pod.show(sim, at + 10);
        at += sim.ms(1_000..=11_000);
    }
    let mut again = |sim: &mut Sim| {
        let name = sim.id("d");
        Pod::new(sim, name, "w", json!({}))
    };
    let at = live(sim, &mut again, at, trouble) + sim.ms(10..=30_000);
    sim.emit(at, "MODIFIED", shown(json!([{"type": "SuccessCriteriaMet", "status": "True"}])));
    sim.emit(at + 500, "MODIFIED", shown(json!([{"type": "Complete", "status": "True"}])));
    1
}
