//! No life that comes good is ever stopped, however it is delivered and whenever the tracker begins to look.

use super::change::{Change, changed};
use super::lives::{KINDS, TROUBLES, life};
use super::replay::{Life, replay, replay_from};
use nica_engine::track::kubernetes::Verdict;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Lives in the default run; ten times as many take a minute.
const SEEDS: u64 = 2_400;

fn check(life: &Life, good_at: u64, how: &str) {
    ends_ready(life, good_at, replay(life), how);
}

/// Ready, and not before it was.
fn ends_ready(life: &Life, good_at: u64, found: Option<(u64, Verdict)>, how: &str) {
    match found {
        Some((at, Verdict::Ready)) => {
            assert!(at >= good_at, "{} {how}: ready at {at}, good at {good_at}", life.name)
        }
        other => panic!("{} {how}: {other:?}", life.name),
    }
}

#[test]
fn each_trouble_of_each_kind_of_workload_ends_ready() {
    for (kind, trouble) in KINDS.into_iter().flat_map(|kind| TROUBLES.map(|trouble| (kind, trouble))) {
        for seed in 0..4 {
            let (life, good_at) = life(kind, trouble, seed);
            check(&life, good_at, "as it is");
        }
    }
}

#[test]
fn no_life_that_comes_good_is_ever_stopped() {
    for seed in 0..SEEDS {
        let mut rng = StdRng::seed_from_u64(seed);
        let kind = KINDS[rng.random_range(0..KINDS.len())];
        let trouble = TROUBLES[rng.random_range(0..TROUBLES.len())];
        let (life, good_at) = life(kind, trouble, seed);
        match rng.random_range(0..5) {
            0 => check(&life, good_at, "as it is"),
            1 => check(&changed(&life, Change::Late, seed), good_at, "late"),
            2 => check(&changed(&life, Change::Twice, seed), good_at, "twice"),
            3 => check(&changed(&life, Change::Superseded, seed), good_at, "superseded"),
            _ => restarted(&life, good_at, &mut rng),
        }
    }
}

fn restarted(life: &Life, good_at: u64, rng: &mut StdRng) {
    let index = rng.random_range(0..life.deliveries.len());
    let from = (life.deliveries[index].at + 1).max(life.wanted.since);
    ends_ready(life, good_at, replay_from(life, from), &format!("from {from}"));
}
