//! A contract run: what it waits for, what stops it, and that nothing turns it back.

use super::check;
use super::scene::{At, Scene, back, forward, generation};
use nica_engine::effect::{Effect, Generation};
use nica_engine::plan::Status;
use nica_engine::release::Phase;

const FIRST: usize = 1;
const SECOND: usize = 2;

/// Two contracts of the live release, which is the scene's old one.
fn run() -> Scene {
    contracts(forward(At::Open))
}

fn contracts(scene: Scene) -> Scene {
    let mut scene = scene
        .planned(|plan| plan.steps.retain(|e| matches!(e, Effect::RestorePoint | Effect::Sql { .. })))
        .planned(|plan| plan.steps.truncate(SECOND + 1));
    scene.statuses.truncate(scene.plan.steps.len());
    for step in [FIRST, SECOND] {
        scene = scene.migration(step, |m| (m.phase, m.down) = (Phase::Contract, None));
    }
    scene
}

fn begun() -> Scene {
    run().is(0, Status::Done)
}

fn half() -> Scene {
    begun().step_is_there(FIRST).is(FIRST, Status::Done)
}

#[test]
fn no_release_takes_the_place_of_a_contract_run() {
    let scene = contracts(forward(At::Open));
    let why = super::supersede::taken(&scene, |_| {}).expect_err("it only goes forward").to_string();
    assert_eq!(
        why,
        "run prod-7-aaaaaaaa applies contracts, and none of them goes back; finish it with nica resume"
    );
}

#[test]
fn contracts_go_forward_one_after_the_other() {
    check(vec![
        ("the place to restore to comes first", run(), "Perform(0)"),
        ("then the first contract", begun(), "Perform(1)"),
        (
            "one that began is done again: it was one transaction",
            begun().is(1, Status::Started),
            "Perform(1)",
        ),
        ("what is seen decides", begun().is(1, Status::Started).step_is_there(1), "Note(1, Done)"),
        ("then the next", half(), "Perform(2)"),
        ("a recorded done is a hint", half().step_is_gone(FIRST), "Perform(1)"),
        ("then it is over", half().step_is_there(2).is(2, Status::Done), "Settle(Contracted)"),
    ]);
}

#[test]
fn nothing_is_taken_away_while_an_older_program_can_commit() {
    let older = |scene: Scene| scene.sees(|w| w.sessions.extend([generation("api", "older")]));
    let stranger = |scene: Scene| scene.sees(|w| w.sessions.extend([Generation("0123456789ab".into())]));
    let own = |scene: Scene| scene.sees(|w| w.sessions.extend([generation("api", "old")]));
    check(vec![
        ("a process", begun().runs("api", Some("old"), &["old", "older"]), "Await(OlderPrograms)"),
        ("of a component that is gone", begun().runs("gone", None, &["older"]), "Await(OlderPrograms)"),
        ("one that is asked for", begun().runs("api", Some("older"), &[]), "Await(OlderPrograms)"),
        ("a component nobody settled", begun().runs("new", Some("old"), &[]), "Await(OlderPrograms)"),
        ("a session", older(begun()), "Await(OlderPrograms)"),
        ("a session that nobody remembers", stranger(begun()), "Await(OlderPrograms)"),
        ("before each of them", older(half()), "Await(OlderPrograms)"),
        ("the live release's own may go on", own(begun()), "Perform(1)"),
        ("what takes nothing away waits for nobody", older(run()), "Perform(0)"),
        (
            "the wait has an end, and then nothing was done",
            older(begun()).sees(|w| w.clock.forward_until = true),
            "Settle(Contracted)",
        ),
    ]);
}

#[test]
fn what_speaks_against_the_next_one_ends_the_run_where_it_stands() {
    check(vec![
        ("a refusal", half().is(2, Status::Started).refused(2, "lock"), "Settle(Contracted)"),
        ("of the first", begun().is(1, Status::Started).refused(1, "lock"), "Settle(Contracted)"),
        ("an abort", half().sees(|w| w.abort = true), "Settle(Contracted)"),
        ("the hour", half().sees(|w| w.clock.forward_until = true), "Settle(Contracted)"),
        (
            "what happened is recorded all the same",
            half().is(FIRST, Status::Started).sees(|w| w.abort = true),
            "Note(1, Done)",
        ),
        ("another world than the planned one", run().sees(|w| w.drifted = true), "Settle(Refused)"),
        ("which is asked before the first step only", half().sees(|w| w.drifted = true), "Perform(2)"),
        ("it has no way back", contracts(back(At::Open)).is(0, Status::Done), "Perform(1)"),
    ]);
}
