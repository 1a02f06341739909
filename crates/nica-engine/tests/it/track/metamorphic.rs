//! However the watch delivers a recorded rollout, its class stays: the verdict may come later, never as another one.

use super::change::{Change, changed};
use super::recorded::{failure, life};
use super::recordings::ALL;
use super::replay::{Delivery, Life, replay, replay_from, replay_interrupted};
use nica_engine::track::Class;
use nica_engine::track::kubernetes::{At, Verdict};

const SEEDS: u64 = 12;
const BREAK_MS: u64 = 3_000;
/// How long after a recording's end its last state may take to speak for itself.
const PATIENCE_MS: u64 = 70_000;

fn class(verdict: &Verdict) -> Option<Class> {
    match verdict {
        Verdict::Failed(failure) => Some(failure.class),
        Verdict::Ready => None,
        waiting => panic!("{waiting:?} is no end"),
    }
}

fn expected(life: &Life) -> (At, Option<Class>) {
    let (at, verdict) = replay(life).unwrap();
    (at, class(&verdict))
}

fn lives() -> impl Iterator<Item = Life> {
    ALL.into_iter().map(|name| Life { patience_ms: PATIENCE_MS, ..life(name) })
}

fn check(change: Change) {
    for original in lives() {
        let (_, class_before) = expected(&original);
        for seed in 0..SEEDS {
            let found = replay(&changed(&original, change, seed));
            let (_, verdict) =
                found.unwrap_or_else(|| panic!("{} {change:?} {seed}: no verdict", original.name));
            assert_eq!(class(&verdict), class_before, "{} {change:?} {seed}: {verdict:?}", original.name);
        }
    }
}

#[test]
fn late_deliveries_change_no_class() {
    check(Change::Late);
}

#[test]
fn repeated_deliveries_change_no_class() {
    check(Change::Twice);
}

#[test]
fn superseded_versions_that_never_arrive_change_no_class() {
    check(Change::Superseded);
}

#[test]
fn a_watch_that_starts_again_anywhere_changes_no_class() {
    began_again(|life, at| (at, replay_from(life, at)));
}

#[test]
fn a_watch_that_breaks_anywhere_changes_no_class() {
    began_again(|life, at| (at + BREAK_MS, replay_interrupted(life, at, at + BREAK_MS)));
}

/// Answers since when the watch works, and what was found.
type Again = fn(&Life, At) -> (At, Option<(At, Verdict)>);

fn began_again(again: Again) {
    for original in lives() {
        let (_, class_before) = expected(&original);
        let instants: Vec<At> = original.deliveries.iter().map(|delivery| delivery.at + 1).collect();
        for (from, found) in instants.into_iter().map(|at| again(&original, at)) {
            let after = from.saturating_sub(original.wanted.since);
            let Some((_, verdict)) = found else {
                assert!(is_cut_short(&original, from), "{} from {after}: no verdict", original.name);
                continue;
            };
            assert_eq!(class(&verdict), class_before, "{} from {after}: {verdict:?}", original.name);
        }
    }
}

/// The recording ends before the class can be certain again: a minute after the watch is back the kubelet has to try
/// its registry once more, a pod that ran when it was listed has to end twice, and one that was ready then has to be killed
/// once more: whoever saw nothing else must not call the kills of before a failure of what serves.
fn is_cut_short(life: &Life, from: At) -> bool {
    let all = life.deliveries.iter();
    let ends = |delivery: &&Delivery| {
        delivery.object.pointer("/status/containerStatuses/0/state/terminated").is_some()
    };
    let last = life.deliveries.last().map_or(0, |delivery| delivery.at);
    let tries = life.name == "registry-down" && last < from + 120_000;
    let left = all.clone().filter(ends).filter(|delivery| delivery.at >= from).count();
    let kill = |delivery: &Delivery| delivery.at >= from && delivery.object["reason"] == "Killing";
    let kills = life.name == "liveness" && !life.deliveries.iter().any(kill);
    tries || kills || (all.filter(ends).count() > 0 && left < 2)
}

#[test]
fn every_recorded_failure_has_a_next_action() {
    for original in lives().filter(|life| life.name != "slow-start") {
        let (_, verdict) = replay(&original).unwrap();
        assert!(!failure(verdict, &original.name).next.is_empty());
    }
}
