//! Pods that are not made, not placed or not wanted any more; and Jobs.

use super::super::lives::{About, Pod, SINCE, Scene, Sim, begin};
use super::Bad;
use nica_engine::track::Class;
use nica_engine::track::kubernetes::Kind::{DaemonSet, Deployment, Job, StatefulSet};
use serde_json::json;

const WORKLOAD: About<'static> = About { kind: "StatefulSet", name: "d", uid: "w", container: "" };
const QUOTA: &str =
    "pods \"d-x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=4, limited: pods=4";

pub(super) const CASES: [Bad; 15] = [
    Bad {
        name: "Pod Security, told by an event only",
        kind: StatefulSet,
        class: Class::Admission,
        says: &["statefulset d", "violates PodSecurity"],
        make: |sim, _| {
            refused(sim, "pods \"d-1\" is forbidden: violates PodSecurity \"restricted:latest\": x")
        },
    },
    Bad {
        name: "a webhook says no",
        kind: DaemonSet,
        class: Class::Admission,
        says: &["daemonset d", "admission webhook \"w.example\" denied the request: no tag"],
        make: |sim, _| refused(sim, "admission webhook \"w.example\" denied the request: no tag"),
    },
    Bad {
        name: "a limit range says no",
        kind: Deployment,
        class: Class::Admission,
        says: &["replicaset d-new", "maximum cpu usage per Container is 1"],
        make: |sim, scene| {
            let words = "pods \"d-x\" is forbidden: maximum cpu usage per Container is 1, but limit is 2";
            scene.refuse(sim, SINCE + 300, Some(words));
            SINCE + 300
        },
    },
    Bad {
        name: "a quota that the older pods keep",
        kind: Deployment,
        class: Class::Admission,
        says: &["replicaset d-new", "exceeded quota: q"],
        make: |sim, scene| {
            scene.refuse(sim, SINCE + 300, Some(QUOTA));
            let set = About { kind: "ReplicaSet", name: "d-new", uid: "new", container: "" };
            sim.event(SINCE + 310, &set, "FailedCreate", QUOTA);
            SINCE + 310 + 15_000
        },
    },
    Bad {
        name: "no room, after an older pod has left",
        kind: StatefulSet,
        class: Class::Schedule,
        says: &["pod d-new", "2 Insufficient memory"],
        make: |sim, scene| {
            unplaced(sim, scene, "0/2 nodes are available: 2 Insufficient memory.", "");
            let mut old = scene.old.pop().expect("two older pods");
            old.leave();
            old.show(sim, SINCE + 300);
            old.vanish(sim, SINCE + 20_000);
            SINCE + 20_000 + 15_000
        },
    },
    Bad {
        name: "no room, after another workload's pod has left",
        kind: Deployment,
        class: Class::Schedule,
        says: &["pod d-new", "2 Insufficient cpu"],
        make: |sim, scene| {
            unplaced(sim, scene, "0/2 nodes are available: 2 Insufficient cpu.", "");
            let mut other = Pod::new(sim, "e-1".into(), "another", json!({}));
            other.create(sim, 500);
            other.leave();
            other.show(sim, SINCE + 300);
            other.vanish(sim, SINCE + 12_000);
            SINCE + 12_000 + 15_000
        },
    },
    Bad {
        name: "no room on a DaemonSet's node",
        kind: DaemonSet,
        class: Class::Schedule,
        says: &["pod d-new", "1 Insufficient cpu"],
        make: |sim, scene| unplaced(sim, scene, "0/2 nodes are available: 1 Insufficient cpu.", "") + 15_000,
    },
    Bad {
        name: "a storage class that does not exist",
        kind: StatefulSet,
        class: Class::Claim,
        says: &["claim data", "storageclass.storage.k8s.io \"fast\" not found"],
        make: |sim, scene| {
            unplaced(sim, scene, UNBOUND, "data");
            on_claim(sim, SINCE + 400, "storageclass.storage.k8s.io \"fast\" not found")
        },
    },
    Bad {
        name: "a provisioner that fails for a minute",
        kind: Deployment,
        class: Class::Claim,
        says: &["claim data", "quota exceeded"],
        make: |sim, scene| {
            unplaced(sim, scene, UNBOUND, "data");
            let tries = [400, 30_400, 65_400].map(|after| SINCE + after);
            let words = "rpc error: code = ResourceExhausted desc = quota exceeded";
            tries.map(|at| on_claim(sim, at, words))[2]
        },
    },
    Bad {
        name: "a claim that does not exist",
        kind: Deployment,
        class: Class::Claim,
        says: &["claim data of pod d-new", "it does not exist"],
        make: |sim, scene| {
            let words = "0/2 nodes are available: persistentvolumeclaim \"data\" not found.";
            unplaced(sim, scene, words, "data") + 15_000
        },
    },
    Bad {
        name: "a job beyond its backoff limit",
        kind: Job,
        class: Class::Job,
        says: &["job d", "more often than backoffLimit", "container c of pod d-new", "code 9"],
        make: |sim, scene| {
            let mut pod = scene.new_pod(sim, None);
            pod.create(sim, SINCE + 200);
            let at = begin(sim, &mut pod, SINCE + 200) + 500;
            pod.main.end(sim, "Error", 9);
            pod.phase = "Failed";
            pod.show(sim, at);
            job_ends(sim, scene, at + 200, "FailureTarget", "BackoffLimitExceeded")
        },
    },
    Bad {
        name: "a job beyond its deadline",
        kind: Job,
        class: Class::Job,
        says: &["job d", "longer than activeDeadlineSeconds"],
        make: |sim, scene| job_ends(sim, scene, SINCE + 30_000, "Failed", "DeadlineExceeded"),
    },
    Bad {
        name: "a job without its image",
        kind: Job,
        class: Class::Image,
        says: &["image registry/app:v2 does not exist"],
        make: |sim, scene| {
            let mut pod = scene.new_pod(sim, None);
            pod.create(sim, SINCE + 200);
            pod.scheduled = true;
            pod.main.wait("ErrImagePull", "registry/app:v2: not found");
            pod.show(sim, SINCE + 900);
            SINCE + 900
        },
    },
    Bad {
        name: "somebody deletes the workload",
        kind: Deployment,
        class: Class::Removed,
        says: &["the deployment was deleted by somebody else"],
        make: |sim, _| {
            sim.emit(SINCE + 5_000, "DELETED", json!({"kind": "Deployment", "metadata": {"uid": "w"}}));
            SINCE + 5_000
        },
    },
    Bad {
        name: "a crash loop before the controller's status is up to date",
        kind: Deployment,
        class: Class::Config,
        says: &["secret \"absent\" not found"],
        make: |sim, scene| {
            // Its status still says generation 1, and another ReplicaSet has the newest revision.
            scene.show(sim, SINCE + 130, 2, 1, json!([]));
            let mut pod = scene.new_pod(sim, None);
            pod.create(sim, SINCE + 200);
            pod.scheduled = true;
            pod.main.wait("CreateContainerConfigError", "secret \"absent\" not found");
            pod.show(sim, SINCE + 600);
            SINCE + 600
        },
    },
];

const UNBOUND: &str = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.";

fn refused(sim: &mut Sim, words: &str) -> u64 {
    sim.event(
        SINCE + 300,
        &WORKLOAD,
        "FailedCreate",
        &format!("create Pod d-1 in StatefulSet d failed error: {words}"),
    );
    SINCE + 300
}

fn unplaced(sim: &mut Sim, scene: &Scene, words: &str, claim: &str) -> u64 {
    let mut pod = scene.new_pod(sim, None);
    pod.claim = (!claim.is_empty()).then(|| claim.to_string());
    pod.create(sim, SINCE + 200);
    pod.unschedulable = Some(words.into());
    pod.show(sim, SINCE + 250);
    SINCE + 250
}

fn on_claim(sim: &mut Sim, at: u64, words: &str) -> u64 {
    let about = About { kind: "PersistentVolumeClaim", name: "data", uid: "claim", container: "" };
    sim.event(at, &about, "ProvisioningFailed", words);
    at
}

fn job_ends(sim: &mut Sim, scene: &Scene, at: u64, condition: &str, reason: &str) -> u64 {
    scene.show(sim, at, 1, 1, json!([{"type": condition, "status": "True", "reason": reason}]));
    at
}
