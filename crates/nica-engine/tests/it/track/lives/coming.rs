//! From created to an image that is there: nodes, claims, mounts, init containers, registries.

use super::pod::Pod;
use super::sim::{About, Sim};
use super::trouble::Trouble;
use rand::Rng;
use serde_json::json;

const AWAY: &str = "failed to pull and unpack image \"registry/app:v2\": failed to do request: Head \
    \"https://registry/v2/app/manifests/v2\": dial tcp 192.0.2.1:5000: connect: connection refused";

pub(super) fn scheduled(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
    let mut at = at + sim.ms(5..=200);
    let no_room = "0/2 nodes are available: 2 Insufficient cpu.";
    let (words, wait_ms) = match trouble {
        Trouble::NoRoomYet => (no_room, sim.ms(500..=14_000)),
        Trouble::NodeComing => (no_room, sim.ms(20_000..=150_000)),
        Trouble::Preempting => (no_room, sim.ms(5_000..=40_000)),
        Trouble::ClaimProvisioned => (
            "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            sim.ms(2_000..=150_000),
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

pub(super) fn mounted(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
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

pub(super) fn initialised(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
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

pub(super) fn pulled(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
    let mut at = at + sim.ms(50..=500);
    pod.event(sim, at, "c", "Pulling", "Pulling image \"registry/app:v2\"");
    if trouble == Trouble::SlowPull {
        at += sim.ms(10_000..=120_000);
    }
    if trouble == Trouble::RegistryAway {
        // The kubelet's own pauses: away for 40 s shows as failures at 0, 10 and 30 s, and it comes at 70 s.
        for pause_ms in [10_000, 20_000, 40_000].into_iter().take(sim.ms(1..=3) as usize) {
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
