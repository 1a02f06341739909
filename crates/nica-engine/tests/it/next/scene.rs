//! One run at one moment: a plan with a step of every kind, its records, and the world that goes with them.

use nica_engine::canonical::Digest;
use nica_engine::effect::{Desired, Effect, Generation};
use nica_engine::next::{Direction, next};
use nica_engine::plan::{Limits, Live, OnInconclusive, Plan, Status};
use nica_engine::release::{ComponentKind, Migration, Phase, SeedFile, UndoClass};
use nica_engine::world::{ComponentSeen, MigrationSeen, Refused, Verdict, World};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const LOSSLESS: usize = 1;
pub(crate) const PARKING: usize = 2;
pub(crate) const UNPARK: usize = 3;
pub(crate) const STICKY: usize = 4;
pub(crate) const SEEDS: usize = 5;
pub(crate) const API: usize = 6;
pub(crate) const READER: usize = 8;
pub(crate) const BAKE: usize = 10;
pub(crate) const COMMIT: usize = 11;
pub(crate) const DELETE: usize = 12;

/// How far the run has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum At {
    /// Opened, nothing begun.
    Open,
    /// Migrations and seeds are there.
    Migrated,
    /// Both components run the new release.
    Serving,
    Committed,
}

#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) plan: Plan,
    pub(crate) statuses: Vec<Status>,
    pub(crate) direction: Direction,
    pub(crate) world: World,
}

pub(crate) fn forward(at: At) -> Scene {
    let plan = plan();
    let last = match at {
        At::Open => 0,
        At::Migrated => API,
        At::Serving => BAKE,
        At::Committed => DELETE,
    };
    let status = |n| if n < last { Status::Done } else { Status::Pending };
    let statuses = (0..plan.steps.len()).map(status).collect();
    let mut scene = Scene { plan, statuses, direction: Direction::Forward, world: before() };
    if at >= At::Migrated {
        scene = scene.step_is_there(LOSSLESS).step_is_there(PARKING).step_is_there(STICKY);
        (scene.world.seeds.as_released, scene.world.seeds.to_undo) = (true, true);
    }
    if at >= At::Serving {
        scene = scene.runs("api", Some("new"), &["new"]).runs("reader", Some("new"), &["new"]);
        scene.world.verdict = Verdict::Pass;
    }
    scene
}

/// The direction was stored; nothing was taken back yet.
pub(crate) fn back(at: At) -> Scene {
    Scene { direction: Direction::Back, ..forward(at) }
}

/// Components are as they were before the run, seed rows too; the migrations are still there.
pub(crate) fn downs_left(at: At) -> Scene {
    let mut scene = components_are_back(at);
    scene.world.seeds = Default::default();
    scene.is(SEEDS, Status::Undone)
}

/// The baseline serves again, nothing of the new release is alive.
pub(crate) fn components_are_back(at: At) -> Scene {
    let scene = back(at).runs("api", Some("old"), &["old"]).runs("reader", None, &[]);
    if at < At::Serving { scene } else { scene.is(API, Status::Undone).is(READER, Status::Undone) }
}

impl Scene {
    pub(crate) fn says(&self) -> String {
        format!("{:?}", next(&self.plan, &self.statuses, self.direction, &self.world))
    }

    pub(crate) fn is(mut self, step: usize, status: Status) -> Scene {
        self.statuses[step] = status;
        self
    }

    pub(crate) fn sees(mut self, change: impl FnOnce(&mut World)) -> Scene {
        change(&mut self.world);
        self
    }

    pub(crate) fn planned(mut self, change: impl FnOnce(&mut Plan)) -> Scene {
        change(&mut self.plan);
        self
    }

    /// What the target was asked for, and which generations are alive; those asked for are ready.
    pub(crate) fn runs(mut self, name: &str, asked: Option<&str>, alive: &[&str]) -> Scene {
        let alive: BTreeSet<Generation> = alive.iter().map(|a| generation(name, a)).collect();
        let asked = asked.map(|a| generation(name, a));
        if asked.is_none() && alive.is_empty() {
            self.world.components.remove(name);
            return self;
        }
        let ready = u32::from(asked.as_ref().is_some_and(|a| alive.contains(a)));
        let seen = ComponentSeen {
            replicas: u32::from(asked.is_some()),
            generation: asked,
            ready,
            alive,
            ..ComponentSeen::default()
        };
        self.world.components.insert(name.to_string(), seen);
        self
    }

    pub(crate) fn doomed(mut self, name: &str, why: &str) -> Scene {
        let seen = self.world.components.get_mut(name).expect("the component is there");
        (seen.ready, seen.doomed) = (0, Some(why.to_string()));
        self
    }

