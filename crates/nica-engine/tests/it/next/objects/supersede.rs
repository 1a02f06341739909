//! A run that takes another's place takes its anchor with it.

use super::{asked, back, check, desired, object, release, roll, steps, target};
use crate::next::scene::Scene;
use nica_engine::next::Direction;
use nica_engine::plan::{self, Doomed, Object, Plan, Status, Unfit};
use nica_engine::world::{AnchorSeen, Owner};

fn taken(scene: &Scene, objects: &[Object]) -> Result<Plan, Unfit> {
    let release = release("3");
    let old = Doomed { run: "prod-7-aaaaaaaa", plan: &scene.plan, statuses: &scene.statuses };
    plan::supersede(target(&release, objects, scene.plan.baseline.clone()), &scene.world, &old)
}

#[test]
fn a_superseding_run_keeps_the_anchor() {
    let doomed = || back(roll(), "await Deployment/api");
    let newer: Vec<Object> =
        vec![object("ConfigMap/api-3", "3"), object("Service/api", "3"), object("Deployment/api", "3")];
    let newer = || {
        let budget = object("PodDisruptionBudget/api", "3");
        newer.iter().cloned().chain([budget]).collect::<Vec<_>>()
    };
    let plan = taken(&doomed(), &newer()).expect("it takes over");
    let expected = [
        "restore_point",
        "sql",
        "anchor",
        "create ConfigMap/api-3",
        "create PodDisruptionBudget/api",
        "set_desired Service/api",
        "set_desired PodDisruptionBudget/api",
        "set_desired Deployment/api",
        "await Deployment/api",
        "bake",
        "commit",
        "delete Deployment/old",
        "delete CronJob/clean",
        "delete Deployment/worker",
        "unanchor",
    ];
    assert_eq!(steps(&plan), expected);
    assert_eq!(plan.anchor_of("prod-8-bbbbbbbb"), Some("prod-7-aaaaaaaa"), "its name is the old run's");
    // And so on: the third takes it from the second.
    let statuses = vec![Status::Pending; plan.steps.len()];
    let second = Scene { plan, statuses, direction: Direction::Back, world: doomed().world };
    let wanted: Vec<Object> =
        newer().into_iter().filter(|o| o.component != "PodDisruptionBudget/api").collect();
    let third =
        taken(&Scene { plan: Plan { release: release("2").hash(), ..second.plan }, ..second }, &wanted);
    let third = third.expect("it takes over");
    assert_eq!(third.anchor_of("prod-9-cccccccc"), Some("prod-7-aaaaaaaa"));
    let dropped =
        ["delete CronJob/clean", "delete Deployment/worker", "delete PodDisruptionBudget/api", "unanchor"];
    assert_eq!(steps(&third)[third.steps.len() - 4..], dropped);
}

#[test]
fn what_a_superseded_run_created_goes_back_or_live() {
    let doomed = || back(roll(), "await Deployment/api");
    let with_worker =
        || vec![object("Deployment/worker", "3"), object("Deployment/api", "3"), object("Service/api", "3")];
    let open = |objects: &[Object]| {
        let scene = doomed();
        let plan = taken(&scene, objects).expect("it takes over");
        let statuses = vec![Status::Pending; plan.steps.len()];
        Scene { plan, statuses, direction: Direction::Forward, world: scene.world }
    };
    let begun =
        |objects: &[Object]| open(objects).is(0, Status::Done).is(1, Status::Done).is(2, Status::Done);
    check(vec![
        (
            "the anchor is there",
            open(&with_worker()).is(0, Status::Done).is(1, Status::Done),
            "note anchor Done",
        ),
        ("what the old run created is created", begun(&with_worker()), "note create Deployment/worker Done"),
        (
            "in the old run's state, which is nobody else's change",
            begun(&with_worker())
                .is(3, Status::Done)
                .sees(|w| {
                    asked(w, "Service/api", &desired("Service/api", "3"), Owner::Nobody);
                })
                .is(4, Status::Done),
            "perform set_desired Deployment/worker",
        ),
        (
            "going back it is made inert, and goes with the anchor",
            Scene { direction: Direction::Back, ..begun(&with_worker()) }
                .sees(|w| asked(w, "Deployment/api", &desired("Deployment/api", "1"), Owner::Nobody)),
            "undo set_desired Deployment/worker",
        ),
        (
            "what the new release does not have goes too",
            Scene { direction: Direction::Back, ..begun(&with_worker()[1..]) }.sees(|w| {
                asked(w, "Deployment/api", &desired("Deployment/api", "1"), Owner::Nobody);
                asked(w, "Service/api", &desired("Service/api", "1"), Owner::Nobody);
                w.anchor = AnchorSeen::Absent;
                w.components
                    .values_mut()
                    .filter(|s| s.owner == Owner::Anchor)
                    .for_each(|s| s.owner = Owner::Other);
            }),
            "Await(Collection(\"CronJob/clean\"))",
        ),
    ]);
    let dropped: Vec<Object> =
        with_worker().into_iter().filter(|o| o.component != "Deployment/api").collect();
    let why = taken(&doomed(), &dropped).expect_err("it cannot").to_string();
    assert_eq!(why, "release 3 does not have component Deployment/api, which run prod-7-aaaaaaaa changed");
}
