//! What can happen to one pod on the way to being ready, without anything being wrong with the release.

use super::pod::{Container, Pod};
use super::sim::{About, Sim};
use rand::Rng;
use serde_json::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    SlowPull,
    RegistryAway,
    MountPasses,
    DiskElsewhere,
    ClaimProvisioned,
    NoRoomYet,
    NodeComing,
    Preempting,
    ConfigCache,
    StartHiccup,
    SlowInit,
    InitFailsOnce,
    CrashOnce,
    MemoryOnce,
    TwoReasons,
    SlowStart,
    Flapping,
    KilledAfterHealth,
    NodeRestarted,
    SidecarRestarts,
    Unprobed,
    Evicted,
    DeletedByHand,
    NodeLost,
    OutOfCpu,
}

pub(crate) const ALL: [Trouble; 26] = [
    Trouble::None,
    Trouble::SlowPull,
    Trouble::RegistryAway,
    Trouble::MountPasses,
    Trouble::DiskElsewhere,
    Trouble::ClaimProvisioned,
    Trouble::NoRoomYet,
    Trouble::NodeComing,
    Trouble::Preempting,
    Trouble::ConfigCache,
    Trouble::StartHiccup,
    Trouble::SlowInit,
    Trouble::InitFailsOnce,
    Trouble::CrashOnce,
    Trouble::MemoryOnce,
    Trouble::TwoReasons,
    Trouble::SlowStart,
    Trouble::Flapping,
    Trouble::KilledAfterHealth,
    Trouble::NodeRestarted,
    Trouble::SidecarRestarts,
    Trouble::Unprobed,
    Trouble::Evicted,
    Trouble::DeletedByHand,
    Trouble::NodeLost,
    Trouble::OutOfCpu,
];

const AWAY: &str = "failed to pull and unpack image \"registry/app:v2\": failed to do request: Head \
    \"https://registry/v2/app/manifests/v2\": dial tcp 192.0.2.1:5000: connect: connection refused";

/// From its creation at `at`; answers when it is ready for good. A pod that is lost is followed by another one, made
/// by `again`.
pub(crate) fn live(sim: &mut Sim, again: &mut dyn FnMut(&mut Sim) -> Pod, at: u64, trouble: Trouble) -> u64 {
    let mut pod = again(sim);
    prepare(sim, &mut pod, trouble);
    pod.create(sim, at);
    if let Some(gone_at) = lost(sim, &mut pod, at, trouble) {
        let next_at = gone_at + sim.ms(5..=400);
        return live(sim, again, next_at, Trouble::None);
    }
    let at = scheduled(sim, &mut pod, at, trouble);
    let at = mounted(sim, &mut pod, at, trouble);
    let at = initialised(sim, &mut pod, at, trouble);
    let at = pulled(sim, &mut pod, at, trouble);
    let at = started(sim, &mut pod, at, trouble);
    let at = crashed(sim, &mut pod, at, trouble);
    ready(sim, &mut pod, at, trouble)
}

fn prepare(sim: &mut Sim, pod: &mut Pod, trouble: Trouble) {
    pod.live_probed = trouble == Trouble::KilledAfterHealth;
    pod.probed = trouble != Trouble::Unprobed;
    if matches!(trouble, Trouble::SlowInit | Trouble::InitFailsOnce) {
        pod.init = Some(Container::new());
    }
    if trouble == Trouble::SidecarRestarts {
        pod.sidecar = Some(Container::new());
    }
    if trouble == Trouble::ClaimProvisioned {
        pod.claim = Some(sim.id("data"));
    }
}

