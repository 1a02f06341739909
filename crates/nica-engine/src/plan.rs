//! The way from a world to a release: immutable, ordered, hashed, every step with its undo.
//!
//! A plan holds no evidence, no clock and no resource version, so that the same release against the same world
//! has the same hash today and tomorrow. That hash is what people sign.

mod contract;
mod objects;
mod supersede;

use crate::canonical::Digest;
use crate::effect::{Desired, Effect, SecretName};
pub use crate::policy::OnInconclusive;
use crate::policy::Policy;
use crate::release::{Migration, Phase, Release, UndoClass};
use crate::world::{MigrationSeen, World};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use contract::{contract, contracts_pending};
pub use objects::Object;
pub use supersede::{Doomed, Supersedes, Unfit, supersede};

pub const PLAN_FORMAT: u32 = 1;
/// Of contract runs, of plans that supersede and of those of objects: a nica that knows neither must not finish them.
pub const PLAN_FORMAT_2: u32 = 2;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub format: u32,
    pub service: String,
    pub env: String,
    pub release: Digest,
    pub version: String,
    /// The last settled release, none for a first deploy.
    pub baseline: Option<Live>,
    /// What the plan was made against; see `projection`.
    pub projection: Digest,
    /// In the order in which they are done; a step's number is its place here.
    pub steps: Vec<Effect>,
    pub limits: Limits,
    /// The rules that the release is judged by; stored with the run, so that the next plan cannot loosen them.
    pub policy: Policy,
    /// Of the people who may approve.
    pub people: Digest,
    /// Expand migrations that going back is expected to keep.
    pub keeps: Vec<String>,
    /// Immutable objects that the release no longer has. They are no step: whoever holds the lease collects them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// The doomed run whose open undos this one takes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Supersedes>,
}

/// A release as it was settled: what "back" means.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Live {
    pub release: Digest,
    pub version: String,
    /// The applied configuration of every component.
    pub components: BTreeMap<String, Desired>,
}

/// Every limit a run needs, in milliseconds of database time. Part of the plan: a run is finished by the rules it
/// was opened with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Going forward may begin a new step until so long after opening.
    pub forward_ms: u64,
    /// One component's rollout.
    pub rollout_ms: u64,
    /// Waiting for sessions of the new release before downs.
    pub barrier_ms: u64,
    /// Waiting for the baseline to serve again.
    pub undo_ms: u64,
    pub bake_ms: u64,
    pub bake_max_ms: u64,
    pub on_inconclusive: OnInconclusive,
}

impl Limits {
    /// The limits that a policy sets, as a plan carries them.
    pub fn of(policy: &Policy) -> Limits {
        let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Limits {
            forward_ms: ms(policy.limits.forward_until),
            rollout_ms: ms(policy.limits.rollout),
            barrier_ms: ms(policy.limits.undo),
            undo_ms: ms(policy.limits.undo),
            bake_ms: ms(policy.validate.bake),
            bake_max_ms: ms(policy.validate.bake_max),
            on_inconclusive: policy.validate.on_inconclusive,
        }
    }
}

/// One numbered step.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    pub n: usize,
    pub effect: &'a Effect,
}

/// What a run's records say of each step.
pub type Statuses = Vec<Status>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Pending,
    Started,
    Done,
    UndoStarted,
    Undone,
    Retained,
}

impl Status {
    /// The only legal changes; anything else is a bug of ours, and the caller asserts.
    pub fn may_become(self, next: Status) -> bool {
        use Status::*;
        matches!(
            (self, next),
            (Pending, Started | Done | Retained)
                | (Started, Started | Done | UndoStarted | Undone | Retained)
                | (Done, Started | Done | UndoStarted | Undone | Retained)
                | (UndoStarted, UndoStarted | Undone | Retained)
                // Somebody else changed it back meanwhile: what is seen decides, so it is undone again.
                | (Undone, UndoStarted)
                | (Pending, UndoStarted | Undone)
        )
    }

    /// The step may have touched the world: its start is durable.
    pub fn began(self) -> bool {
        self != Status::Pending
    }
}

impl Plan {
    /// These steps for this target; nothing kept, left or superseded.
    fn of(target: Target<'_>, format: u32, steps: Vec<Effect>) -> Plan {
        let release = target.release;
        Plan {
            format,
            service: release.service.clone(),
            env: target.env.to_string(),
            release: release.hash(),
            version: release.version.clone(),
            baseline: target.baseline,
            projection: target.projection,
            steps,
            limits: Limits::of(&target.policy),
            policy: target.policy,
            people: target.people,
            keeps: Vec::new(),
            left: Vec::new(),
            supersedes: None,
        }
    }

