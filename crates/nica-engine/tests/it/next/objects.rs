//! A target that has objects: the plan for it, and what `next` says of the anchor and of what it owns.
//!
//! Here: a release of objects, a world in which a plan was followed up to some step, and how an answer is read. The
//! rows stand in the files beside.

mod back;
mod forward;
mod planned;
mod supersede;

use super::scene::Scene;
use nica_engine::canonical::Digest;
use nica_engine::effect::{Desired, Effect, SecretName};
use nica_engine::next::{Action, Direction, next};
use nica_engine::plan::{self, Live, Object, OnInconclusive, Plan, Status, Target};
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
        manifests: BTreeMap::new(),
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
