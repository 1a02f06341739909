//! From the first start to ready for good: starts, ends, and probes.

use super::pod::Pod;
use super::sim::Sim;
use super::trouble::Trouble;

pub(super) fn started(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
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
        for _ in 0..sim.ms(1..=2) {
            pod.main.cannot_start(sim, words);
            pod.show(sim, at);
            at += sim.ms(500..=2_000);
        }
        pod.main.run_again(at);
    }
    at += sim.ms(100..=900);
    pod.phase = "Running";
    pod.main.run(at);
    pod.event(sim, at, "c", "Started", "Container started");
    if !pod.probed {
        pod.set_ready(true);
    }
    // A busy kubelet reports a start late, and its probes do not wait for that.
    let late_ms = sim.ms(0..=3_000).min(u64::from(pod.delay_secs) * 500);
    pod.show(sim, at + late_ms);
    at
}

pub(super) fn crashed(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
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

pub(super) fn ready(sim: &mut Sim, pod: &mut Pod, at: u64, trouble: Trouble) -> u64 {
    let mut at = at + u64::from(pod.delay_secs) * 1_000 + sim.ms(100..=3_000);
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

/// Ready for less than a second.
pub(crate) fn flap(sim: &mut Sim, pod: &mut Pod, at: u64) {
    pod.set_ready(true);
    pod.show(sim, at);
    pod.set_ready(false);
    let up_ms = sim.ms(100..=400);
    pod.event(
        sim,
        at + up_ms,
        "c",
        "Unhealthy",
        "Readiness probe failed: HTTP probe failed with statuscode: 503",
    );
    pod.show(sim, at + up_ms);
}
