//! What nothing but our own limit ends.

use super::super::lives::{Pod, SINCE, Scene, Sim, begin, flap};
use super::Bad;
use nica_engine::track::Class;
use nica_engine::track::kubernetes::Kind::{DaemonSet, Deployment, Job, StatefulSet};
use serde_json::json;

pub(super) const LATE_LIMIT_MS: u64 = 40_000;
const LIMIT_AT: u64 = SINCE + LATE_LIMIT_MS;

pub(super) const LATE: [Bad; 10] = [
    Bad {
        name: "readiness that flaps",
        kind: Deployment,
        class: Class::Readiness,
        says: &["deployment d: ", "replicas are not ready", "container c of pod d-new", "statuscode: 503"],
        make: |sim, scene| {
            let mut pods = [runs(sim, scene), runs(sim, scene)];
            for at in (SINCE + 3_000..LIMIT_AT + 30_000).step_by(1_500) {
                pods.iter_mut().for_each(|pod| flap(sim, pod, at));
            }
            // Certain as soon as the flap that spans the limit is over.
            LIMIT_AT
        },
    },
    Bad {
        name: "a first probe that comes after the limit",
        kind: StatefulSet,
        class: Class::Readiness,
        says: &["statefulset d: 2 replicas are not ready", "its readiness probes need "],
        make: |sim, scene| {
            let mut pod = scene.new_pod(sim, None);
            pod.delay_secs = 90;
            pod.create(sim, SINCE + 200);
            begin(sim, &mut pod, SINCE + 200);
            SINCE + 200
        },
    },
    Bad {
        name: "a controller that never reads what was applied",
        kind: DaemonSet,
        class: Class::Deadline,
        says: &["daemonset d: ", "its controller makes no pod"],
        make: |_, _| LIMIT_AT,
    },
    Bad {
        name: "a node that was promised and never came",
        kind: Deployment,
        class: Class::Deadline,
        says: &["pod d-new", "1 Insufficient cpu"],
        make: |sim, scene| {
            let mut pod = scene.new_pod(sim, None);
            pod.create(sim, SINCE + 200);
            pod.unschedulable = Some("0/2 nodes are available: 1 Insufficient cpu.".into());
            pod.show(sim, SINCE + 250);
            pod.event(sim, SINCE + 9_000, "", "TriggeredScaleUp", "pod triggered scale-up");
            LIMIT_AT
        },
    },
    Bad {
        name: "one eviction after the other",
        kind: Deployment,
        class: Class::Deadline,
        says: &["its controller makes no pod"],
        make: |sim, scene| {
            for at in (SINCE + 300..LIMIT_AT + 5_000).step_by(4_000) {
                let mut pod = scene.new_pod(sim, None);
                pod.create(sim, at);
                let at = begin(sim, &mut pod, at);
                pod.main.end(sim, "Error", 137);
                (pod.phase, pod.reason) = ("Failed", "Evicted");
                pod.show(sim, at + 100);
            }
            LIMIT_AT
        },
    },
    Bad {
        name: "a mount that passes by, but does not",
        kind: StatefulSet,
        class: Class::Deadline,
        says: &["pod d-new", "Multi-Attach error"],
        make: |sim, scene| {
            let mut pod = scene.new_pod(sim, None);
            pod.create(sim, SINCE + 200);
            pod.scheduled = true;
            pod.show(sim, SINCE + 300);
            pod.event(sim, SINCE + 900, "", "FailedAttachVolume", "Multi-Attach error for volume \"pv\"");
            LIMIT_AT
        },
    },
    Bad {
        name: "an older pod that nobody takes away",
        kind: Deployment,
        class: Class::Deadline,
        says: &["deployment d: 2 older pods still serve"],
        make: |sim, scene| {
            for _ in 0..2 {
                let mut pod = runs(sim, scene);
                pod.set_ready(true);
                pod.show(sim, SINCE + 9_000);
            }
            LIMIT_AT + 5_000
        },
    },
    Bad {
        name: "a job that only fails and tries again",
        kind: Job,
        class: Class::Deadline,
        says: &["job d: "],
        make: |sim, scene| {
            let mut pod = runs(sim, scene);
            for at in (SINCE + 4_000..LIMIT_AT + 9_000).step_by(3_000) {
                pod.main.end(sim, "Error", 1);
                pod.show(sim, at);
                pod.main.run(at + 500);
                pod.show(sim, at + 500);
            }
            LIMIT_AT
        },
    },
    Bad {
        name: "ends for another reason each time",
        kind: StatefulSet,
        class: Class::Deadline,
        says: &["statefulset d: ", "pod d-new", "CrashLoopBackOff; c last exited with code 2"],
        make: |sim, scene| {
            let mut pod = runs(sim, scene);
            for (at, code) in [(SINCE + 4_000, 1), (SINCE + 5_000, 2)] {
                pod.main.end(sim, "Error", code);
                pod.show(sim, at);
                if code == 1 {
                    pod.main.run(at + 300);
                    pod.show(sim, at + 300);
                }
            }
            pod.main.back_off();
            pod.show(sim, SINCE + 6_000);
            LIMIT_AT
        },
    },
    Bad {
        name: "a webhook that nobody reaches",
        kind: Deployment,
        class: Class::Deadline,
        says: &["its controller makes no pod: failed calling webhook"],
        make: |sim, scene| {
            scene.refuse(sim, SINCE + 300, Some("failed calling webhook \"w\": connection refused"));
            scene.show(sim, SINCE + 400, 2, 2, json!([]));
            LIMIT_AT
        },
    },
];

fn runs(sim: &mut Sim, scene: &Scene) -> Pod {
    let mut pod = scene.new_pod(sim, None);
    pod.create(sim, SINCE + 200);
    begin(sim, &mut pod, SINCE + 200);
    pod
}
