//! Every case that can be told about the points of the undisturbed runs.
//!
//! The number must not shrink: a sweep that silently lost its points would be green for ever.

mod dice;
mod faults;
mod slice;

pub(crate) use slice::{shuffled, slice};

use super::case::{Actor, Case, Fault, How, Story, Then};
use super::label::{BEAT, Point};
use super::prepare::{Prepared, Turn};
use anyhow::Result;
use dice::Dice;
use faults::faults;
use std::collections::BTreeSet;

/// A poll asks as often as it must; after this many times a turn is no new point.
const NTH_MAX: u32 = 2;
/// Pairs are sampled: this many for each story.
const PAIRS: usize = 60;
/// Turns that change nothing anywhere and after which nothing is decided.
const IDLE: [&str; 3] = ["prepare", "close", "terminate"];
/// First words of turns that only look, or begin what can still vanish.
const QUIET: [&str; 11] = [
    "select",
    "with-w",
    "hello",
    "observe",
    "watch",
    "scrape",
    "probe",
    "start-transaction",
    "set-local",
    "savepoint",
    "release",
];
/// These begin like a look and are none.
const NOT_QUIET: [&str; 3] = ["select-nica-guard", "select-pg_terminate_backend", "select-set_config"];

/// Turns before the first step that whoever takes over says too.
const OF_A_TAKEOVER: [&str; 6] =
    ["hello", "admit", "update-nica-fence", "with-seen", "select-pg_terminate_backend", "select-set_config"];

/// Turns that are worth a stop, each once, in the order of the run.
pub(crate) fn points(turns: &[Turn]) -> Result<Vec<&Turn>> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for turn in turns {
        let point = turn.point()?;
        let nth_max = if quiet(&point) { 1 } else { NTH_MAX };
        let counts = point.phase != BEAT && point.nth <= nth_max && !begins(&point, &IDLE);
        if counts && seen.insert(point) {
            kept.push(turn);
        }
    }
    Ok(kept)
}

fn quiet(point: &Point) -> bool {
    begins(point, &QUIET) && !begins(point, &NOT_QUIET)
}

fn begins(point: &Point, words: &[&str]) -> bool {
    words.iter().any(|word| {
        point.words.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

pub(crate) fn all(prepared: &Prepared) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for story in Story::ALL {
        let turns = prepared.turns.get(story.name()).map(Vec::as_slice).unwrap_or_default();
        let turns = turns.iter().filter(|turn| *story != Story::Again || is_about_the_attic(turn));
        let turns: Vec<Turn> = turns.cloned().collect();
        let faults = faults(&points(&turns)?)?;
        for fault in &faults {
            cases.push(Case { story: *story, fault: fault.clone(), second: None, then: then(*story, fault) });
        }
        cases.extend(pairs(*story, &faults));
    }
    Ok(cases)
}

/// The way there and back is the other stories'; here it is what moves values out of the attic.
fn is_about_the_attic(turn: &Turn) -> bool {
    turn.effect == "unpark"
        || (turn.said.contains("nica_attic") && turn.point().is_ok_and(|point| !quiet(&point)))
}

/// A plain way to end. Told by the fault alone, so that a point more or less renames no other case.
fn then(story: Story, fault: &Fault) -> Then {
    let ways = match story {
        Story::Forward | Story::Again => [Then::Deploy, Then::Deploy, Then::Resume, Then::Other, Then::Ours],
        Story::Back => [Then::Deploy, Then::Resume, Then::Next, Then::Other, Then::Ours],
    };
    ways[Dice::of(&fault.to_string()).below(ways.len())]
}

/// A fault, then another on whoever takes over, at an equal or later step: sampled, the same ones every time.
fn pairs(story: Story, faults: &[Fault]) -> Vec<Case> {
    let down: Vec<&Fault> =
        faults.iter().filter(|f| f.actor == Actor::Deployer && f.how != How::KillLost).collect();
    let mut dice = Dice(0x5eed);
    let mut cases = Vec::new();
    let begins_a_takeover = |f: &Fault| f.point.phase == "opening" && begins(&f.point, &OF_A_TAKEOVER);
    for _ in 0..PAIRS * 20 {
        if cases.len() >= PAIRS || down.is_empty() {
            break;
        }
        let (at, later) = (dice.below(down.len()), dice.below(down.len()));
        let (a, b) = (down[at], down[later]);
        let on_the_way = at < later && a.point.phase != b.point.phase && b.point.phase != "opening";
        if on_the_way || begins_a_takeover(b) {
            let then = Then::ALL[dice.below(2)];
            cases.push(Case { story, fault: a.clone(), second: Some(b.clone()), then });
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn turn(point: &str, said: &str, database: bool) -> Turn {
        Turn { point: point.into(), said: said.into(), database, effect: String::new() }
    }

    #[test]
    fn a_poll_is_one_point_and_the_heartbeat_none() {
        let turns = [
            turn("01-started.select-x-1", "select x", true),
            turn("01-started.select-x-2", "select x", true),
            turn("beat.update-nica-lease-set-beat-1", "UPDATE nica.lease SET beat", true),
            turn("01-started.commit-1", "COMMIT", true),
            turn("01-started.commit-2", "COMMIT", true),
            turn("01-started.commit-3", "COMMIT", true),
        ];
        let kept: Vec<&str> =
            points(&turns).expect("points").iter().map(|turn| turn.point.as_str()).collect();
        assert_eq!(kept, ["01-started.select-x-1", "01-started.commit-1", "01-started.commit-2"]);
    }

    #[test]
    fn a_slice_takes_from_every_kind_and_is_the_same_every_time() {
        let turns =
            [turn("01-started.commit-1", "COMMIT", true), turn("02-started.set-api-1", "set api", false)];
        let golden = serde_json::json!({"schema": [], "seeds": [], "workloads": {}});
        let prepared = Prepared {
            golden: serde_json::from_value(
                serde_json::json!({"new": golden, "old": golden, "schemas": [], "seeds": []}),
            )
            .expect("the shape above"),
            turns: BTreeMap::from([("forward".to_string(), turns.to_vec())]),
        };
        let cases = all(&prepared).expect("cases");
        let some = slice(&cases, 40, None);
        let actors: BTreeSet<Actor> = some.iter().map(|case| case.fault.actor).collect();
        assert_eq!(actors.len(), Actor::ALL.len(), "every actor");
        let kinds = |cases: &[Case]| cases.iter().map(Case::kind).collect::<BTreeSet<_>>().len();
        let deployer = |case: &&Case| case.fault.actor == Actor::Deployer && case.second.is_none();
        let theirs: Vec<Case> = some.iter().filter(deployer).cloned().collect();
        assert_eq!(
            kinds(&theirs),
            theirs.len().min(kinds(&cases.iter().filter(deployer).cloned().collect::<Vec<_>>()))
        );
        assert_eq!(some, slice(&cases, 40, None));
    }
}
