//! Pods that exist and have a node: images, configuration, starts, exits and probes.

use super::super::lives::{Container, Pod, SINCE, Scene, Sim, begin};
use super::Bad;
use nica_engine::track::Class;
use nica_engine::track::kubernetes::Kind::{DaemonSet, Deployment, StatefulSet};

pub(super) const CASES: [Bad; 23] = [
    Bad {
        name: "crash loop of a StatefulSet",
        kind: StatefulSet,
        class: Class::CrashLoop,
        says: &["container c of pod d-new", "code 3", "2 times"],
        make: |sim, scene| crashes(sim, scene, "Error", 3, 2),
    },
    Bad {
        name: "crash loop of a DaemonSet",
        kind: DaemonSet,
        class: Class::CrashLoop,
        says: &["container c of pod d-new", "code 139"],
        make: |sim, scene| crashes(sim, scene, "Error", 139, 2),
    },
    Bad {
        name: "a program that ends politely again and again",
        kind: Deployment,
        class: Class::CrashLoop,
        says: &["code 0"],
        make: |sim, scene| crashes(sim, scene, "Completed", 0, 2),
    },
    Bad {
        name: "crash loop beside a pod that works, at the third end",
        kind: Deployment,
        class: Class::CrashLoop,
        says: &["code 1", "3 times"],
        make: |sim, scene| {
            works(sim, scene);
            crashes(sim, scene, "Error", 1, 3)
        },
    },
    Bad {
        name: "crash loop of a sidecar",
        kind: Deployment,
        class: Class::CrashLoop,
        says: &["init container side", "code 7"],
        make: |sim, scene| {
            let (mut pod, mut at) = runs(sim, scene);
            let mut side = Container::new();
            for _ in 0..2 {
                at += 500;
                side.run(at);
                pod.sidecar = Some(side.clone());
                pod.show(sim, at);
                at += 500;
                side.end(sim, "Error", 7);
                pod.sidecar = Some(side.clone());
                pod.show(sim, at);
            }
            at
        },
    },
    Bad {
        name: "out of memory in a StatefulSet",
        kind: StatefulSet,
        class: Class::Memory,
        says: &["container c of pod d-new", "2 times at its memory limit"],
        make: |sim, scene| crashes(sim, scene, "OOMKilled", 137, 2),
    },
    Bad {
        name: "killed by the startup probe",
        kind: Deployment,
        class: Class::Probe,
        says: &["container c", "once by its startup probe: HTTP probe failed with statuscode: 500"],
        make: |sim, scene| {
            let (pod, at) = runs(sim, scene);
            let words = "Startup probe failed: HTTP probe failed with statuscode: 500";
            pod.event(sim, at + 900, "c", "Unhealthy", words);
            killed(sim, &pod, at + 1_000, "startup")
        },
    },
    Bad {
        name: "killed twice by the liveness probe after health",
        kind: DaemonSet,
        class: Class::Probe,
        says: &["container c", "2 times by its liveness probe: dial tcp: connection refused"],
        make: |sim, scene| {
            let (mut pod, at) = runs(sim, scene);
            pod.set_ready(true);
            pod.show(sim, at + 100);
            let words =
                "Liveness probe failed: Get \"http://h/live?token=s3cret\": dial tcp: connection refused";
            pod.event(sim, at + 3_900, "c", "Unhealthy", words);
            killed(sim, &pod, at + 4_000, "liveness");
            killed(sim, &pod, at + 9_000, "liveness")
        },
    },
    Bad {
        name: "what a probing command prints stays out of the line",
        kind: Deployment,
        class: Class::Probe,
        says: &["by its liveness probe: its command failed"],
        make: |sim, scene| {
            let (pod, at) = runs(sim, scene);
            pod.event(sim, at + 900, "c", "Unhealthy", "Liveness probe failed: password=s3cret refused");
            killed(sim, &pod, at + 1_000, "liveness")
        },
    },
    Bad {
        name: "image without a variant for the platform",
        kind: StatefulSet,
        class: Class::Image,
        says: &["image registry/app:v2 has no variant"],
        make: |sim, scene| unpullable(sim, scene, "no match for platform in manifest: not found"),
    },
    Bad {
        name: "image refused",
        kind: Deployment,
        class: Class::Image,
        says: &["image registry/app:v2 is refused by its registry"],
        make: |sim, scene| unpullable(sim, scene, "failed to authorize: 401 Unauthorized"),
    },
    Bad {
        name: "image unknown to its registry",
        kind: DaemonSet,
        class: Class::Image,
        says: &["on node n1: image registry/app:v2 does not exist: ", "manifest unknown"],
        make: |sim, scene| unpullable(sim, scene, "reading manifest v2 in registry/app: manifest unknown"),
    },
    Bad {
        name: "image with a name that is none",
        kind: Deployment,
        class: Class::Image,
        says: &["cannot be used"],
        make: |sim, scene| waits(sim, scene, "InvalidImageName", "couldn't parse image name"),
    },
    Bad {
        name: "registry away, in a word that nobody knows",
        kind: StatefulSet,
        class: Class::Registry,
        says: &["image registry/app:v2 could not be pulled for 70 s", "tls: bad certificate"],
        make: |sim, scene| {
            let (mut pod, at) = placed(sim, scene);
            for at in [0, 10_100, 30_200, 70_400].map(|after| at + after) {
                pod.main.wait("ErrImagePull", "remote error: tls: bad certificate");
                pod.show(sim, at);
                pod.main.wait("ImagePullBackOff", "Back-off: remote error: tls: bad certificate");
                pod.show(sim, at + 5_000);
            }
            at + 70_400
        },
    },
    Bad {
        name: "root where none may be",
        kind: Deployment,
        class: Class::Config,
        says: &["container c of pod d-new", "container has runAsNonRoot and image will run as root"],
        make: |sim, scene| {
            let words = "container has runAsNonRoot and image will run as root (pod: \"d\", container: c)";
            waits(sim, scene, "CreateContainerConfigError", words)
        },
    },
    Bad {
        name: "key missing for an init container",
        kind: StatefulSet,
        class: Class::Config,
        says: &["init container i of pod d-new", "couldn't find key url in ConfigMap n/settings"],
        make: |sim, scene| {
            let (mut pod, at) = placed(sim, scene);
            let mut init = Container::new();
            init.wait("CreateContainerConfigError", "couldn't find key url in ConfigMap n/settings");
            pod.init = Some(init);
            pod.main.wait("PodInitializing", "");
            pod.show(sim, at);
            at
        },
    },
    Bad {
        name: "key missing in a projected volume",
        kind: DaemonSet,
        class: Class::Volume,
        says: &["pod d-new", "volume \"v\"", "references non-existent secret key: ca.crt"],
        make: |sim, scene| {
            let (pod, at) = placed(sim, scene);
            let words =
                "MountVolume.SetUp failed for volume \"v\" : references non-existent secret key: ca.crt";
            pod.event(sim, at, "", "FailedMount", words);
            at
        },
    },
    Bad {
        name: "a command that may not be executed",
        kind: StatefulSet,
        class: Class::CannotStart,
        says: &["container c of pod d-new", "cannot start: exec: \"/app\": permission denied"],
        make: |sim, scene| unstartable(sim, scene, "exec: \"/app\": permission denied: unknown", 1),
    },
    Bad {
        name: "a command that is not in the image",
        kind: DaemonSet,
        class: Class::CannotStart,
        says: &["cannot start: exec: \"serve\": executable file not found in $PATH"],
        make: |sim, scene| {
            unstartable(sim, scene, "exec: \"serve\": executable file not found in $PATH: unknown", 1)
        },
    },
    Bad {
        name: "a start that the runtime refuses three times",
        kind: Deployment,
        class: Class::CannotStart,
        says: &["cannot start: error adding pid 7 to cgroups"],
        make: |sim, scene| {
            unstartable(sim, scene, "error adding pid 7 to cgroups: no space left: unknown", 3)
        },
    },
    Bad {
        name: "a program for another processor, told by the runtime",
        kind: Deployment,
        class: Class::Architecture,
        says: &["container c of pod d-new", "exec format error"],
        make: |sim, scene| unstartable(sim, scene, "exec /app: exec format error: unknown", 1),
    },
    Bad {
        name: "neither image nor pod names a command",
        kind: Deployment,
        class: Class::CannotStart,
        says: &["neither image nor pod names a command"],
        make: |sim, scene| {
            waits(sim, scene, "CreateContainerError", "failed to create spec: no command specified")
        },
    },
    Bad {
        name: "a crash loop while the older pods crash, too",
        kind: Deployment,
        class: Class::CrashLoop,
        says: &["pod d-new", "code 5"],
        make: |sim, scene| {
            let mut old = scene.old.pop().expect("two older pods");
            for at in [SINCE + 200, SINCE + 220, SINCE + 240] {
                old.main.end(sim, "Error", 1);
                old.show(sim, at);
                old.main.run(at);
            }
            crashes(sim, scene, "Error", 5, 2)
        },
    },
];

