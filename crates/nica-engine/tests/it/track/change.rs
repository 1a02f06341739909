//! What a network does to a watch: deliveries late by up to a fifth of a second, twice, or not at all where a newer
//! version of the same object follows soon.

use super::replay::{Delivery, Life, text};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const LATE_MS: u64 = 200;
/// A watch that catches up skips what is history already; it never keeps back what is still true.
const SUPERSEDED_MS: u64 = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Late,
    Twice,
    Superseded,
}

pub(super) fn changed(life: &Life, change: Change, seed: u64) -> Life {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut life = life.clone();
    let deliveries = std::mem::take(&mut life.deliveries);
    life.deliveries = match change {
        Change::Late => deliveries.into_iter().map(|delivery| late(delivery, &mut rng, LATE_MS)).collect(),
        Change::Twice => deliveries.into_iter().flat_map(|delivery| twice(delivery, &mut rng)).collect(),
        Change::Superseded => without_superseded(deliveries, &mut rng),
    };
    life.deliveries.sort_by_key(|delivery| delivery.at);
    life
}

fn late(delivery: Delivery, rng: &mut StdRng, by_ms: u64) -> Delivery {
    Delivery { at: delivery.at + rng.random_range(0..=by_ms), ..delivery }
}

/// The second time may come much later than the first, and after newer versions.
fn twice(delivery: Delivery, rng: &mut StdRng) -> Vec<Delivery> {
    match rng.random_bool(0.4) {
        true => vec![delivery.clone(), late(delivery, rng, 5_000)],
        false => vec![delivery],
    }
}

fn without_superseded(deliveries: Vec<Delivery>, rng: &mut StdRng) -> Vec<Delivery> {
    let uid = |delivery: &Delivery| text(&delivery.object, "/metadata/uid");
    let follows = |index: usize| {
        let mut later = deliveries[index + 1..].iter().filter(|later| uid(later) == uid(&deliveries[index]));
        later.next().is_some_and(|next| next.at <= deliveries[index].at + SUPERSEDED_MS)
    };
    let kept = (0..deliveries.len()).filter(|&index| {
        let superseded = deliveries[index].change == "MODIFIED" && follows(index);
        !superseded || rng.random_bool(0.5)
    });
    kept.map(|index| deliveries[index].clone()).collect()
}
