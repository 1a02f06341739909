//! Failures of every class that no recording has, and of every kind of workload: class, line and instant.
//!
//! Each case makes the pods of the wanted template fail in one way and answers when that is certain.

mod cases;
mod containers;
mod workloads;

use super::change::{Change, changed};
use super::lives::{Scene, Sim};
use super::replay::{Life, replay};
use nica_engine::track::Class;
use nica_engine::track::kubernetes::{Failure, Kind, Verdict};

/// Delay of a delivery, one tick, and the second that a verdict may take.
const LAG_MS: u64 = 80 + 100 + 1_000;
const LIMIT_MS: u64 = 300_000;

struct Bad {
    name: &'static str,
    kind: Kind,
    class: Class,
    /// What the line names, in this order.
    says: &'static [&'static str],
    make: fn(&mut Sim, &mut Scene) -> u64,
}

fn life(bad: &Bad, limit_ms: u64, seed: u64) -> (Life, u64) {
    let mut sim = Sim::new(seed);
    let mut scene = Scene::open(&mut sim, bad.kind, 2, 0);
    let due_at = (bad.make)(&mut sim, &mut scene);
    let deliveries = sim.deliveries();
    let (name, wanted) = (bad.name.to_string(), scene.wanted(limit_ms, &deliveries));
    (Life { name, wanted, deliveries, patience_ms: 400_000, tick_ms: 100 }, due_at)
}

fn failed(bad: &Bad, found: Option<(u64, Verdict)>, how: &str) -> (u64, Failure) {
    match found {
        Some((at, Verdict::Failed(failure))) => {
            assert_eq!(failure.class, bad.class, "{} {how}: {}", bad.name, failure.line);
            (at, failure)
        }
        other => panic!("{} {how}: {other:?}", bad.name),
    }
}

fn check(bad: &Bad, limit_ms: u64) {
    for seed in 0..4 {
        let (life, due_at) = life(bad, limit_ms, seed);
        let (at, failure) = failed(bad, replay(&life), "as it is");
        let mut rest = failure.line.as_str();
        for part in bad.says {
            let found = rest.split_once(part);
            rest = found.unwrap_or_else(|| panic!("{}: `{part}` in {}", bad.name, failure.line)).1;
        }
        assert!(at >= due_at && at <= due_at + LAG_MS, "{} seed {seed}: at {at}, due {due_at}", bad.name);
        for change in [Change::Late, Change::Twice, Change::Superseded] {
            failed(bad, replay(&changed(&life, change, seed)), &format!("{change:?}"));
        }
    }
}

#[test]
fn what_a_container_shows_ends_in_its_class_when_it_is_certain() {
    containers::CASES.iter().for_each(|bad| check(bad, LIMIT_MS));
}

#[test]
fn what_keeps_pods_from_being_made_or_placed_ends_in_its_class_when_it_is_certain() {
    workloads::CASES.iter().for_each(|bad| check(bad, LIMIT_MS));
}

#[test]
fn our_own_limit_cannot_be_extended() {
    cases::LATE.iter().for_each(|bad| check(bad, cases::LATE_LIMIT_MS));
}