    pub fn hash(&self) -> Digest {
        Digest::of_value(self)
    }

    pub fn steps(&self) -> impl DoubleEndedIterator<Item = Step<'_>> {
        self.steps.iter().enumerate().map(|(n, effect)| Step { n, effect })
    }

    /// Nothing to do: the release is what is there.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// A run of contract migrations; such a plan does nothing else.
    pub fn is_contract(&self) -> bool {
        self.steps.iter().any(|e| e.migration().is_some_and(|m| m.phase == Phase::Contract))
    }

    pub fn commit_step(&self) -> Option<usize> {
        self.steps.iter().position(|e| matches!(e, Effect::Commit))
    }

    pub fn committed(&self, statuses: &[Status]) -> bool {
        self.commit_step().is_some_and(|n| statuses[n] == Status::Done)
    }

    /// What is live once this plan has settled forward.
    pub fn live_after(&self) -> Live {
        let mut components = self.baseline.as_ref().map(|b| b.components.clone()).unwrap_or_default();
        for effect in &self.steps {
            match effect {
                Effect::Create { component, desired } | Effect::SetDesired { component, desired, .. } => {
                    components.insert(component.clone(), desired.clone());
                }
                Effect::Delete { component, .. } => {
                    components.remove(component);
                }
                _ => {}
            }
        }
        components.retain(|name, _| !self.left.contains(name));
        Live { release: self.release.clone(), version: self.version.clone(), components }
    }

    /// A replica of the new release may have served somebody: its start was made durable.
    pub fn made_effective(&self, statuses: &[Status]) -> bool {
        let inherited = self.supersedes.as_ref().is_some_and(|old| old.effective);
        inherited || self.steps().any(|s| self.serves(s.effect) && statuses[s.n].began())
    }

    /// Programs begin to serve with this step. What is born inert does so with its `SetDesired` only.
    fn serves(&self, effect: &Effect) -> bool {
        match effect {
            Effect::SetDesired { desired, .. } => desired.kind.runs(),
            Effect::Create { component, desired } => desired.kind.runs() && !self.sets(component),
            _ => false,
        }
    }

    pub fn sets(&self, name: &str) -> bool {
        self.steps.iter().any(|e| matches!(e, Effect::SetDesired { component, .. } if component == name))
    }
}

/// What a plan is made from, apart from the observed world.
#[derive(Clone)]
pub struct Target<'a> {
    pub env: &'a str,
    pub release: &'a Release,
    pub baseline: Option<Live>,
    /// Component → variable → content name of the value that the deployer holds.
    pub secrets: &'a BTreeMap<String, BTreeMap<String, SecretName>>,
    pub policy: Policy,
    pub people: Digest,
    pub projection: Digest,
    /// Every object of the release, where the target has objects; its components are these then.
    pub objects: Option<&'a [Object]>,
}

/// The plan that takes `world` to the release.
pub fn plan(target: Target<'_>, world: &World) -> Plan {
    planned(target, world, &Inherited::default())
}

/// What a plan takes over from the run that it supersedes; nothing, mostly.
#[derive(Default)]
struct Inherited {
    /// As the old run applied them, by id.
    migrations: BTreeMap<String, Effect>,
    seeds: bool,
    /// Objects that the old run or one before it may have created, or that a request of it may still create.
    created: BTreeMap<String, Desired>,
    supersedes: Option<Supersedes>,
}

impl Inherited {
    fn changed(&self, component: &str) -> bool {
        self.supersedes.as_ref().is_some_and(|old| old.components.contains(component))
    }

    fn has_anchor(&self) -> bool {
        self.supersedes.as_ref().is_some_and(|old| old.anchor.is_some())
    }
}

