//! No life that comes good is ever stopped, however it is delivered and whenever the tracker begins to look.

use super::change::{Change, changed};
use super::lives::{KINDS, Pod, SINCE, Scene, Sim, TROUBLES, leave, life};
use super::replay::{Life, replay, replay_from, replay_interrupted};
use nica_engine::track::kubernetes::{Kind, Verdict};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Lives in the default run; ten times as many take a minute.
const SEEDS: u64 = 2_400;
/// What deliveries may be late by, superseded ones included.
const SLACK_MS: u64 = 900;

fn check(life: &Life, good_at: u64, how: &str) {
    ends_ready(life, good_at, replay(life), how);
}

/// Ready, and not before it was.
fn ends_ready(life: &Life, good_at: u64, found: Option<(u64, Verdict)>, how: &str) {
    // A pod that is killed after it was healthy for seconds may rightly have been believed before.
    let believed = life.name.contains("KilledAfterHealth");
    match found {
        Some((at, Verdict::Ready)) if at >= good_at || believed => {}
        other => panic!("{} {how}: {other:?}, good at {good_at}", life.name),
    }
}

/// As little time as the life needs: what the probes' numbers foresee must never be more than what comes.
fn in_haste(mut life: Life, good_at: u64) -> Life {
    life.wanted.limit_ms = good_at + SLACK_MS - life.wanted.since;
    life
}

#[test]
fn each_trouble_of_each_kind_of_workload_ends_ready() {
    for (kind, trouble) in KINDS.into_iter().flat_map(|kind| TROUBLES.map(|trouble| (kind, trouble))) {
        for seed in 0..4 {
            let (life, good_at) = life(kind, trouble, seed);
            check(&life, good_at, "as it is");
            check(&in_haste(life, good_at), good_at, "in haste");
        }
    }
}

/// Going back: the pods of the wanted template have run for weeks, and ended at times.
#[test]
fn ends_of_long_ago_do_not_count_against_a_pod_that_serves() {
    let mut sim = Sim::new(0);
    let mut scene = Scene::open(&mut sim, Kind::Deployment, 1, 0);
    let mut pod = scene.new_pod(&mut sim, None);
    (pod.phase, pod.scheduled) = ("Running", true);
    pod.main.end(&mut sim, "Error", 1);
    pod.main.run(0);
    pod.main.restarts = 5;
    pod.set_ready(true);
    pod.create(&mut sim, 300);
    pod.set_ready(false);
    pod.show(&mut sim, SINCE + 500);
    pod.main.end(&mut sim, "Error", 1);
    pod.show(&mut sim, SINCE + 900);
    pod.main.back_off();
    pod.show(&mut sim, SINCE + 1_500);
    pod.main.run_again(SINCE + 11_000);
    pod.show(&mut sim, SINCE + 11_000);
    pod.set_ready(true);
    pod.show(&mut sim, SINCE + 12_000);
    leave(&mut sim, &mut scene.old.remove(0), SINCE + 13_000);
    let deliveries = sim.deliveries();
    let wanted = scene.wanted(60_000, &deliveries);
    let life = Life { name: "going back".into(), wanted, deliveries, patience_ms: 5_000, tick_ms: 100 };
    ends_ready(&life, SINCE + 13_000, replay_from(&life, SINCE + 200), "listed");
}

/// A deployer begins to look at pods that its predecessor rolled out, or that it goes back to.
#[test]
fn kills_of_long_ago_do_not_count_against_a_pod_that_serves() {
    let (life, good_at) = killed_long_ago(|_, _| {});
    ends_ready(&life, good_at, replay_from(&life, SINCE + 200), "listed");
    // Not ready for a moment, it is still the one that served.
    let flaps = |sim: &mut Sim, pod: &mut Pod| {
        pod.set_ready(false);
        pod.show(sim, SINCE + 500);
        pod.set_ready(true);
        pod.show(sim, SINCE + 1_500);
    };
    let (life, good_at) = killed_long_ago(flaps);
    ends_ready(&life, good_at, replay_from(&life, SINCE + 200), "listed, then flapping");
}

#[test]
fn a_kill_that_is_seen_makes_those_of_long_ago_count() {
    let (life, _) = killed_long_ago(|sim, pod| killed(sim, pod, SINCE + 600));
    match replay_from(&life, SINCE + 200) {
        Some((_, Verdict::Failed(failure))) => {
            assert!(failure.line.contains("3 times by its liveness probe"))
        }
        other => panic!("{other:?}"),
    }
}

