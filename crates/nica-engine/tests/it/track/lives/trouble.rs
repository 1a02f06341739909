//! What can happen to one pod on the way to being ready, without anything being wrong with the release.

use super::coming::{initialised, mounted, pulled, scheduled};
use super::pod::{Container, Pod};
use super::running::{crashed, ready, started};
use super::sim::Sim;

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
    Delayed,
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

pub(crate) const ALL: [Trouble; 27] = [
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
    Trouble::Delayed,
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

/// From created to running, without trouble; answers when.
pub(crate) fn begin(sim: &mut Sim, pod: &mut Pod, at: u64) -> u64 {
    let at = at + sim.ms(10..=300);
    pod.scheduled = true;
    pod.show(sim, at);
    let at = at + sim.ms(300..=2_000);
    pod.phase = "Running";
    pod.main.run(at);
    pod.show(sim, at);
    at
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
