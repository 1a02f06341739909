//! A run that takes a doomed one's place goes back past it, and a release that cannot do that is refused.

use super::check;
use super::scene::{At, LOSSLESS, PARKING, STICKY, Scene, downs_left, forward, generation};
use nica_engine::canonical::Digest;
use nica_engine::effect::SecretName;
use nica_engine::plan::{Doomed, OnInconclusive, Status, Supersedes, Target, Unfit, supersede};
use nica_engine::release::{Component, ComponentConfig, ComponentKind, Migration, Release, SeedFile};
use std::collections::BTreeMap;

/// The scene's run, which supersedes one of release `old N`.
fn takes_over(scene: Scene, effective: bool) -> Scene {
    let old = Supersedes {
        run: "prod-7-aaaaaaaa".to_string(),
        release: Digest::of(b"doomed"),
        version: "1.5".to_string(),
        effective,
        components: ["api".to_string()].into(),
        generations: [generation("api", "doomed")].into(),
        anchor: None,
    };
    scene.planned(|plan| plan.supersedes = Some(old))
}

#[test]
fn what_the_old_run_left_is_this_runs_own() {
    let open = || takes_over(forward(At::Open), true);
    let doomed = |scene: Scene| scene.sees(|w| w.sessions.extend([generation("api", "doomed")]));
    check(vec![
        (
            "it has something to take back before it did anything",
            open().sees(|w| w.drifted = true),
            "TurnBack(\"the world is not the planned one\")",
        ),
        (
            "the old release's programs are nobody else's change",
            takes_over(forward(At::Migrated), true).runs("api", Some("doomed"), &["doomed"]),
            "Perform(6)",
        ),
        ("the barrier waits for them", doomed(takes_over(downs_left(At::Serving), true)), "Await(Barrier)"),
        (
            "sticky stays, because the old release may have served somebody",
            takes_over(downs_left(At::Migrated), true),
            "Note(4, Retained)",
        ),
        ("else it goes", takes_over(downs_left(At::Migrated), false), "Undo(4)"),
    ]);
}

fn release(scene: &Scene, change: impl FnOnce(&mut Release)) -> Release {
    let component = |name: &str| Component {
        name: name.to_string(),
        kind: ComponentKind::Executable,
        digest: Digest::of(name.as_bytes()),
    };
    let config = ComponentConfig {
        exec: "serve".to_string(),
        replicas: 1,
        listen: "127.0.0.1:8080".to_string(),
        config: BTreeMap::new(),
        secrets: BTreeMap::new(),
    };
    let names = ["api", "reader"];
    let migrations: Vec<Migration> = scene.plan.steps.iter().filter_map(|e| e.migration().cloned()).collect();
    let mut release = Release {
        format: 1,
        service: "nica".to_string(),
        version: "3".to_string(),
        commit: "c".to_string(),
        commits: Vec::new(),
        components: names.iter().map(|name| component(name)).collect(),
        migrations,
        seeds: vec![SeedFile { file: "0001_foods.toml".to_string(), sha256: Digest::of(b"3") }],
        config: [("prod".to_string(), names.map(|name| (name.to_string(), config.clone())).into())].into(),
        manifests: BTreeMap::new(),
    };
    change(&mut release);
    release
}

/// The steps of the plan that takes the scene's place, or why none can.
pub(super) fn taken(scene: &Scene, change: impl FnOnce(&mut Release)) -> Result<Vec<String>, Unfit> {
    let release = release(scene, change);
    let secrets: BTreeMap<String, BTreeMap<String, SecretName>> = BTreeMap::new();
    let target = Target {
        env: "prod",
        release: &release,
        baseline: scene.plan.baseline.clone(),
        secrets: &secrets,
        policy: crate::lax::policy(OnInconclusive::Undo),
        people: Digest::of(b"nobody"),
        projection: Digest::of(b""),
        objects: None,
    };
    let old = Doomed { run: "prod-7-aaaaaaaa", plan: &scene.plan, statuses: &scene.statuses };
    let plan = supersede(target, &scene.world, &old)?;
    let name = |e: &nica_engine::Effect| match e.migration() {
        Some(m) => m.id.clone(),
        None => serde_json::to_value(e).expect("plain data")["effect"].as_str().expect("tagged").to_string(),
    };
    Ok(plan.steps.iter().map(name).collect())
}

#[test]
fn open_undos_become_steps_of_the_new_plan() {
    let tail = ["seeds", "set_desired", "await", "set_desired", "await", "bake", "commit", "delete"];
    let with = |migrations: &[&str]| {
        [&["restore_point"][..], migrations, &tail[..]].concat().iter().map(ToString::to_string).collect()
    };
    let all = ["0001_lossless", "0002_parking", "0003_sticky"];
    let doomed = || downs_left(At::Serving);
    assert_eq!(taken(&doomed(), |_| {}), Ok(with(&all)), "applied, and this plan's to take down");
    // What is kept already is nobody's to undo; what was taken down is brought again.
    let kept = doomed().is(LOSSLESS, Status::Retained);
    assert_eq!(taken(&kept, |_| {}), Ok(with(&all[1..])));
    let down = doomed().step_is_gone(STICKY).is(STICKY, Status::Undone);
    assert_eq!(taken(&down, |_| {}), Ok(with(&all)));
}

#[test]
fn a_release_that_cannot_take_over_is_refused() {
    let doomed = || downs_left(At::Serving);
    let why = |scene: Scene, change: fn(&mut Release)| {
        taken(&scene, change).expect_err("it cannot be taken over").to_string()
    };
    let cases = [
        (why(forward(At::Committed), |_| {}), "run prod-7-aaaaaaaa has committed, so it can only go forward"),
        (
            why(doomed(), |r| drop(r.migrations.remove(1))),
            "release 3 does not bring 0002_parking as run prod-7-aaaaaaaa applied it",
        ),
        (
            why(doomed(), |r| r.migrations[0].up = Digest::of(b"edited")),
            "release 3 does not bring 0001_lossless as run prod-7-aaaaaaaa applied it",
        ),
        (
            why(doomed().is(PARKING, Status::UndoStarted), |_| {}),
            "the down of 0002_parking has begun in run prod-7-aaaaaaaa and is not over",
        ),
        (
            why(doomed(), |r| drop(r.config.get_mut("prod").map(|c| c.remove("reader")))),
            "release 3 does not have component reader, which run prod-7-aaaaaaaa changed",
        ),
        (why(doomed(), |r| r.seeds.clear()), "release 3 has no seeds, and run prod-7-aaaaaaaa changed some"),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
    let same = doomed();
    let hash = release(&same, |_| {}).hash();
    let same = same.planned(|plan| plan.release = hash);
    assert_eq!(taken(&same, |_| {}), Err(Unfit::Same("3".to_string())));
}
