//! Going forward: objects are created, made effective, and released.

use super::{asked, check, deployed, desired, done, live, new, object_is, release, roll, steps, target};
use crate::next::scene::Scene;
use nica_engine::next::Direction;
use nica_engine::plan::{self, Status};
use nica_engine::release::Phase;
use nica_engine::world::{AnchorSeen, ComponentSeen, Owner};

#[test]
fn objects_are_created_and_made_effective() {
    let at = |last| done(roll(), last);
    check(vec![
        ("the anchor comes before what it owns", at("sql"), "perform anchor"),
        ("then what it owns", at("anchor"), "perform create ConfigMap/api-2"),
        (
            "created by somebody who died: only the record is missing",
            at("create ConfigMap/api-2").is(3, Status::Started),
            "note create ConfigMap/api-2 Done",
        ),
        (
            "sent by somebody who died, and not there: it is created again",
            at("anchor").is(3, Status::Started),
            "perform create ConfigMap/api-2",
        ),
        (
            "a workload is inert until all are there",
            at("create Deployment/worker"),
            "perform create CronJob/clean",
        ),
        ("then it is made effective", at("set_desired Service/api"), "perform set_desired Deployment/worker"),
        (
            "and awaited",
            object_is(at("set_desired Deployment/worker"), "Deployment/worker", |s| s.ready = 0),
            "Await(Rollout(9))",
        ),
        (
            "a created workload that vanished is created again",
            at("await Deployment/worker").sees(|w| drop(w.components.remove("Deployment/worker"))),
            "perform create Deployment/worker",
        ),
        (
            "one that became inert again is made effective again",
            at("await Deployment/worker").sees(|w| {
                asked(w, "Deployment/worker", &desired("Deployment/worker", "inert"), Owner::Anchor)
            }),
            "perform set_desired Deployment/worker",
        ),
        ("deletions come after Commit", at("bake"), "perform commit"),
        ("then", at("commit"), "perform delete Deployment/old"),
        (
            "one that is being deleted is awaited",
            object_is(at("commit"), "Deployment/old", |s| s.deleting = true),
            "Await(Deletion(15))",
        ),
        ("the anchor is released before the run settles", at("delete Deployment/old"), "perform unanchor"),
        (
            "and gone",
            at("delete Deployment/old").sees(|w| w.anchor = AnchorSeen::Deleting),
            "Await(Collection(\"the anchor\"))",
        ),
        (
            "not for ever: what does not go is told",
            at("delete Deployment/old").sees(|w| {
                (w.anchor, w.clock.leaving) = (AnchorSeen::Deleting, true);
            }),
            "Stuck(\"the anchor was deleted and is not gone; see which finalizer holds it\")",
        ),
        (
            "nor is an object waited for that does not go",
            object_is(at("commit"), "Deployment/old", |s| s.deleting = true).sees(|w| w.clock.leaving = true),
            "Stuck(\"Deployment/old was deleted and is not gone; see which finalizer holds it\")",
        ),
        (
            "nor its last pod",
            object_is(at("commit"), "Deployment/old", |s| s.generation = None)
                .sees(|w| w.clock.leaving = true),
            "Stuck(\"Deployment/old was deleted and is not gone; see which finalizer holds it\")",
        ),
        (
            "that limit is of what goes, and of nothing else",
            at("commit").sees(|w| w.clock.leaving = true),
            "perform delete Deployment/old",
        ),
        (
            "a stranger's stays, and is named",
            object_is(at("commit"), "Deployment/old", |s| s.owner = Owner::Stranger),
            "Stuck(\"Deployment/old is to be deleted, and the one that is there was created by no run; delete it, or give \
             it another name\")",
        ),
        (
            "one that looks like none of ours too",
            object_is(at("commit"), "Deployment/old", |s| {
                (s.owner, s.generation) = (Owner::Stranger, None);
                s.alive.clear();
            }),
            "Stuck(\"Deployment/old is to be deleted, and the one that is there was created by no run; delete it, or give \
             it another name\")",
        ),
        ("only then", at("unanchor"), "Settle(Live)"),
        (
            "an anchor that arrives late is released too",
            at("unanchor").sees(|w| w.anchor = AnchorSeen::There),
            "perform unanchor",
        ),
    ]);
}