/// Pods that end without ever being ready; answers when they are gone.
fn lost(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> Option<u64> {
    let at = match trouble {
        Trouble::OutOfCpu => at,
        Trouble::Evicted | Trouble::DeletedByHand | Trouble::NodeLost => begin(sim, pod, at),
        _ => return None,
    };
    let at = at + sim.ms(50..=9_000);
    pod.set_ready(false);
    match trouble {
        Trouble::Evicted => {
            pod.main.end(sim, "Error", 137);
            (pod.phase, pod.reason, pod.disrupted) = ("Failed", "Evicted", true);
            pod.event(sim, at, "", "Evicted", "The node was low on resource: memory.");
        }
        Trouble::OutOfCpu => (pod.phase, pod.reason) = ("Failed", "OutOfcpu"),
        Trouble::NodeLost => pod.disrupted = true,
        _ => {
            pod.leave();
            pod.event(sim, at, "c", "Killing", "Stopping container c");
        }
    }
    pod.show(sim, at);
    let gone_at = at + sim.ms(20..=12_000);
    pod.main.end(sim, "Error", 143);
    pod.show(sim, gone_at - 10);
    if trouble != Trouble::OutOfCpu {
        pod.vanish(sim, gone_at);
    }
    Some(gone_at)
}

fn begin(sim: &mut Sim, pod: &mut Pod, at: u64) -> u64 {
    let at = at + sim.ms(10..=300);
    pod.scheduled = true;
    pod.show(sim, at);
    let at = at + sim.ms(300..=2_000);
    pod.phase = "Running";
    pod.main.run(at);
    pod.show(sim, at);
    at
}

fn scheduled(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
    let mut at = at + sim.ms(5..=200);
    let no_room = "0/2 nodes are available: 2 Insufficient cpu.";
    let (words, wait_ms) = match trouble {
        Trouble::NoRoomYet => (no_room, sim.ms(500..=14_000)),
        Trouble::NodeComing => (no_room, sim.ms(20_000..=150_000)),
        Trouble::Preempting => (no_room, sim.ms(5_000..=40_000)),
        Trouble::ClaimProvisioned => (
            "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            sim.ms(2_000..=50_000),
        ),
        _ => ("", 0),
    };
    if wait_ms > 0 {
        pod.unschedulable = Some(words.into());
        pod.nominated = trouble == Trouble::Preempting;
        pod.show(sim, at);
        pod.event(sim, at, "", "FailedScheduling", words);
        if trouble == Trouble::NodeComing {
            let told_at = at + sim.ms(500..=13_000);
            pod.event(sim, told_at, "", "TriggeredScaleUp", "pod triggered scale-up: [{pool 2->3 (max: 5)}]");
        }
        if let Some(claim) = pod.claim.clone() {
            provision(sim, &claim, at, at + wait_ms - 200);
        }
        at += wait_ms;
        (pod.unschedulable, pod.nominated) = (None, false);
    }
    pod.scheduled = true;
    pod.event(sim, at, "", "Scheduled", "Successfully assigned n/pod to n1");
    pod.show(sim, at);
    at
}

fn provision(sim: &mut Sim, name: &str, from: u64, bound_at: u64) {
    let claim = |phase: &str| {
        json!({"kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "n", "uid": name},
            "spec": {"storageClassName": "disk"}, "status": {"phase": phase}})
    };
    sim.emit(from - 1, "ADDED", claim("Pending"));
    let about = About { kind: "PersistentVolumeClaim", name, uid: name, container: "" };
    sim.event(from, &about, "ExternalProvisioning", "Waiting for a volume to be created by the provisioner");
    if sim.rng.random_bool(0.5) {
        sim.event(
            from + 100,
            &about,
            "ProvisioningFailed",
            "rpc error: code = ResourceExhausted desc = try again",
        );
    }
    sim.emit(bound_at, "MODIFIED", claim("Bound"));
}

fn mounted(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
    let words = match trouble {
        Trouble::MountPasses => {
            "MountVolume.SetUp failed for volume \"v\" : failed to sync configmap cache: timed out waiting for the condition"
        }
        Trouble::DiskElsewhere => {
            "Multi-Attach error for volume \"pv\" Volume is already used by pod(s) d-old"
        }
        _ => return at,
    };
    let reason = if trouble == Trouble::MountPasses { "FailedMount" } else { "FailedAttachVolume" };
    let mut at = at;
    for _ in 0..sim.ms(1..=4) {
        at += sim.ms(300..=9_000);
        pod.event(sim, at, "", reason, words);
    }
    at + sim.ms(300..=5_000)
}

fn initialised(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
    let mut at = at;
    let fails = u32::from(trouble == Trouble::InitFailsOnce);
    if let Some(mut init) = pod.init.take() {
        pod.main.wait("PodInitializing", "");
        for round in 0..=fails {
            at += sim.ms(200..=1_500);
            init.run(at);
            pod.init = Some(init.clone());
            pod.show(sim, at);
            at += sim.ms(100..=20_000);
            let (reason, code) = if round < fails { ("Error", 2) } else { ("Completed", 0) };
            init.end(sim, reason, code);
            pod.init = Some(init.clone());
            pod.show(sim, at);
        }
    }
    if let Some(mut side) = pod.sidecar.take() {
        for round in 0..2 {
            at += sim.ms(200..=2_000);
            side.run(at);
            pod.sidecar = Some(side.clone());
            pod.show(sim, at);
            if round == 0 {
                at += sim.ms(100..=3_000);
                side.end(sim, "Error", 1);
                pod.sidecar = Some(side.clone());
                pod.show(sim, at);
            }
        }
    }
    at
}

fn pulled(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
    let mut at = at + sim.ms(50..=500);
    pod.event(sim, at, "c", "Pulling", "Pulling image \"registry/app:v2\"");
    if trouble == Trouble::SlowPull {
        at += sim.ms(10_000..=120_000);
    }
    if trouble == Trouble::RegistryAway {
        // The kubelet's own pauses: away for 20 s shows as failures at 0, 10 and perhaps 30 s.
        for pause_ms in [10_000, 20_000].into_iter().take(sim.ms(1..=2) as usize) {
            pod.event(sim, at, "c", "Failed", &format!("Failed to pull image \"registry/app:v2\": {AWAY}"));
            pod.event(sim, at, "c", "Failed", "Error: ErrImagePull");
            pod.main.wait("ErrImagePull", AWAY);
            pod.show(sim, at + 300);
            pod.main.wait("ImagePullBackOff", "Back-off pulling image \"registry/app:v2\"");
            pod.event(sim, at + 1_000, "c", "BackOff", "Back-off pulling image \"registry/app:v2\"");
            pod.show(sim, at + 1_200);
            at += pause_ms + sim.ms(300..=3_000);
        }
    }
    at += sim.ms(20..=2_000);
    pod.event(sim, at, "c", "Pulled", "Successfully pulled image \"registry/app:v2\" in 400ms");
    at
}

fn started(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
    let mut at = at;
    if trouble == Trouble::ConfigCache {
        let words = "failed to sync secret cache: timed out waiting for the condition";
        pod.event(sim, at, "c", "Failed", &format!("Error: {words}"));
        pod.main.wait("CreateContainerConfigError", words);
        pod.show(sim, at + 800);
        at += sim.ms(2_000..=15_000);
    }
    if trouble == Trouble::StartHiccup {
        at += sim.ms(100..=900);
        let words = "failed to create containerd task: failed to create shim task: unable to start container process: \
            error adding pid 77 to cgroups: device or resource busy: unknown";
        pod.main.cannot_start(sim, words);
        pod.show(sim, at);
        at += sim.ms(500..=2_000);
        pod.main.run_again(at);
    }
    at += sim.ms(100..=900);
    pod.phase = "Running";
    pod.main.run(at);
    pod.event(sim, at, "c", "Started", "Container started");
    if !pod.probed {
        pod.set_ready(true);
    }
    pod.show(sim, at);
    at
}

fn crashed(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
    let ends: &[(&str, i32)] = match trouble {
        Trouble::CrashOnce => &[("Error", 1)],
        Trouble::MemoryOnce => &[("OOMKilled", 137)],
        Trouble::TwoReasons => &[("Error", 1), ("Error", 2)],
        Trouble::NodeRestarted => &[("Unknown", 255), ("Unknown", 255)],
        _ => &[],
    };
    let mut at = at;
    for (round, (reason, code)) in ends.iter().enumerate() {
        at += sim.ms(50..=4_000);
        pod.main.end(sim, reason, *code);
        pod.set_ready(false);
        pod.show(sim, at);
        if round == 0 {
            at += sim.ms(100..=1_000);
            pod.main.run(at);
        } else {
            pod.event(sim, at + 20, "c", "BackOff", "Back-off restarting failed container c in pod");
            pod.main.back_off();
            pod.show(sim, at + 900);
            at += sim.ms(10_000..=12_000);
            pod.main.run_again(at);
        }
        pod.show(sim, at);
    }
    at
}

fn ready(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
    let mut at = at + sim.ms(100..=3_000);
    if trouble == Trouble::SlowStart {
        for _ in 0..sim.ms(2..=12) {
            pod.event(
                sim,
                at,
                "c",
                "Unhealthy",
                "Readiness probe failed: HTTP probe failed with statuscode: 503",
            );
            at += sim.ms(1_000..=9_000);
        }
    }
    if trouble == Trouble::Flapping {
        for _ in 0..sim.ms(1..=8) {
            flap(sim, pod, at);
            at += sim.ms(1_000..=8_000);
        }
    }
    if trouble == Trouble::KilledAfterHealth {
        pod.set_ready(true);
        pod.show(sim, at);
        at += sim.ms(4_000..=30_000);
        pod.event(sim, at, "c", "Unhealthy", "Liveness probe failed: context deadline exceeded");
        pod.event(sim, at, "c", "Killing", "Container c failed liveness probe, will be restarted");
        at += sim.ms(100..=2_000);
        pod.main.end(sim, "Error", 137);
        pod.set_ready(false);
        pod.main.run(at);
        pod.show(sim, at);
        at += sim.ms(500..=4_000);
    }
    pod.set_ready(true);
    pod.show(sim, at);
    at
}

fn flap(sim: &mut Sim, pod: &mut Pod, at: u64) {
    pod.set_ready(true);
    pod.show(sim, at);
    pod.set_ready(false);
    let up_ms = sim.ms(100..=900);
    pod.event(
        sim,
        at + up_ms,
        "c",
        "Unhealthy",
        "Readiness probe failed: HTTP probe failed with statuscode: 503",
    );
    pod.show(sim, at + up_ms);
}

/// A pod of the older template that misbehaves while it is replaced; nothing of it is the release's fault.
pub(crate) fn misbehave(sim: &mut Sim, pod: &mut Pod, at: u64) {
    let mut at = at;
    pod.set_ready(false);
    for round in 0..3 {
        pod.main.end(sim, "Error", 1);
        pod.show(sim, at);
        pod.event(sim, at, "c", "Killing", "Container c failed liveness probe, will be restarted");
        at += 400;
        if round == 2 {
            pod.main.wait("CrashLoopBackOff", "back-off");
        } else {
            pod.main.run(at);
        }
        pod.show(sim, at);
        at += 300;
    }
}