/// Created and given a node; its containers wait.
fn placed(sim: &mut Sim, scene: &Scene) -> (Pod, u64) {
    let mut pod = scene.new_pod(sim, None);
    pod.create(sim, SINCE + 200);
    pod.scheduled = true;
    pod.show(sim, SINCE + 300);
    (pod, SINCE + 800)
}

fn runs(sim: &mut Sim, scene: &Scene) -> (Pod, u64) {
    let mut pod = scene.new_pod(sim, None);
    pod.create(sim, SINCE + 200);
    let at = begin(sim, &mut pod, SINCE + 200);
    (pod, at)
}

/// Another pod of the same template, healthy since long before the first one ends.
fn works(sim: &mut Sim, scene: &Scene) {
    let (mut pod, at) = runs(sim, scene);
    pod.set_ready(true);
    pod.show(sim, at + 100);
}

fn crashes(sim: &mut Sim, scene: &Scene, reason: &str, code: i32, times: u32) -> u64 {
    let (mut pod, mut at) = runs(sim, scene);
    at += 1_500;
    for round in 1..=times {
        at += sim.ms(400..=2_000);
        pod.main.end(sim, reason, code);
        pod.show(sim, at);
        if round < times {
            pod.main.run(at + 300);
            pod.show(sim, at + 300);
        }
    }
    // Long after the verdict.
    pod.main.back_off();
    pod.show(sim, at + 10_000);
    at
}

