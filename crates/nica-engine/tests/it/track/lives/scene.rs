//! A workload of each kind as it stands before a roll, and what applying a newer template makes of it.

use super::super::replay::{Delivery, version};
use super::pod::Pod;
use super::sim::Sim;
use nica_engine::track::kubernetes::{Kind, Wanted};
use serde_json::{Value, json};

pub(crate) const SINCE: u64 = 2_000;

pub(crate) struct Scene {
    pub(crate) kind: Kind,
    pub(crate) replicas: u64,
    /// StatefulSet only.
    pub(crate) partition: u64,
    /// Of the wanted template's readiness probe.
    pub(crate) delay_secs: u32,
    /// Older pods that still serve.
    pub(crate) old: Vec<Pod>,
}

impl Scene {
    /// Applied at `SINCE`, read by the controller a moment later.
    pub(crate) fn open(sim: &mut Sim, kind: Kind, replicas: u64, partition: u64) -> Scene {
        let mut scene = Scene { kind, replicas, partition, delay_secs: 0, old: Vec::new() };
        if kind == Kind::Job {
            scene.show(sim, SINCE, 1, 1, json!([]));
            return scene;
        }
        let serves = json!([{"type": "Available", "status": "True"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]);
        let late = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
        sim.emit(100, "ADDED", scene.workload(1, 1, serves.clone()));
        if kind == Kind::Deployment {
            sim.emit(110, "ADDED", set("old", "v1", None));
        }
        scene.old = (0..replicas).map(|index| scene.old_pod(sim, index)).collect();
        // Nothing about the workload's own conditions counts, for or against.
        scene.show(sim, SINCE, 2, 1, serves);
        if kind == Kind::Deployment {
            sim.emit(SINCE + 60, "ADDED", set("new", "v2", None));
        }
        scene.show(sim, SINCE + 120, 2, 2, late);
        scene
    }

    pub(crate) fn wanted(&self, limit_ms: u64, deliveries: &[Delivery]) -> Wanted {
        let generation = if self.kind == Kind::Job { 1 } else { 2 };
        let applied = |delivery: &&Delivery| {
            let meta = &delivery.object["metadata"];
            meta["uid"] == "w" && meta["generation"] == generation
        };
        let version =
            deliveries.iter().filter(applied).map(|delivery| version(&delivery.object)).min().unwrap();
        Wanted { kind: self.kind, uid: "w".into(), generation, version, since: SINCE, limit_ms }
    }

    pub(crate) fn show(&self, sim: &mut Sim, at: u64, generation: u64, observed: u64, conditions: Value) {
        let change = if self.kind == Kind::Job && at == SINCE { "ADDED" } else { "MODIFIED" };
        sim.emit(at, change, self.workload(generation, observed, conditions));
    }

    /// The new ReplicaSet, with what it is refused.
    pub(crate) fn refuse(&self, sim: &mut Sim, at: u64, words: Option<&str>) {
        sim.emit(at, "MODIFIED", set("new", "v2", words));
    }

    fn workload(&self, generation: u64, observed: u64, conditions: Value) -> Value {
        let kind = match self.kind {
            Kind::Deployment => "Deployment",
            Kind::StatefulSet => "StatefulSet",
            Kind::DaemonSet => "DaemonSet",
            _ => "Job",
        };
        let annotations = json!({"deprecated.daemonset.template.generation": generation.min(2).to_string()});
        let image = if generation > 1 { "v2" } else { "v1" };
        let revision = if observed > 1 { "r2" } else { "r1" };
        json!({"kind": kind,
            "metadata": {"name": "d", "namespace": "n", "uid": "w", "generation": generation,
                "annotations": annotations},
            "spec": {"replicas": self.replicas, "template": template(image),
                "strategy": {"type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "25%"}},
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": self.partition}}},
            "status": {"observedGeneration": observed, "conditions": conditions,
                "updateRevision": revision, "currentRevision": "r1", "desiredNumberScheduled": self.replicas}})
    }

    fn old_pod(&self, sim: &mut Sim, index: u64) -> Pod {
        let owner = if self.kind == Kind::Deployment { "old" } else { "w" };
        let labels = json!({"controller-revision-hash": "r1", "pod-template-generation": "1"});
        let mut pod = Pod::new(sim, format!("d-{index}"), owner, labels);
        (pod.phase, pod.scheduled) = ("Running", true);
        pod.main.run(0);
        pod.set_ready(true);
        pod.create(sim, 200);
        pod
    }

    /// Of the wanted template; a StatefulSet gives it the name of the pod whose place it takes.
    pub(crate) fn new_pod(&self, sim: &mut Sim, place: Option<&str>) -> Pod {
        let owner = if self.kind == Kind::Deployment { "new" } else { "w" };
        let labels = json!({"controller-revision-hash": "r2", "pod-template-generation": "2"});
        let name = place.map_or_else(|| sim.id("d-new"), String::from);
        let mut pod = Pod::new(sim, name, owner, labels);
        pod.delay_secs = self.delay_secs;
        pod
    }
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "d"}}, "spec": {"image": image}})
}

fn set(uid: &str, image: &str, refused: Option<&str>) -> Value {
    let mut template = template(image);
    template["metadata"]["labels"]["pod-template-hash"] = json!(uid);
    let condition = refused.map(|message| {
        json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}])
    });
    json!({"kind": "ReplicaSet",
        "metadata": {"name": format!("d-{uid}"), "namespace": "n", "uid": uid, "generation": 1,
            "ownerReferences": [{"uid": "w", "controller": true}]},
        "spec": {"template": template}, "status": {"conditions": condition}})
}
