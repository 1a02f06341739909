//! No life that comes good is ever stopped, however it is delivered and whenever the tracker begins to look.

use super::change::{Change, changed};
use super::lives::{KINDS, TROUBLES, life};
use super::replay::{Life, replay, replay_from};
use nica_engine::track::kubernetes::Verdict;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Lives in the default run; ten times as many take a minute.
const SEEDS: u64 = 2_400;

fn check(life: &Life, how: &str) {
    match replay(life) {
        Some((_, Verdict::Ready)) => {}
        other => panic!("{} {how}: {other:?}", life.name),
    }
}

#[test]
fn each_trouble_of_each_kind_of_workload_ends_ready() {
    for (kind, trouble) in KINDS.into_iter().flat_map(|kind| TROUBLES.map(|trouble| (kind, trouble))) {
        (0..4).for_each(|seed| check(&life(kind, trouble, seed), "as it is"));
    }
}

#[test]
fn no_life_that_comes_good_is_ever_stopped() {
    for seed in 0..SEEDS {
        let mut rng = StdRng::seed_from_u64(seed);
        let kind = KINDS[rng.random_range(0..KINDS.len())];
        let trouble = TROUBLES[rng.random_range(0..TROUBLES.len())];
        let life = life(kind, trouble, seed);
        match rng.random_range(0..5) {
            0 => check(&life, "as it is"),
            1 => check(&changed(&life, Change::Late, seed), "late"),
            2 => check(&changed(&life, Change::Twice, seed), "twice"),
            3 => check(&changed(&life, Change::Superseded, seed), "superseded"),
            _ => restarted(&life, &mut rng),
        }
    }
}

fn restarted(life: &Life, rng: &mut StdRng) {
    let index = rng.random_range(0..life.deliveries.len());
    let from = life.deliveries[index].at + 1;
    match replay_from(life, from.max(life.wanted.since)) {
        Some((_, Verdict::Ready)) => {}
        other => panic!("{} from {from}: {other:?}", life.name),
    }
}
