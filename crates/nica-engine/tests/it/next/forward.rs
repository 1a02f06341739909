//! Going forward, and what turns a run.

use super::check;
use super::scene::{
    API, At, BAKE, COMMIT, DELETE, LOSSLESS, PARKING, READER, Scene, UNPARK, forward, generation,
};
use nica_engine::plan::{OnInconclusive, Status};
use nica_engine::world::Verdict;

fn inconclusive(policy: OnInconclusive) -> Scene {
    forward(At::Serving)
        .planned(|p| p.limits.on_inconclusive = policy)
        .sees(|w| w.verdict = Verdict::Inconclusive("metric not reachable".to_string()))
}

#[test]
fn what_is_seen_decides() {
    check(vec![
        ("a run begins with its first step", forward(At::Open), "Perform(0)"),
        (
            "applied, but not recorded: only the record is missing",
            forward(At::Open).is(0, Status::Done).is(LOSSLESS, Status::Started).step_is_there(LOSSLESS),
            "Note(1, Done)",
        ),
        (
            "a recorded done is a hint: what is not there is done again",
            forward(At::Migrated).step_is_gone(PARKING),
            "Perform(2)",
        ),
        (
            "started by somebody who died, and not there: it is done again",
            forward(At::Open).is(0, Status::Done).is(LOSSLESS, Status::Started),
            "Perform(1)",
        ),
        ("half-built is not applied", forward(At::Migrated).half_built(LOSSLESS), "Perform(1)"),
        (
            "the next up is followed by a step that moves parked values back",
            forward(At::Migrated)
                .is(UNPARK, Status::Pending)
                .sees(|w| w.parked.extend(["0002_parking".to_string()])),
            "Perform(3)",
        ),
        (
            "seed rows that differ are written",
            forward(At::Migrated).sees(|w| w.seeds.as_released = false),
            "Perform(5)",
        ),
        ("components come after migrations and seeds, in order", forward(At::Migrated), "Perform(6)"),
        (
            "asked for, but with another number of replicas",
            forward(At::Serving).sees(|w| w.components.get_mut("api").expect("is there").replicas = 3),
            "Perform(6)",
        ),
        (
            "a component that vanished at the target is asked for again",
            forward(At::Migrated).runs("api", None, &[]),
            "Perform(6)",
        ),
    ]);
}

#[test]
fn rollout_is_awaited_until_its_verdict() {
    let rolling = || forward(At::Serving).is(7, Status::Pending);
    check(vec![
        ("not ready yet", rolling().runs("api", Some("new"), &["old"]), "Await(Rollout(7))"),
        (
            "ready, but a replica of the old release is still alive",
            rolling().runs("api", Some("new"), &["new", "old"]),
            "Await(Rollout(7))",
        ),
        ("ready and alone", rolling(), "Note(7, Done)"),
        (
            "doomed: at once",
            rolling().runs("api", Some("new"), &["new"]).doomed("api", "crash loop: exit 3"),
            "TurnBack(\"crash loop: exit 3\")",
        ),
        (
            "the deadline is ours",
            rolling().runs("api", Some("new"), &["old"]).sees(|w| w.clock.rollout = true),
            "TurnBack(\"api did not get ready in time: 0 of 1 replicas ready\")",
        ),
        ("the deadline passed, but it is ready", rolling().sees(|w| w.clock.rollout = true), "Note(7, Done)"),
        (
            "a replica that dies during the bake is awaited again",
            forward(At::Serving).runs("api", Some("new"), &[]),
            "Await(Rollout(7))",
        ),
    ]);
}

#[test]
fn direction_turns_when_it_must() {
    let foreign = || {
        forward(At::Migrated).sees(|w| {
            w.components.get_mut("api").expect("is there").generation = Some(generation("api", "foreign"));
        })
    };
    let late = |at| forward(at).sees(|w| w.clock.forward_until = true);
    let told = format!(
        "TurnBack(\"api was changed by somebody else to generation {}\")",
        generation("api", "foreign")
    );
    let told: &'static str = told.leak();
    let time = "TurnBack(\"the time to go forward has passed\")";
    check(vec![
        (
            "an effect was refused",
            forward(At::Open).refused(LOSSLESS, "column exists"),
            "TurnBack(\"column exists\")",
        ),
        ("the next step's precondition does not hold", foreign(), told),
        ("forward_until has passed: nothing new begins", late(At::Migrated), time),
        ("not even the first step", late(At::Open), time),
        (
            "forward_until does not apply to a rollout that was begun",
            late(At::Serving).is(7, Status::Pending).runs("api", Some("new"), &["old"]),
            "Await(Rollout(7))",
        ),
        (
            "a run found in bake takes fresh samples whatever the hour",
            late(At::Serving).sees(|w| w.verdict = Verdict::Pending),
            "Await(Bake(10))",
        ),
        (
            "a bake that passed may commit, whatever the hour",
            late(At::Serving).is(BAKE, Status::Done),
            "Perform(11)",
        ),
        (
            "whoever acts reads the wish to abort",
            forward(At::Open).sees(|w| w.abort = true),
            "TurnBack(\"aborted by hand\")",
        ),
        (
            "with each step",
            forward(At::Serving).is(BAKE, Status::Done).sees(|w| w.abort = true),
            "TurnBack(\"aborted by hand\")",
        ),
    ]);
}