fn killed(sim: &mut Sim, pod: &mut Pod, at: u64) {
    pod.event(sim, at, "c", "Killing", "Container c failed liveness probe, will be restarted");
}

/// Killed twice, and ready since before anybody looked; then whatever `more` does.
fn killed_long_ago(more: impl Fn(&mut Sim, &mut Pod)) -> (Life, u64) {
    let mut sim = Sim::new(0);
    let mut scene = Scene::open(&mut sim, Kind::Deployment, 1, 0);
    let mut pod = scene.new_pod(&mut sim, None);
    (pod.phase, pod.scheduled) = ("Running", true);
    pod.main.run(0);
    pod.main.restarts = 2;
    pod.set_ready(true);
    pod.create(&mut sim, 300);
    killed(&mut sim, &mut pod, 310);
    killed(&mut sim, &mut pod, 320);
    more(&mut sim, &mut pod);
    leave(&mut sim, &mut scene.old.remove(0), SINCE + 3_000);
    let deliveries = sim.deliveries();
    let wanted = scene.wanted(60_000, &deliveries);
    (Life { name: "going back".into(), wanted, deliveries, patience_ms: 60_000, tick_ms: 100 }, SINCE + 3_000)
}

/// A Secret came late, and a first probe comes late; whoever begins to look after that sees the events of before.
#[test]
fn what_a_list_remembers_and_is_over_decides_nothing() {
    let mut sim = Sim::new(0);
    let mut scene = Scene::open(&mut sim, Kind::Deployment, 1, 0);
    scene.delay_secs = 20;
    let mut pod = scene.new_pod(&mut sim, None);
    pod.create(&mut sim, SINCE + 200);
    pod.scheduled = true;
    pod.show(&mut sim, SINCE + 300);
    let words = "MountVolume.SetUp failed for volume \"v\" : secret \"s\" not found";
    pod.event(&mut sim, SINCE + 400, "", "FailedMount", words);
    pod.event(&mut sim, SINCE + 500, "c", "Failed", "Error: secret \"s\" not found");
    pod.sandbox = true;
    pod.show(&mut sim, SINCE + 5_000);
    pod.main.run(SINCE + 20_000);
    pod.show(&mut sim, SINCE + 20_000);
    pod.set_ready(true);
    pod.show(&mut sim, SINCE + 40_500);
    leave(&mut sim, &mut scene.old.remove(0), SINCE + 42_000);
    let deliveries = sim.deliveries();
    let wanted = scene.wanted(43_000, &deliveries);
    let life = Life { name: "began late".into(), wanted, deliveries, patience_ms: 5_000, tick_ms: 100 };
    for from in [6_000, 15_000, 21_000, 38_000] {
        ends_ready(&life, SINCE + 42_000, replay_from(&life, SINCE + from), "listed");
    }
}

#[test]
fn no_life_that_comes_good_is_ever_stopped() {
    for seed in 0..SEEDS {
        let mut rng = StdRng::seed_from_u64(seed);
        let kind = KINDS[rng.random_range(0..KINDS.len())];
        let trouble = TROUBLES[rng.random_range(0..TROUBLES.len())];
        let (life, good_at) = life(kind, trouble, seed);
        let life = if rng.random_bool(0.5) { in_haste(life, good_at) } else { life };
        match rng.random_range(0..6) {
            0 => check(&life, good_at, "as it is"),
            1 => check(&changed(&life, Change::Late, seed), good_at, "late"),
            2 => check(&changed(&life, Change::Twice, seed), good_at, "twice"),
            3 => check(&changed(&life, Change::Superseded, seed), good_at, "superseded"),
            4 => restarted(&life, good_at, &mut rng),
            _ => interrupted(&life, good_at, &mut rng),
        }
    }
}

fn restarted(life: &Life, good_at: u64, rng: &mut StdRng) {
    let index = rng.random_range(0..life.deliveries.len());
    let from = (life.deliveries[index].at + 1).max(life.wanted.since);
    ends_ready(life, good_at, replay_from(life, from), &format!("from {from}"));
}

fn interrupted(life: &Life, good_at: u64, rng: &mut StdRng) {
    let index = rng.random_range(0..life.deliveries.len());
    let from = life.deliveries[index].at.max(life.wanted.since);
    let until = from + rng.random_range(1..20_000);
    ends_ready(life, good_at, replay_interrupted(life, from, until), &format!("from {from} to {until}"));
}
