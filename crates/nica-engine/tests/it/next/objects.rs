//! A target that has objects: the plan for it, and what `next` says of the anchor and of what it owns.

use super::scene::Scene;
use nica_engine::canonical::Digest;
use nica_engine::effect::{Desired, Effect, SecretName};
use nica_engine::next::{Action, Direction, next};
use nica_engine::plan::{
    self, Doomed, Live, Object, OnInconclusive, PLAN_FORMAT_2, Plan, Status, Target, Unfit,
};
use nica_engine::release::{ComponentKind, Migration, Phase, Release, UndoClass};
use nica_engine::world::{AnchorSeen, ComponentSeen, MigrationSeen, Owner, Verdict, World};
use std::collections::BTreeMap;

fn desired(name: &str, form: &str) -> Desired {
    let kind = match name.split('/').next().expect("a kind and a name") {
        "ConfigMap" => ComponentKind::Immutable,
        "Service" | "PodDisruptionBudget" => ComponentKind::Passive,
        _ => ComponentKind::Workload,
    };
    Desired {
        kind,
        digest: Digest::of(format!("{name} {form}").as_bytes()),
        args: Vec::new(),
        config: BTreeMap::new(),
        secrets: BTreeMap::new(),
        replicas: u32::from(kind == ComponentKind::Workload && form != "inert"),
        listen: String::new(),
    }
}

fn object(name: &str, form: &str) -> Object {
    let desired = desired(name, form);
    let inert = desired.kind.runs().then(|| self::desired(name, "inert"));
    Object { component: name.to_string(), desired, inert, waits: !name.starts_with("CronJob") }
}

fn old() -> Vec<Object> {
    vec![
        object("ConfigMap/api-1", "1"),
        object("Service/api", "1"),
        object("Deployment/api", "1"),
        object("Deployment/old", "1"),
    ]
}

/// In no order.
fn new() -> Vec<Object> {
    vec![
        object("Deployment/worker", "2"),
        object("CronJob/clean", "2"),
        object("Deployment/api", "2"),
        object("PodDisruptionBudget/api", "2"),
        object("Service/api", "2"),
        object("ConfigMap/api-2", "2"),
    ]
}

fn release(version: &str) -> Release {
    let migration = Migration {
        id: "0001_note".to_string(),
        up: Digest::of(b"up"),
        down: Some(Digest::of(b"down")),
        phase: Phase::Expand,
        class: UndoClass::Sticky,
        park: Vec::new(),
        transactional: true,
        after: None,
    };
    Release {
        format: 1,
        service: "nica".to_string(),
        version: version.to_string(),
        commit: version.to_string(),
        commits: Vec::new(),
        components: Vec::new(),
        migrations: if version == "1" { Vec::new() } else { vec![migration] },
        seeds: Vec::new(),
        config: BTreeMap::new(),
    }
}

fn live(objects: &[Object]) -> Live {
    let components = objects.iter().map(|o| (o.component.clone(), o.desired.clone())).collect();
    Live { release: release("1").hash(), version: "1".to_string(), components }
}

fn target<'a>(release: &'a Release, objects: &'a [Object], baseline: Option<Live>) -> Target<'a> {
    static NO_SECRETS: BTreeMap<String, BTreeMap<String, SecretName>> = BTreeMap::new();
    Target {
        env: "prod",
        release,
        baseline,
        secrets: &NO_SECRETS,
        policy: crate::lax::policy(OnInconclusive::Undo),
        people: Digest::of(b"nobody"),
        projection: Digest::of(b""),
        objects: Some(objects),
    }
}

/// A world in which a release was deployed.
fn deployed(objects: &[Object]) -> World {
    let mut world = World { verdict: Verdict::Pass, ..World::default() };
    for object in objects {
        asked(&mut world, &object.component, &object.desired, Owner::Nobody);
    }
    world
}

fn asked(world: &mut World, name: &str, desired: &Desired, owner: Owner) {
    let generation = desired.generation();
    let alive = (desired.replicas > 0).then(|| generation.clone()).into_iter().collect();
    let seen = ComponentSeen {
        generation: Some(generation),
        replicas: desired.replicas,
        ready: desired.replicas,
        alive,
        owner,
        passive: !desired.kind.runs(),
        ..ComponentSeen::default()
    };
    world.components.insert(name.to_string(), seen);
}