    pub(crate) fn refused(mut self, step: usize, why: &str) -> Scene {
        self.world.refused = Some(Refused { step, why: why.to_string() });
        self
    }

    pub(crate) fn step_is_there(mut self, step: usize) -> Scene {
        let id = self.plan.steps[step].migration().expect("a migration's step").id.clone();
        self.world.migrations.insert(id, MigrationSeen::Applied);
        self
    }

    pub(crate) fn step_is_gone(mut self, step: usize) -> Scene {
        let id = self.plan.steps[step].migration().expect("a migration's step").id.clone();
        self.world.migrations.remove(&id);
        self
    }

    pub(crate) fn half_built(mut self, step: usize) -> Scene {
        let id = self.plan.steps[step].migration().expect("a migration's step").id.clone();
        self.world.migrations.insert(id, MigrationSeen::Started);
        self
    }

    pub(crate) fn migration(mut self, step: usize, change: impl FnOnce(&mut Migration)) -> Scene {
        let (Effect::Sql { migration } | Effect::SqlConverge { migration }) = &mut self.plan.steps[step]
        else {
            panic!("step {step} is no migration")
        };
        change(migration);
        self
    }

    pub(crate) fn first_deploy(self) -> Scene {
        let scene = self.planned(|plan| {
            plan.baseline = None;
            plan.steps.truncate(DELETE);
            if let Effect::SetDesired { before, .. } = &mut plan.steps[API] {
                *before = None;
            }
        });
        let statuses = scene.statuses[..DELETE].to_vec();
        Scene { statuses, ..scene }.runs("old", None, &[]).runs("api", None, &[])
    }
}

pub(crate) fn generation(name: &str, which: &str) -> Generation {
    desired(name, which).generation()
}

fn desired(name: &str, which: &str) -> Desired {
    Desired {
        kind: ComponentKind::Executable,
        digest: Digest::of(format!("{name} {which}").as_bytes()),
        args: Vec::new(),
        config: BTreeMap::new(),
        secrets: BTreeMap::new(),
        replicas: 1,
        listen: "127.0.0.1:8080".to_string(),
    }
}

/// The baseline serves with `api` and `old`; the new release has `api` and `reader`.
fn before() -> World {
    let plan = plan();
    let empty = Scene { plan, statuses: Vec::new(), direction: Direction::Forward, world: World::default() };
    empty.runs("api", Some("old"), &["old"]).runs("old", Some("old"), &["old"]).world
}

fn plan() -> Plan {
    let set = |name: &str, before: Option<&str>| Effect::SetDesired {
        component: name.to_string(),
        desired: desired(name, "new"),
        before: before.map(|b| desired(name, b)),
    };
    let await_ = |name: &str| Effect::Await {
        component: name.to_string(),
        generation: generation(name, "new"),
        replicas: 1,
    };
    let sql = |id: &str, class| Effect::Sql { migration: migration(id, class) };
    let old = BTreeMap::from(["api", "old"].map(|name| (name.to_string(), desired(name, "old"))));
    let park = vec!["diary.note".to_string()];
    let policy = crate::lax::policy(OnInconclusive::Undo);
    Plan {
        format: 1,
        service: "nica".to_string(),
        env: "prod".to_string(),
        release: Digest::of(b"new"),
        version: "2".to_string(),
        baseline: Some(Live { release: Digest::of(b"old"), version: "1".to_string(), components: old }),
        projection: Digest::of(b""),
        steps: vec![
            Effect::RestorePoint,
            sql("0001_lossless", UndoClass::Lossless),
            sql("0002_parking", UndoClass::Parking),
            Effect::Unpark { migration: "0002_parking".to_string(), park },
            sql("0003_sticky", UndoClass::Sticky),
            Effect::Seeds {
                files: vec![SeedFile { file: "0001_foods.toml".to_string(), sha256: Digest::of(b"") }],
            },
            set("api", Some("old")),
            await_("api"),
            set("reader", None),
            await_("reader"),
            Effect::Bake,
            Effect::Commit,
            Effect::Delete { component: "old".to_string(), before: desired("old", "old") },
        ],
        limits: Limits::of(&policy),
        policy,
        people: Digest::of(b"nobody"),
        keeps: Vec::new(),
        left: Vec::new(),
        supersedes: None,
    }
}

fn migration(id: &str, class: UndoClass) -> Migration {
    Migration {
        id: id.to_string(),
        up: Digest::of(id.as_bytes()),
        down: Some(Digest::of(b"down")),
        phase: Phase::Expand,
        class,
        park: Vec::new(),
        transactional: true,
        after: None,
    }
}
