//! The plan for a target that has objects: order, what is there already, and its form.

use super::{asked, deployed, desired, live, new, old, release, roll, steps, target};
use crate::next::scene::{At, forward};
use nica_engine::plan::{self, Object, PLAN_FORMAT_2, Plan};
use nica_engine::world::{Owner, World};
use std::collections::BTreeMap;

#[test]
fn steps_have_their_order() {
    let plan = roll();
    let expected = [
        "restore_point",
        "sql",
        "anchor",
        "create ConfigMap/api-2",
        "create PodDisruptionBudget/api",
        "create Deployment/worker",
        "create CronJob/clean",
        "set_desired Service/api",
        "set_desired Deployment/worker",
        "await Deployment/worker",
        "set_desired CronJob/clean",
        "set_desired Deployment/api",
        "await Deployment/api",
        "bake",
        "commit",
        "delete Deployment/old",
        "unanchor",
    ];
    assert_eq!(steps(&plan), expected);
    assert_eq!(plan.left, ["ConfigMap/api-1"], "immutable objects are collected later");
    assert_eq!(plan.format, PLAN_FORMAT_2);
    let wanted: BTreeMap<_, _> = new().into_iter().map(|o| (o.component, o.desired)).collect();
    assert_eq!(plan.live_after().components, wanted, "what is live is the release, and nothing inert");
}

#[test]
fn an_unchanged_release_is_an_empty_plan() {
    let release = release("1");
    let plan = |objects: &[Object], world: &World| {
        steps(&plan::plan(target(&release, objects, Some(live(&old()))), world))
    };
    assert_eq!(plan(&old(), &deployed(&old())), [""; 0]);
    let mut drifted = deployed(&old());
    asked(&mut drifted, "Service/api", &desired("Service/api", "by hand"), Owner::Nobody);
    let set = ["restore_point", "set_desired Service/api", "bake", "commit"];
    assert_eq!(plan(&old(), &drifted), set, "a plan that creates nothing has no anchor");
    let vanished = deployed(&old()[..3]);
    let created = ["restore_point", "anchor", "create Deployment/old"];
    assert_eq!(plan(&old(), &vanished)[..3], created, "what the world does not have is created");
}

#[test]
fn what_is_about_to_be_collected_is_not_there() {
    let mut world = deployed(&old());
    asked(&mut world, "ConfigMap/api-1", &desired("ConfigMap/api-1", "1"), Owner::Other);
    let release = release("1");
    let plan = plan::plan(target(&release, &old(), Some(live(&old()))), &world);
    assert_eq!(steps(&plan)[..3], ["restore_point", "anchor", "create ConfigMap/api-1"]);
}

#[test]
fn forms_of_the_effects_and_of_an_older_plan() {
    let plan = serde_json::to_value(roll()).expect("plain data");
    assert_eq!(plan["steps"][2], serde_json::json!({ "effect": "anchor" }));
    assert_eq!(plan["steps"][3]["desired"]["kind"], "immutable");
    assert_eq!(plan["steps"][16], serde_json::json!({ "effect": "unanchor" }));
    // A plan of a supervisor's target has the form, and the hash, that it always had.
    let older = forward(At::Open).plan;
    let form = serde_json::to_value(&older).expect("plain data");
    assert_eq!(form.get("left"), None);
    assert_eq!(serde_json::from_value::<Plan>(form).expect("an older plan"), older);
}
