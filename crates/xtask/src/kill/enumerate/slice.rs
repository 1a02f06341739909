//! A few cases that stand for all: every actor has its share, every kind gives one before any gives two.

use super::dice::Dice;
use crate::kill::case::{Actor, Case};
use std::collections::BTreeMap;

/// Of a hundred cases of a slice, so many are told of each actor; pairs are told apart.
const SHARES: [(Option<Actor>, usize); 6] = [
    (Some(Actor::Deployer), 40),
    (None, 10),
    (Some(Actor::Backend), 15),
    (Some(Actor::Network), 15),
    (Some(Actor::Supervisor), 12),
    (Some(Actor::Keeper), 8),
];

/// The same cases every time, unless somebody names another seed.
const SEED: u64 = 0x511c;

/// All of them in an order that is fair wherever it is cut off.
pub(crate) fn shuffled(cases: &[Case], seed: Option<u64>) -> Vec<Case> {
    let mut cases = cases.to_vec();
    Dice(seed.unwrap_or(SEED)).shuffle(&mut cases);
    cases
}

/// About `count` cases, spread over actors, kill points and faults.
pub(crate) fn slice(cases: &[Case], count: usize, seed: Option<u64>) -> Vec<Case> {
    let mut dice = Dice(seed.unwrap_or(SEED));
    let mut chosen = Vec::new();
    for (actor, share) in SHARES {
        let is_one = |case: &&Case| {
            if case.second.is_some() { actor.is_none() } else { actor == Some(case.fault.actor) }
        };
        let some: Vec<&Case> = cases.iter().filter(is_one).collect();
        chosen.extend(spread(&some, (count * share).div_ceil(100), &mut dice));
    }
    chosen.truncate(count);
    chosen
}

/// Every kind gives one before any gives two.
fn spread(cases: &[&Case], count: usize, dice: &mut Dice) -> Vec<Case> {
    let mut kinds: BTreeMap<_, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        kinds.entry(case.kind()).or_default().push(case);
    }
    let mut groups: Vec<Vec<&Case>> = kinds.into_values().collect();
    dice.shuffle(&mut groups);
    groups.iter_mut().for_each(|group| dice.shuffle(group));
    let rounds = groups.iter().map(Vec::len).max().unwrap_or_default();
    let picked = (0..rounds).flat_map(|round| groups.iter().filter_map(move |group| group.get(round)));
    picked.take(count).map(|case| (*case).clone()).collect()
}
