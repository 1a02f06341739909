//! One simulated pod: its state, and the object that a watch would show of it.

use super::sim::{About, Sim};
use serde_json::{Value, json};

#[derive(Clone)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) uid: String,
    owner: String,
    labels: Value,
    pub(crate) probed: bool,
    /// Seconds before its first readiness probe.
    pub(crate) delay_secs: u32,
    pub(crate) live_probed: bool,
    pub(crate) claim: Option<String>,
    pub(crate) phase: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) unschedulable: Option<String>,
    pub(crate) nominated: bool,
    pub(crate) scheduled: bool,
    pub(crate) disrupted: bool,
    /// Its volumes are mounted.
    pub(crate) sandbox: bool,
    leaving: bool,
    ready: bool,
    transitions: u32,
    pub(crate) main: Container,
    pub(crate) init: Option<Container>,
    pub(crate) sidecar: Option<Container>,
}

#[derive(Clone)]
pub(crate) struct Container {
    state: Value,
    last: Value,
    pub(crate) restarts: u32,
    ready: bool,
}

impl Container {
    pub(crate) fn new() -> Container {
        let state = json!({"waiting": {"reason": "ContainerCreating"}});
        Container { state, last: json!({}), restarts: 0, ready: false }
    }

    pub(crate) fn wait(&mut self, reason: &str, message: &str) {
        self.state = json!({"waiting": {"reason": reason, "message": message}});
        self.ready = false;
    }

    pub(crate) fn run(&mut self, at: u64) {
        if let Some(ended) = self.state.get("terminated") {
            self.last = json!({"terminated": ended});
            self.restarts += 1;
        }
        self.state = json!({"running": {"startedAt": at.to_string()}});
    }

    pub(crate) fn end(&mut self, sim: &mut Sim, reason: &str, code: i32) {
        let id = sim.id("containerd://c");
        self.state = json!({"terminated": {"exitCode": code, "reason": reason, "containerID": id}});
        self.ready = false;
    }

    /// It never came to run; the kubelet shows the runtime's words in both places.
    pub(crate) fn cannot_start(&mut self, sim: &mut Sim, message: &str) {
        let id = sim.id("containerd://c");
        let ended = json!({"exitCode": 128, "reason": "StartError", "message": message, "containerID": id});
        self.last = json!({"terminated": ended});
        self.wait("RunContainerError", message);
    }

    /// In back-off after its end.
    pub(crate) fn back_off(&mut self) {
        if let Some(ended) = self.state.get("terminated") {
            self.last = json!({"terminated": ended});
        }
        self.wait("CrashLoopBackOff", "back-off 10s restarting failed container");
    }

    /// Running again out of a back-off.
    pub(crate) fn run_again(&mut self, at: u64) {
        self.restarts += 1;
        self.state = json!({"running": {"startedAt": at.to_string()}});
    }

    fn object(&self, name: &str) -> Value {
        json!({"name": name, "state": self.state, "lastState": self.last, "ready": self.ready,
            "restartCount": self.restarts})
    }
}

impl Pod {
    pub(crate) fn new(sim: &mut Sim, name: String, owner: &str, labels: Value) -> Pod {
        Pod {
            name,
            uid: sim.id("pod"),
            owner: owner.into(),
            labels,
            probed: true,
            delay_secs: 0,
            live_probed: false,
            claim: None,
            phase: "Pending",
            reason: "",
            unschedulable: None,
            nominated: false,
            scheduled: false,
            disrupted: false,
            sandbox: false,
            leaving: false,
            ready: false,
            transitions: 0,
            main: Container::new(),
            init: None,
            sidecar: None,
        }
    }

    pub(crate) fn set_ready(&mut self, ready: bool) {
        self.transitions += u32::from(self.ready != ready);
        (self.ready, self.main.ready) = (ready, ready);
    }

    pub(crate) fn leave(&mut self) {
        self.leaving = true;
    }

    pub(crate) fn show(&self, sim: &mut Sim, at: u64) {
        sim.emit(at, "MODIFIED", self.object());
    }

    pub(crate) fn create(&self, sim: &mut Sim, at: u64) {
        sim.emit(at, "ADDED", self.object());
    }

    pub(crate) fn vanish(&self, sim: &mut Sim, at: u64) {
        sim.emit(at, "DELETED", self.object());
    }

    pub(crate) fn event(&self, sim: &mut Sim, at: u64, container: &str, reason: &str, message: &str) {
        let about = About { kind: "Pod", name: &self.name, uid: &self.uid, container };
        sim.event(at, &about, reason, message);
    }

    fn object(&self) -> Value {
        let deletion = if self.leaving { json!("2026-11-25T00:00:00Z") } else { Value::Null };
        let mut object = json!({"kind": "Pod",
            "metadata": {"name": self.name, "namespace": "n", "uid": self.uid, "labels": self.labels,
                "deletionTimestamp": deletion, "ownerReferences": [{"uid": self.owner, "controller": true}]},
            "spec": self.spec(),
            "status": {"phase": self.phase, "reason": self.reason, "conditions": self.conditions()}});
        if self.nominated {
            object["status"]["nominatedNodeName"] = json!("n1");
        }
        if self.scheduled {
            let named =
                |name: &str, container: &Option<Container>| container.as_ref().map(|c| c.object(name));
            let init = [named("i", &self.init), named("side", &self.sidecar)];
            object["status"]["initContainerStatuses"] = init.into_iter().flatten().collect();
            object["status"]["containerStatuses"] = json!([self.main.object("c")]);
        }
        object
    }

    fn spec(&self) -> Value {
        let probe = |on: bool, period: u32| if on { json!({"periodSeconds": period}) } else { Value::Null };
        let init = [
            self.init.as_ref().map(|_| json!({"name": "i", "image": "registry/app:v2"})),
            self.sidecar.as_ref().map(|_| {
                let readiness = probe(true, 1);
                json!({"name": "side", "image": "registry/side:v1", "restartPolicy": "Always", "readinessProbe": readiness})
            }),
        ];
        let volumes: Vec<Value> = self
            .claim
            .iter()
            .map(|claim| json!({"name": "v", "persistentVolumeClaim": {"claimName": claim}}))
            .collect();
        let mut readiness = probe(self.probed, 1);
        if self.delay_secs > 0 {
            readiness["initialDelaySeconds"] = json!(self.delay_secs);
        }
        json!({"nodeName": if self.scheduled { "n1" } else { "" }, "volumes": volumes,
            "initContainers": init.into_iter().flatten().collect::<Vec<_>>(),
            "containers": [{"name": "c", "image": "registry/app:v2", "readinessProbe": readiness,
                "livenessProbe": probe(self.live_probed, 5)}]})
    }

    fn conditions(&self) -> Vec<Value> {
        let condition = |name: &str, holds: bool, reason: &str, message: &str, since: u32| {
            json!({"type": name, "status": if holds { "True" } else { "False" }, "reason": reason,
                "message": message, "lastTransitionTime": since.to_string()})
        };
        let mut conditions = Vec::new();
        match &self.unschedulable {
            Some(message) => conditions.push(condition("PodScheduled", false, "Unschedulable", message, 0)),
            None => conditions.push(condition("PodScheduled", self.scheduled, "", "", 0)),
        }
        conditions.push(condition("Ready", self.ready, "", "", self.transitions));
        conditions.push(condition("PodReadyToStartContainers", self.sandbox, "", "", 0));
        if self.disrupted {
            conditions.push(condition("DisruptionTarget", true, "EvictionByEvictionAPI", "", 0));
        }
        conditions
    }
}
