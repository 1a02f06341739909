//! A whole roll that comes good: older pods that go, new ones that come, and trouble on the way.

use super::super::replay::Life;
use super::pod::Pod;
use super::scene::{SINCE, Scene};
use super::sim::{About, Sim};
use super::trouble::{Trouble, live, misbehave};
use nica_engine::track::kubernetes::Kind;
use rand::Rng;
use serde_json::json;

pub(crate) const KINDS: [Kind; 4] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Job];

const LIMIT_MS: u64 = 3_600_000;

/// The life, and the instant at which it is good.
pub(crate) fn life(kind: Kind, trouble: Trouble, seed: u64) -> (Life, u64) {
    let mut sim = Sim::new(seed);
    let replicas = sim.ms(1..=4);
    let partition = match kind {
        Kind::StatefulSet if sim.rng.random_bool(0.4) => sim.ms(0..=replicas - 1),
        _ => 0,
    };
    let mut scene = Scene::open(&mut sim, kind, replicas, partition);
    if trouble == Trouble::Delayed {
        scene.delay_secs = u32::try_from(sim.ms(1..=60)).expect("a minute of seconds");
    }
    let good_at = match kind {
        Kind::Deployment => surging(&mut sim, &mut scene, trouble),
        Kind::Job => job(&mut sim, &scene, trouble),
        _ => one_by_one(&mut sim, &mut scene, trouble),
    };
    let name = format!("{} {trouble:?} seed {seed}", kind.word());
    let deliveries = sim.deliveries();
    let wanted = scene.wanted(LIMIT_MS, &deliveries);
    let life = Life { name, wanted, deliveries, patience_ms: 60_000, tick_ms: 500 };
    (life, good_at)
}

/// Leaves with its grace period, and shows what ends in it; answers when it is gone.
pub(crate) fn leave(sim: &mut Sim, pod: &mut Pod, at: u64) -> u64 {
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

/// The given trouble strikes one of the pods.
fn troubles(sim: &mut Sim, trouble: Trouble, pods: u64) -> Vec<Trouble> {
    let struck = sim.ms(0..=pods - 1);
    (0..pods).map(|index| if index == struck { trouble } else { Trouble::None }).collect()
}

/// A Deployment's roll: new pods come beside older ones, some of which leave early and some misbehave.
fn surging(sim: &mut Sim, scene: &mut Scene, trouble: Trouble) -> u64 {
    let mut at = SINCE + 150;
    if sim.rng.random_bool(0.3) {
        at = refused_for_a_while(sim, scene, at);
    }
    let mut good_at = at;
    for (index, trouble) in troubles(sim, trouble, scene.replicas).into_iter().enumerate() {
        good_at = good_at.max(make_room(sim, scene, at));
        let ready_at = live(sim, &mut |sim| scene.new_pod(sim, None), at, trouble);
        good_at = good_at.max(ready_at);
        at = if sim.rng.random_bool(0.5) { ready_at + 50 } else { at + sim.ms(10..=500) };
        if index == 0 && scene.replicas > 1 && sim.rng.random_bool(0.2) {
            good_at = good_at.max(scaled(sim, scene, at));
        }
    }
    for mut pod in std::mem::take(&mut scene.old) {
        let leaves_at = good_at + sim.ms(10..=900);
        leave(sim, &mut pod, leaves_at);
        good_at = leaves_at;
    }
    good_at
}

fn make_room(sim: &mut Sim, scene: &mut Scene, at: u64) -> u64 {
    let Some(mut pod) = scene.old.pop() else { return at };
    if sim.rng.random_bool(0.2) {
        misbehave(sim, &mut pod, at);
    }
    if sim.rng.random_bool(0.5) {
        leave(sim, &mut pod, at + 3_000);
        return at + 3_000;
    }
    scene.old.insert(0, pod);
    at
}

/// A person scales meanwhile.
fn scaled(sim: &mut Sim, scene: &mut Scene, at: u64) -> u64 {
    scene.replicas += 1;
    scene.show(sim, at, 3, 2, json!([]));
    scene.show(sim, at + 40, 3, 3, json!([]));
    live(sim, &mut |sim| scene.new_pod(sim, None), at + 60, Trouble::None)
}

/// The first try to create a pod is refused, by something that passes.
fn refused_for_a_while(sim: &mut Sim, scene: &mut Scene, at: u64) -> u64 {
    let quota =
        "pods \"d-x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=4, limited: pods=4";
    let words = [
        "Internal error occurred: failed calling webhook \"w.example\": failed to call webhook: connection refused",
        "pods is forbidden: User \"system:serviceaccount:kube-system:replicaset-controller\" cannot create resource \"pods\"",
        "Operation cannot be fulfilled on resourcequotas \"q\": the object has been modified",
        quota,
    ];
    let message = words[usize::try_from(sim.ms(0..=3)).unwrap()];
    scene.refuse(sim, at, Some(message));
    let about = About { kind: "ReplicaSet", name: "d-new", uid: "new", container: "" };
    sim.event(at + 5, &about, "FailedCreate", &format!("Error creating: {message}"));
    let over_at = match (message == quota, scene.old.pop()) {
        // Only an older pod that leaves gives its part of the quota back; it is counted again a little later.
        (true, Some(mut pod)) => leave(sim, &mut pod, at + 100) + sim.ms(100..=12_000),
        (_, kept) => {
            scene.old.extend(kept);
            at + sim.ms(500..=20_000)
        }
    };
    scene.refuse(sim, over_at, None);
    over_at
}

/// StatefulSet and DaemonSet: an older pod goes, and a new one takes its place.
fn one_by_one(sim: &mut Sim, scene: &mut Scene, trouble: Trouble) -> u64 {
    if sim.rng.random_bool(0.3) {
        // The rollout before this one was refused, which is what this one is for.
        let about = About { kind: "StatefulSet", name: "d", uid: "w", container: "" };
        sim.event(150, &about, "FailedCreate", "violates PodSecurity \"restricted:latest\": runAsNonRoot");
    }
    let mut at = SINCE + 150;
    for trouble in troubles(sim, trouble, scene.replicas - scene.partition) {
        let mut pod = scene.old.pop().expect("as many older pods as there are places");
        if sim.rng.random_bool(0.3) {
            misbehave(sim, &mut pod, at);
            at += 3_000;
        }
        let gone_at = leave(sim, &mut pod, at);
        let place = (scene.kind == Kind::StatefulSet).then_some(pod.name.as_str());
        at = live(sim, &mut |sim| scene.new_pod(sim, place), gone_at + 30, trouble) + 40;
    }
    at - 40
}

/// Pods that fail are its retries; the last one goes through.
fn job(sim: &mut Sim, scene: &Scene, trouble: Trouble) -> u64 {
    let mut at = SINCE + 60;
    for _ in 0..sim.ms(0..=3) {
        let mut pod = scene.new_pod(sim, None);
        at = failing(sim, &mut pod, at);
    }
    let at = live(sim, &mut |sim| scene.new_pod(sim, None), at, trouble) + sim.ms(10..=30_000);
    scene.show(sim, at, 1, 1, json!([{"type": "SuccessCriteriaMet", "status": "True"}]));
    scene.show(sim, at + 500, 1, 1, json!([{"type": "Complete", "status": "True"}]));
    at
}

/// Ends several times with the same code, and then for good.
pub(crate) fn failing(sim: &mut Sim, pod: &mut Pod, at: u64) -> u64 {
    let mut at = at;
    (pod.probed, pod.scheduled) = (false, true);
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
    at + sim.ms(1_000..=11_000)
}