fn killed(sim: &mut Sim, pod: &Pod, at: u64, probe: &str) -> u64 {
    pod.event(sim, at, "c", "Killing", &format!("Container c failed {probe} probe, will be restarted"));
    at
}

fn waits(sim: &mut Sim, scene: &Scene, reason: &str, message: &str) -> u64 {
    let (mut pod, at) = placed(sim, scene);
    pod.main.wait(reason, message);
    pod.show(sim, at);
    at
}

fn unpullable(sim: &mut Sim, scene: &Scene, words: &str) -> u64 {
    let (mut pod, at) = placed(sim, scene);
    pod.event(sim, at, "c", "Failed", &format!("Failed to pull image \"registry/app:v2\": {words}"));
    pod.main.wait("ErrImagePull", words);
    pod.show(sim, at + 700);
    pod.main.wait("ImagePullBackOff", "Back-off pulling image \"registry/app:v2\"");
    pod.show(sim, at + 14_000);
    at
}

fn unstartable(sim: &mut Sim, scene: &Scene, words: &str, times: u32) -> u64 {
    let (mut pod, mut at) = placed(sim, scene);
    let words =
        format!("failed to create shim task: runc create failed: unable to start container process: {words}");
    for round in 1..=times {
        pod.main.cannot_start(sim, &words);
        pod.main.restarts = round - 1;
        pod.show(sim, at);
        at += 1_000;
    }
    pod.main.wait("CrashLoopBackOff", "back-off 10s restarting failed container");
    pod.show(sim, at + 1_000);
    at - 1_000
}
