//! Going back: the order, the barrier, what is kept, and the ends.

use super::check;
use super::scene::{
    API, At, LOSSLESS, PARKING, READER, SEEDS, STICKY, Scene, back, components_are_back, downs_left,
    generation,
};
use nica_engine::plan::Status;
use nica_engine::release::UndoClass;
use nica_engine::world::Verdict;

fn session(scene: Scene) -> Scene {
    scene.sees(|w| w.sessions.extend([generation("api", "new")]))
}

/// All three migrations are lossless, the release was made effective.
fn lossless() -> Scene {
    downs_left(At::Serving)
        .migration(PARKING, |m| m.class = UndoClass::Lossless)
        .migration(STICKY, |m| m.class = UndoClass::Lossless)
}

#[test]
fn components_go_back_in_reverse_order_and_first() {
    check(vec![
        ("the last one first", back(At::Serving), "Undo(8)"),
        ("then the one before", back(At::Serving).runs("reader", None, &["new"]), "Undo(6)"),
        (
            "back never turns forward, however good the world looks",
            back(At::Serving).sees(|w| w.verdict = Verdict::Pass).is(10, Status::Done),
            "Undo(8)",
        ),
        (
            "an undo that was begun by somebody who died is done again",
            back(At::Serving).is(READER, Status::UndoStarted),
            "Undo(8)",
        ),
        (
            "what somebody changed after its undo is undone again",
            components_are_back(At::Serving).runs("api", Some("new"), &["old"]),
            "Undo(6)",
        ),
        (
            "replicas count too",
            components_are_back(At::Serving)
                .sees(|w| w.components.get_mut("api").expect("is there").replicas = 2),
            "Undo(6)",
        ),
        (
            "the baseline serves before anything is taken from it",
            components_are_back(At::Serving).runs("api", Some("old"), &[]),
            "Await(BaselineServes(\"api\"))",
        ),
        (
            "an undo that was just refused makes the run stuck, and names why",
            back(At::Serving).is(READER, Status::UndoStarted).refused(READER, "quota"),
            "Stuck(\"quota\")",
        ),
        (
            "a refusal on the way out is none of its undo",
            back(At::Serving).is(READER, Status::Started).refused(READER, "quota"),
            "Undo(8)",
        ),
    ]);
}

#[test]
fn a_baseline_that_does_not_come_back_is_stuck() {
    let down = || components_are_back(At::Serving).runs("api", Some("old"), &[]);
    check(vec![
        (
            "its image is deleted, say",
            down().doomed("api", "image not found"),
            "Stuck(\"api of the baseline does not come back: image not found\")",
        ),
        (
            "it had its time",
            down().sees(|w| w.clock.undo = true),
            "Stuck(\"api of the baseline did not get ready in time\")",
        ),
    ]);
}

#[test]
fn no_down_before_the_barrier() {
    let alive = || components_are_back(At::Serving).runs("api", Some("old"), &["old", "new"]);
    let created = || components_are_back(At::Serving).runs("reader", None, &["new"]);
    let hung = || session(components_are_back(At::Serving));
    check(vec![
        ("a process of N is alive", alive(), "Await(Barrier)"),
        ("also of a component that only N has", created(), "Await(Barrier)"),
        ("a database session of N is left", hung(), "Await(Barrier)"),
        (
            "sessions of the baseline are none of its business",
            components_are_back(At::Serving).sees(|w| w.sessions.extend([generation("api", "old")])),
            "Undo(5)",
        ),
        (
            "on a time-out processes are awaited still",
            alive().sees(|w| w.clock.barrier = true),
            "Await(Barrier)",
        ),
        (
            "a process that cannot be ended",
            alive().sees(|w| (w.clock.barrier, w.clock.undo) = (true, true)),
            "Stuck(\"a process of the new release cannot be ended\")",
        ),
        ("on a time-out sessions are not: seeds go back", hung().sees(|w| w.clock.barrier = true), "Undo(5)"),
        (
            "but no down is forced: migrations are retained",
            session(lossless()).sees(|w| w.clock.barrier = true),
            "Note(4, Retained)",
        ),
        (
            "what was retained on a time-out stays so when the session ends",
            lossless()
                .is(STICKY, Status::Retained)
                .is(PARKING, Status::Retained)
                .is(LOSSLESS, Status::Retained),
            "Settle(Back)",
        ),
    ]);
}

#[test]
fn seeds_go_back_after_the_barrier_and_before_downs() {
    let refused =
        || components_are_back(At::Serving).is(SEEDS, Status::UndoStarted).refused(SEEDS, "row locked");
    check(vec![
        ("rows that this run changed", components_are_back(At::Serving), "Undo(5)"),
        (
            "none left to put back",
            components_are_back(At::Serving).sees(|w| w.seeds.to_undo = false),
            "Note(4, Retained)",
        ),
        ("refused: stuck", refused(), "Stuck(\"row locked\")"),
    ]);
}

