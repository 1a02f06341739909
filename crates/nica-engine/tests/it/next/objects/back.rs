//! Going back: the anchor takes with it what the run created.

use super::{asked, asked_back, back, check, desired, first, gone, object_is, roll};
use crate::next::scene::Scene;
use nica_engine::plan::Status;
use nica_engine::world::{AnchorSeen, Owner, World};

#[test]
fn going_back_takes_the_anchor_and_what_it_owns() {
    let all = "await Deployment/api";
    let worker = |w: &mut World, owner| {
        asked(w, "Deployment/worker", &desired("Deployment/worker", "inert"), owner);
    };
    check(vec![
        ("components first, the last one first", back(roll(), all), "undo set_desired Deployment/api"),
        (
            "what was created and runs is made inert",
            asked_back(roll(), all).sees(|w| {
                asked(w, "CronJob/clean", &desired("CronJob/clean", "2"), Owner::Anchor);
            }),
            "undo set_desired CronJob/clean",
        ),
        (
            "not what is gone already",
            asked_back(roll(), all).sees(|w| drop(w.components.remove("CronJob/clean"))),
            "undo anchor",
        ),
        (
            "the baseline serves before anything is taken from it",
            object_is(asked_back(roll(), all), "Deployment/api", |s| s.ready = 0),
            "Await(BaselineServes(\"Deployment/api\"))",
        ),
        ("then the anchor", asked_back(roll(), all), "undo anchor"),
        (
            "until it is gone",
            asked_back(roll(), all).sees(|w| w.anchor = AnchorSeen::Deleting),
            "Await(Collection(\"the anchor\"))",
        ),
        (
            "or could not be",
            asked_back(roll(), all).sees(|w| (w.anchor, w.clock.undo) = (AnchorSeen::Deleting, true)),
            "Stuck(\"the anchor was deleted and is not gone\")",
        ),
        (
            "a create that arrived late is awaited until it is collected",
            gone(roll(), all).sees(|w| worker(w, Owner::Other)),
            "Await(Collection(\"Deployment/worker\"))",
        ),
        (
            "an object whose owner somebody took away is named",
            gone(roll(), all).sees(|w| worker(w, Owner::Nobody)),
            "Stuck(\"Deployment/worker was created by this run, and somebody took its owner away; delete it\")",
        ),
        (
            "a foreign one is none of our business",
            gone(roll(), all).sees(|w| {
                asked(w, "Deployment/worker", &desired("Deployment/worker", "foreign"), Owner::Nobody);
            }),
            "note anchor Undone",
        ),
        (
            "configuration that was there before stays",
            gone(roll(), all).sees(|w| {
                asked(w, "ConfigMap/api-2", &desired("ConfigMap/api-2", "2"), Owner::Nobody);
            }),
            "note anchor Undone",
        ),
        (
            "a stranger's is not this run's, and stays",
            gone(roll(), all).sees(|w| {
                asked(w, "Service/web", &desired("Service/web", "2"), Owner::Stranger);
                asked(
                    w,
                    "PodDisruptionBudget/api",
                    &desired("PodDisruptionBudget/api", "2"),
                    Owner::Stranger,
                );
            }),
            "note anchor Undone",
        ),
        (
            "then comes the barrier: a pod may outlive its object",
            object_is(gone(roll(), all).is(2, Status::Undone), "Deployment/api", |s| {
                s.alive.insert(desired("Deployment/worker", "2").generation());
            }),
            "Await(Barrier)",
        ),
        ("then downs", gone(roll(), all).is(2, Status::Undone), "note sql Retained"),
        (
            "an anchor that arrives after its undo is undone too",
            gone(roll(), all).is(2, Status::Undone).sees(|w| w.anchor = AnchorSeen::There),
            "undo anchor",
        ),
        ("before the anchor was sent there is nothing to take", back(roll(), "sql"), "undo sql"),
    ]);
}

#[test]
fn inert_workloads_retain_nothing() {
    let undone = |scene: Scene| scene.is(2, Status::Undone);
    check(vec![
        ("created, never effective: sticky goes", undone(gone(roll(), "create CronJob/clean")), "undo sql"),
        (
            "nor has a passive object served anybody",
            undone(gone(roll(), "set_desired Service/api")),
            "undo sql",
        ),
        (
            "made effective: it stays",
            undone(gone(roll(), "set_desired Deployment/worker")),
            "note sql Retained",
        ),
        ("of a first deploy too: inert", undone(gone(first(), "create Deployment/api")), "undo sql"),
        ("made effective", undone(gone(first(), "set_desired Deployment/worker")), "note sql Retained"),
        (
            "nothing is left of it",
            undone(gone(first(), "set_desired Deployment/worker")).is(1, Status::Retained),
            "Settle(Absent)",
        ),
    ]);
}