/// `create ConfigMap/api-2`
fn name(effect: &Effect) -> String {
    let form = serde_json::to_value(effect).expect("plain data");
    let what = form["effect"].as_str().expect("tagged");
    match form["component"].as_str() {
        Some(component) => format!("{what} {component}"),
        None => what.to_string(),
    }
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(name).collect()
}

fn roll() -> Plan {
    plan::plan(target(&release("2"), &new(), Some(live(&old()))), &deployed(&old()))
}

fn first() -> Plan {
    plan::plan(target(&release("2"), &new(), None), &World::default())
}

/// The plan was followed up to this step, and including it.
fn done(plan: Plan, last: &str) -> Scene {
    let count = 1 + steps(&plan).iter().position(|s| s == last).expect("a step of the plan");
    let mut world = if plan.baseline.is_some() { deployed(&old()) } else { deployed(&[]) };
    plan.steps[..count].iter().for_each(|step| happens(&mut world, step));
    let status = |n| if n < count { Status::Done } else { Status::Pending };
    let statuses = (0..plan.steps.len()).map(status).collect();
    Scene { plan, statuses, direction: Direction::Forward, world }
}

fn happens(world: &mut World, step: &Effect) {
    match step {
        Effect::Sql { migration } => {
            world.migrations.insert(migration.id.clone(), MigrationSeen::Applied);
        }
        Effect::Anchor => world.anchor = AnchorSeen::There,
        Effect::Create { component, desired } => asked(world, component, desired, Owner::Anchor),
        Effect::SetDesired { component, desired, .. } => {
            let owner = world.components.get(component).map_or(Owner::Nobody, |seen| seen.owner);
            asked(world, component, desired, owner);
        }
        Effect::Delete { component, .. } => drop(world.components.remove(component)),
        Effect::Unanchor => {
            world.anchor = AnchorSeen::Absent;
            world.components.values_mut().for_each(|seen| seen.owner = Owner::Nobody);
        }
        _ => {}
    }
}

/// The direction was stored after that step.
fn back(plan: Plan, last: &str) -> Scene {
    Scene { direction: Direction::Back, ..done(plan, last) }
}

/// What the run changed is as it was before, what it created is inert.
fn asked_back(plan: Plan, last: &str) -> Scene {
    let mut scene = back(plan, last);
    for step in &scene.plan.steps {
        if let Effect::SetDesired { component, before: Some(before), .. } = step
            && let Some(owner) = scene.world.components.get(component).map(|seen| seen.owner)
        {
            asked(&mut scene.world, component, before, owner);
        }
    }
    scene
}

/// And the anchor is gone with it.
fn gone(plan: Plan, last: &str) -> Scene {
    asked_back(plan, last).sees(|w| {
        w.anchor = AnchorSeen::Absent;
        w.components.retain(|_, seen| seen.owner != Owner::Anchor);
    })
}

fn said(scene: &Scene) -> String {
    let named = |n: usize| name(&scene.plan.steps[n]);
    match next(&scene.plan, &scene.statuses, scene.direction, &scene.world) {
        Action::Perform(n) => format!("perform {}", named(n)),
        Action::Undo(n) => format!("undo {}", named(n)),
        Action::Note(n, status) => format!("note {} {status:?}", named(n)),
        other => format!("{other:?}"),
    }
}

fn check(rows: Vec<(&str, Scene, &str)>) {
    for (sentence, scene, expected) in rows {
        assert_eq!(said(&scene), expected, "{sentence}\n  {:?}\n  {:?}", scene.statuses, scene.world);
    }
}

fn object_is(scene: Scene, name: &str, change: impl FnOnce(&mut ComponentSeen)) -> Scene {
    scene.sees(|w| change(w.components.get_mut(name).expect("it is there")))
}

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
    let older = super::scene::forward(super::scene::At::Open).plan;
    let form = serde_json::to_value(&older).expect("plain data");
    assert_eq!(form.get("left"), None);
    assert_eq!(serde_json::from_value::<Plan>(form).expect("an older plan"), older);
}

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