#[test]
fn downs_run_in_reverse_order() {
    let first_gone = || lossless().step_is_gone(STICKY).is(STICKY, Status::Undone);
    let all_gone = || {
        let scene = first_gone().step_is_gone(PARKING).step_is_gone(LOSSLESS);
        scene.is(PARKING, Status::Undone).is(LOSSLESS, Status::Undone)
    };
    check(vec![
        ("the last one first", lossless(), "Undo(4)"),
        ("then the one before", first_gone(), "Undo(2)"),
        ("down, but not recorded", lossless().step_is_gone(STICKY), "Note(4, Undone)"),
        (
            "a migration that was never begun has nothing to undo",
            all_gone().is(STICKY, Status::Pending),
            "Settle(Back)",
        ),
        ("everything is back", all_gone(), "Settle(Back)"),
        (
            "half-built, its up refused: dropped, not kept",
            lossless().half_built(STICKY).is(STICKY, Status::Started).refused(STICKY, "duplicate key"),
            "Undo(4)",
        ),
        (
            "half-built, its down refused: no state that may stay",
            lossless().half_built(STICKY).is(STICKY, Status::UndoStarted).refused(STICKY, "lock timeout"),
            "Stuck(\"lock timeout\")",
        ),
    ]);
}

#[test]
fn sticky_stays_once_a_set_was_durably_started() {
    let never_asked = || downs_left(At::Migrated);
    check(vec![
        ("made effective: it stays", downs_left(At::Serving), "Note(4, Retained)"),
        ("started is enough, nobody was seen", never_asked().is(API, Status::Started), "Note(4, Retained)"),
        ("undone since, and still", never_asked().is(API, Status::Undone), "Note(4, Retained)"),
        ("never started: it goes", never_asked(), "Undo(4)"),
        (
            "parking and lossless go all the same",
            downs_left(At::Serving).step_is_gone(STICKY).is(STICKY, Status::Undone),
            "Undo(2)",
        ),
    ]);
}

#[test]
fn what_stays_is_a_prefix() {
    let kept = || downs_left(At::Serving).is(STICKY, Status::Retained);
    let middle = || lossless().step_is_gone(STICKY).is(STICKY, Status::Undone);
    check(vec![
        ("downs stop at the first retained one", kept(), "Note(2, Retained)"),
        ("and all before it stay", kept().is(PARKING, Status::Retained), "Note(1, Retained)"),
        (
            "then the run settles back",
            kept().is(PARKING, Status::Retained).is(LOSSLESS, Status::Retained),
            "Settle(Back)",
        ),
        (
            "a lock could not be had in time: not forced, retained",
            middle().is(PARKING, Status::UndoStarted).refused(PARKING, "lock timeout"),
            "Note(2, Retained)",
        ),
        ("tried again by the next process", middle().is(PARKING, Status::UndoStarted), "Undo(2)"),
        (
            "later ones that went are gone, earlier ones stay",
            middle().is(PARKING, Status::Retained),
            "Note(1, Retained)",
        ),
        ("no down text", lossless().migration(STICKY, |m| m.down = None), "Note(4, Retained)"),
        (
            "downs run only until down_until",
            lossless().sees(|w| w.clock.down_until = true),
            "Note(4, Retained)",
        ),
    ]);
}

#[test]
fn a_first_deploy_ends_absent() {
    let first = |at| downs_left(at).first_deploy();
    let lossless = |scene: Scene| {
        scene
            .migration(PARKING, |m| m.class = UndoClass::Lossless)
            .migration(STICKY, |m| m.class = UndoClass::Lossless)
    };
    let gone = |scene: Scene| scene.step_is_gone(LOSSLESS).step_is_gone(PARKING).step_is_gone(STICKY);
    check(vec![
        ("once made effective, it retains its migrations", lossless(first(At::Serving)), "Note(4, Retained)"),
        ("never made effective, they go", lossless(first(At::Migrated)), "Undo(4)"),
        (
            "its components are asked away",
            back(At::Serving).first_deploy().runs("api", Some("new"), &["new"]).runs("reader", None, &[]),
            "Undo(6)",
        ),
        (
            "and gone",
            back(At::Serving).first_deploy().runs("api", None, &["new"]).runs("reader", None, &[]),
            "Await(Barrier)",
        ),
        (
            "nothing is left of it",
            gone(first(At::Migrated))
                .is(LOSSLESS, Status::Undone)
                .is(PARKING, Status::Undone)
                .is(STICKY, Status::Undone),
            "Settle(Absent)",
        ),
    ]);
}
