//! A plan that takes a doomed run's place: its release is newer, the baseline stays, and every undo that the old run left
//! open becomes its own.
//!
//! What cannot be taken over by such a plan keeps the old run open: better stuck and said than half undone.

use super::{Inherited, Plan, Status, Statuses, Target, desired, planned};
use crate::canonical::Digest;
use crate::effect::{Effect, Generation};
use crate::undo;
use crate::world::World;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a plan must know of the run before it to go back past it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supersedes {
    pub run: String,
    pub release: Digest,
    pub version: String,
    /// A replica of its release may have served somebody.
    pub effective: bool,
    /// Components of the baseline that it changed.
    pub components: BTreeSet<String>,
    /// Programs that are not the baseline's: asked for, alive or connected, they are nobody else's change.
    pub generations: BTreeSet<Generation>,
    /// The run that its anchor is named after, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
}

/// The open run that nothing can settle.
pub struct Doomed<'a> {
    pub run: &'a str,
    pub plan: &'a Plan,
    pub statuses: &'a Statuses,
}

/// Why a release cannot take a doomed run's place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("run {0} has committed, so it can only go forward")]
    Committed(String),
    #[error("run {0} applies contracts, and none of them goes back; finish it with nica resume")]
    Contract(String),
    #[error("release {0} is the one that is stuck; deploy a newer one")]
    Same(String),
    #[error("release {version} does not bring {migration} as run {run} applied it")]
    Migration { version: String, migration: String, run: String },
    #[error("the down of {migration} has begun in run {run} and is not over")]
    HalfDown { migration: String, run: String },
    #[error("release {version} does not have component {component}, which run {run} changed")]
    Component { version: String, component: String, run: String },
    #[error("release {version} has no seeds, and run {run} changed some")]
    Seeds { version: String, run: String },
}

/// The plan that supersedes `old` with the target's release.
///
/// # Errors
/// The release cannot take over what the old run did.
pub fn supersede(target: Target<'_>, world: &World, old: &Doomed<'_>) -> Result<Plan, Unfit> {
    let (run, version) = (old.run.to_string(), target.release.version.clone());
    if old.plan.is_contract() {
        return Err(Unfit::Contract(run));
    }
    if old.plan.committed(old.statuses) {
        return Err(Unfit::Committed(run));
    }
    if old.plan.release == target.release.hash() {
        return Err(Unfit::Same(version));
    }
    if let Some(migration) = half_down(old) {
        return Err(Unfit::HalfDown { migration, run });
    }
    let inherited = inherited(old, world);
    let brings = |id: &String, step: &Effect| {
        let up = step.migration().map(|m| &m.up);
        target.release.migrations.iter().any(|m| m.id == *id && Some(&m.up) == up)
    };
    if let Some((migration, _)) = inherited.migrations.iter().find(|(id, step)| !brings(id, step)) {
        return Err(Unfit::Migration { version, migration: migration.clone(), run });
    }
    let wanted = desired(&target);
    let changed = inherited.supersedes.iter().flat_map(|old| &old.components);
    if let Some(component) = changed.into_iter().find(|name| !wanted.contains_key(*name)) {
        return Err(Unfit::Component { version, component: component.clone(), run });
    }
    if inherited.seeds && target.release.seeds.is_empty() {
        return Err(Unfit::Seeds { version, run });
    }
    Ok(planned(target, world, &inherited))
}

/// Values may be copied to the attic already: going forward on top of them would let people change what was copied.
fn half_down(old: &Doomed<'_>) -> Option<String> {
    let begun = old.plan.steps().filter(|s| old.statuses[s.n] == Status::UndoStarted);
    begun.filter_map(|s| s.effect.migration().map(|m| m.id.clone())).next()
}

/// Migrations that are there and not kept, seeds, components: whatever going back would still have to look at.
fn inherited(old: &Doomed<'_>, world: &World) -> Inherited {
    let mut migrations = BTreeMap::new();
    for step in old.plan.steps().filter(|s| old.statuses[s.n] != Status::Retained) {
        let there = step.effect.migration().filter(|m| world.migrations.contains_key(&m.id));
        migrations.extend(there.map(|m| (m.id.clone(), step.effect.clone())));
    }
    let before = old.plan.supersedes.as_ref();
    let mut components = before.map(|b| b.components.clone()).unwrap_or_default();
    components.extend(undo::changed(old.plan).filter(|c| !c.created).map(|c| c.component.to_string()));
    let supersedes = Supersedes {
        run: old.run.to_string(),
        release: old.plan.release.clone(),
        version: old.plan.version.clone(),
        effective: old.plan.made_effective(old.statuses),
        components,
        generations: undo::new_generations(old.plan),
        anchor: old.plan.anchor_of(old.run).map(str::to_string),
    };
    let seeds = old.plan.steps.iter().any(|e| matches!(e, Effect::Seeds { .. }));
    let created = old.plan.created().into_iter().map(|(name, d)| (name.to_string(), d.clone())).collect();
    Inherited { migrations, seeds, created, supersedes: Some(supersedes) }
}