fn planned(target: Target<'_>, world: &World, inherited: &Inherited) -> Plan {
    let release = target.release;
    let wanted = desired(&target);
    let mut steps = migrations(release, world, inherited);
    if (!world.seeds.as_released && !release.seeds.is_empty()) || inherited.seeds {
        steps.push(Effect::Seeds { files: release.seeds.clone() });
    }
    let baseline = target.baseline.as_ref().map(|b| &b.components);
    let is_right =
        |name: &str, desired: &Desired| is_served(world, name, desired) && !inherited.changed(name);
    steps.extend(match target.objects {
        Some(objects) => objects::steps(objects, baseline, world, inherited),
        None => components(release, &wanted, baseline, is_right),
    });
    let deletions = objects::deletions(&wanted, baseline);
    if !steps.is_empty() || !deletions.is_empty() || is_other_release(&target) {
        steps.insert(0, Effect::RestorePoint);
        steps.push(Effect::Bake);
        steps.push(Effect::Commit);
        steps.extend(deletions);
        steps.extend(objects::released(&steps, &wanted, inherited));
    }
    let keeps = expected_to_stay(&steps, target.baseline.is_none());
    let left = objects::left(&wanted, baseline);
    let plain = inherited.supersedes.is_none() && target.objects.is_none();
    let format = if plain { PLAN_FORMAT } else { PLAN_FORMAT_2 };
    Plan { keeps, left, supersedes: inherited.supersedes.clone(), ..Plan::of(target, format, steps) }
}

/// Nothing differs in the world, but the ledger must still say which release is live.
fn is_other_release(target: &Target<'_>) -> bool {
    target.baseline.as_ref().is_none_or(|b| b.release != target.release.hash())
}

fn migrations(release: &Release, world: &World, inherited: &Inherited) -> Vec<Effect> {
    let missing = |id: &str| world.migrations.get(id) != Some(&MigrationSeen::Applied);
    let mut steps = Vec::new();
    for migration in release.migrations.iter().filter(|m| m.phase == Phase::Expand) {
        if let Some(step) = inherited.migrations.get(&migration.id) {
            steps.push(step.clone());
        } else if missing(&migration.id) {
            let migration = migration.clone();
            steps.push(if migration.transactional {
                Effect::Sql { migration }
            } else {
                Effect::SqlConverge { migration }
            });
        }
        if world.parked.contains(&migration.id) {
            steps.push(Effect::Unpark { migration: migration.id.clone(), park: migration.park.clone() });
        }
    }
    steps
}

/// The desired state of every component in this environment, in the release's order.
pub fn desired(target: &Target<'_>) -> BTreeMap<String, Desired> {
    let release = target.release;
    if let Some(objects) = target.objects {
        return objects.iter().map(|o| (o.component.clone(), o.desired.clone())).collect();
    }
    let Some(configs) = release.config.get(target.env) else { return BTreeMap::new() };
    let mut wanted = BTreeMap::new();
    for (name, config) in configs {
        let Some(component) = release.component(name) else { continue };
        let desired = Desired {
            kind: component.kind,
            digest: component.digest.clone(),
            args: config.exec.split_whitespace().map(str::to_string).collect(),
            config: config.config.clone(),
            secrets: target.secrets.get(name).cloned().unwrap_or_default(),
            replicas: config.replicas,
            listen: config.listen.clone(),
        };
        wanted.insert(name.clone(), desired);
    }
    wanted
}

fn components(
    release: &Release,
    wanted: &BTreeMap<String, Desired>,
    baseline: Option<&BTreeMap<String, Desired>>,
    serves: impl Fn(&str, &Desired) -> bool,
) -> Vec<Effect> {
    let mut steps = Vec::new();
    for component in &release.components {
        let Some(desired) = wanted.get(&component.name) else { continue };
        let before = baseline.and_then(|b| b.get(&component.name)).cloned();
        if before.as_ref() == Some(desired) && serves(&component.name, desired) {
            continue;
        }
        let (component, generation, replicas) =
            (component.name.clone(), desired.generation(), desired.replicas);
        let set = Effect::SetDesired { component: component.clone(), desired: desired.clone(), before };
        steps.extend([set, Effect::Await { component, generation, replicas }]);
    }
    steps
}

fn is_served(world: &World, component: &str, desired: &Desired) -> bool {
    world.components.get(component).is_some_and(|seen| seen.is_asked_to_be(desired))
}

/// Sticky migrations stay once the release was made effective, and of a first deploy all of them; the plan says so
/// before anybody approves it.
fn expected_to_stay(steps: &[Effect], first_deploy: bool) -> Vec<String> {
    let stays = |e: &Effect| {
        let sticky = |m: &Migration| first_deploy || m.class == UndoClass::Sticky || m.down.is_none();
        e.migration().is_some_and(sticky)
    };
    // Downs stop at the first one that stays, so everything before the last of them stays too.
    let kept = steps.iter().rposition(stays).map_or(0, |last| last + 1);
    steps[..kept].iter().filter_map(|e| e.migration().map(|m| m.id.clone())).collect()
}