#[test]
fn whose_an_object_is_decides() {
    let at = |last| done(roll(), last);
    let config = |change: fn(&mut ComponentSeen)| {
        object_is(at("create ConfigMap/api-2").is(3, Status::Pending), "ConfigMap/api-2", change)
    };
    let late = |scene: Scene| scene.sees(|w| w.clock.forward_until = true);
    let foreign = "TurnBack(\"Deployment/worker is there already and no run created it; take it over with `nica \
                   adopt`, or delete it\")";
    check(vec![
        (
            "an immutable one that is there already is done",
            config(|s| s.owner = Owner::Nobody),
            "note create ConfigMap/api-2 Done",
        ),
        (
            "one of a run that is over is awaited until it is collected",
            config(|s| s.owner = Owner::Other),
            "Await(Collection(\"ConfigMap/api-2\"))",
        ),
        (
            "one that is being deleted too",
            config(|s| (s.owner, s.deleting) = (Owner::Nobody, true)),
            "Await(Collection(\"ConfigMap/api-2\"))",
        ),
        (
            "not for ever",
            late(config(|s| s.owner = Owner::Other)),
            "TurnBack(\"ConfigMap/api-2 of an earlier run is not collected in time\")",
        ),
        (
            "a workload that is there already is somebody else's",
            object_is(at("create Deployment/worker"), "Deployment/worker", |s| s.owner = Owner::Nobody),
            foreign,
        ),
        (
            "marked as ours or not",
            object_is(at("create Deployment/worker"), "Deployment/worker", |s| s.owner = Owner::Stranger),
            foreign,
        ),
        (
            "whoever made it: an immutable one is its content",
            config(|s| s.owner = Owner::Stranger),
            "note create ConfigMap/api-2 Done",
        ),
        (
            "somebody deleted the anchor: there is another one",
            at("bake").sees(|w| {
                w.anchor = AnchorSeen::Absent;
                w.components
                    .values_mut()
                    .filter(|s| s.owner == Owner::Anchor)
                    .for_each(|s| s.owner = Owner::Other);
            }),
            "perform anchor",
        ),
        (
            "what the one before owned is collected first",
            at("bake").sees(|w| {
                w.components
                    .values_mut()
                    .filter(|s| s.owner == Owner::Anchor)
                    .for_each(|s| s.owner = Owner::Other);
            }),
            "Await(Collection(\"ConfigMap/api-2\"))",
        ),
        (
            "an anchor that is being deleted is awaited",
            at("anchor").sees(|w| w.anchor = AnchorSeen::Deleting),
            "Await(Collection(\"the anchor\"))",
        ),
    ]);
}

#[test]
fn a_contract_run_has_no_anchor_and_passes_passive_objects_by() {
    let mut release = release("2");
    release.migrations[0].phase = Phase::Contract;
    let mut world = deployed(&new());
    // Left by the release before.
    asked(&mut world, "ConfigMap/api-1", &desired("ConfigMap/api-1", "1"), Owner::Nobody);
    let plan = plan::contract(target(&release, &new(), Some(live(&new()))), &world);
    assert_eq!(steps(&plan), ["restore_point", "sql"]);
    let statuses = vec![Status::Done, Status::Pending];
    let scene = Scene { plan, statuses, direction: Direction::Forward, world };
    let older = desired("Deployment/old", "1");
    check(vec![
        ("a passive object can commit nothing", scene.clone(), "perform sql"),
        (
            "an older workload can",
            scene.sees(|w| asked(w, "Deployment/old", &older, Owner::Nobody)),
            "Await(OlderPrograms)",
        ),
    ]);
}