#[test]
fn bake_passes_refuses_or_waits() {
    let refused = || {
        let why = "error ratio 4.1 % over 0.2 %".to_string();
        forward(At::Serving).sees(|w| w.verdict = Verdict::Refuse(why))
    };
    check(vec![
        ("pass", forward(At::Serving), "Note(10, Done)"),
        (
            "no data is not a pass",
            forward(At::Serving).sees(|w| w.verdict = Verdict::Pending),
            "Await(Bake(10))",
        ),
        (
            "death during bake is not a verdict",
            forward(At::Serving).is(BAKE, Status::Started).sees(|w| w.verdict = Verdict::Pending),
            "Await(Bake(10))",
        ),
        ("refuse", refused(), "TurnBack(\"error ratio 4.1 % over 0.2 %\")"),
        (
            "inconclusive at bake_max, policy undo",
            inconclusive(OnInconclusive::Undo),
            "TurnBack(\"inconclusive: metric not reachable\")",
        ),
        (
            "inconclusive at bake_max, policy hold",
            inconclusive(OnInconclusive::Hold),
            "Hold(\"metric not reachable\")",
        ),
        (
            "a run on hold can be aborted",
            inconclusive(OnInconclusive::Hold).sees(|w| w.abort = true),
            "TurnBack(\"aborted by hand\")",
        ),
        ("a bake that passed is not judged again", refused().is(BAKE, Status::Done), "Perform(11)"),
    ]);
}

#[test]
fn nothing_turns_a_run_after_commit() {
    let committed = || forward(At::Committed);
    let gone = || committed().runs("old", None, &[]);
    check(vec![
        (
            "deletions come after Commit, not before",
            forward(At::Serving).is(BAKE, Status::Done),
            "Perform(11)",
        ),
        ("then they do", committed(), "Perform(12)"),
        ("abort comes too late", committed().sees(|w| w.abort = true), "Perform(12)"),
        (
            "a refusing verdict comes too late",
            committed().sees(|w| w.verdict = Verdict::Refuse("late".to_string())),
            "Perform(12)",
        ),
        (
            "forward_until has no meaning any more",
            committed().sees(|w| w.clock.forward_until = true),
            "Perform(12)",
        ),
        (
            "a replica that restarts turns nothing",
            committed().runs("api", Some("new"), &[]).doomed("api", "crash loop"),
            "Perform(12)",
        ),
        (
            "asked to go, and still alive",
            committed().is(DELETE, Status::Started).runs("old", None, &["old"]),
            "Await(Deletion(12))",
        ),
        ("gone, but not recorded", gone().is(DELETE, Status::Started), "Note(12, Done)"),
        ("everything is done", gone().is(DELETE, Status::Done), "Settle(Live)"),
        (
            "a deletion that was just refused makes the run stuck, not mad",
            committed().is(DELETE, Status::Started).refused(DELETE, "in use"),
            "Stuck(\"in use\")",
        ),
        ("the next process tries it again", committed().is(DELETE, Status::Started), "Perform(12)"),
    ]);
}

#[test]
fn drift_is_refused_before_the_first_step_only() {
    check(vec![
        (
            "observed again after opening, and the projection differs",
            forward(At::Open).sees(|w| w.drifted = true),
            "Settle(Refused)",
        ),
        (
            "drift wins over abort: nothing was written",
            forward(At::Open).sees(|w| (w.drifted, w.abort) = (true, true)),
            "Settle(Refused)",
        ),
        (
            "once a step is durably started, the world differs because of us",
            forward(At::Open).is(0, Status::Started).sees(|w| w.drifted = true),
            "Perform(0)",
        ),
        (
            "and before Commit it is no reason to turn",
            forward(At::Serving).is(BAKE, Status::Done).sees(|w| w.drifted = true),
            "Perform(11)",
        ),
    ]);
}

#[test]
fn steps_have_the_numbers_that_these_tables_name() {
    let steps = forward(At::Open).plan.steps;
    for (n, name) in [(API, "set_desired"), (READER, "set_desired"), (COMMIT, "commit"), (DELETE, "delete")] {
        let effect = serde_json::to_value(&steps[n]).expect("an effect serialises");
        assert_eq!(effect["effect"], name);
    }
}
