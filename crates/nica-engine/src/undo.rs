//! What going back does with each step.
//!
//! The order is the reverse of the way out: components, the anchor, barrier, seeds, downs. A down runs only when no
//! process and no session of the new release can commit any more; what cannot be taken down safely is retained, because
//! an expand migration is compatible with the old code by definition.

use crate::effect::{Desired, Effect, Generation};
use crate::plan::{Plan, Status, Step};
use crate::release::{Migration, UndoClass};
use crate::world::{ComponentSeen, MigrationSeen, Owner, World};
use std::collections::BTreeSet;

/// What becomes of a migration of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not there, or gone already.
    Absent,
    Down,
    Retain,
}

/// A component that this run changed, as going back sees it.
#[derive(Clone, Copy)]
pub struct Changed<'a> {
    pub n: usize,
    pub component: &'a str,
    pub desired: &'a Desired,
    pub before: Option<&'a Desired>,
    /// This run created it, so it goes with the anchor.
    pub created: bool,
}

pub fn changed(plan: &Plan) -> impl DoubleEndedIterator<Item = Changed<'_>> {
    plan.steps().filter_map(|s| match s.effect {
        Effect::SetDesired { component, desired, before } => {
            let created = plan.creates(component);
            Some(Changed { n: s.n, component, desired, before: before.as_ref(), created })
        }
        _ => None,
    })
}

impl Changed<'_> {
    /// The target is asked for the baseline again (or for nothing, where the component is new).
    pub fn is_asked_back(&self, world: &World) -> bool {
        let seen = world.components.get(self.component);
        if self.created {
            return seen.is_none_or(|s| self.rests(s));
        }
        match (seen, self.before) {
            (None, before) => before.is_none(),
            (Some(seen), Some(before)) => seen.is_asked_to_be(before),
            (Some(seen), None) => seen.generation.is_none(),
        }
    }

    /// It is inert, or about to be gone. What has lost its owner is somebody else's work, and not asked for anything.
    fn rests(&self, seen: &ComponentSeen) -> bool {
        let inert = !self.desired.kind.runs() || seen.generation == self.before.map(Desired::generation);
        inert || seen.deleting || seen.owner != Owner::Anchor
    }

    /// The baseline serves again: every replica ready.
    pub fn is_back(&self, world: &World) -> bool {
        let Some(before) = self.before.filter(|_| !self.created) else { return true };
        world.components.get(self.component).is_some_and(|seen| seen.ready >= before.replicas)
    }
}

/// Generations that the baseline does not have, of the new release and of a run that it supersedes: what the barrier
/// looks for.
pub fn new_generations(plan: &Plan) -> BTreeSet<Generation> {
    let inherited = plan.supersedes.iter().flat_map(|old| old.generations.iter().cloned());
    let asked = plan.steps.iter().filter_map(|e| match e {
        Effect::SetDesired { desired, .. } | Effect::Create { desired, .. } => Some(desired.generation()),
        _ => None,
    });
    let new = asked.chain(inherited);
    let old: BTreeSet<_> =
        plan.baseline.iter().flat_map(|b| b.components.values().map(Desired::generation)).collect();
    new.filter(|g| !old.contains(g)).collect()
}

/// No process of the new release is alive.
pub fn no_process_alive(plan: &Plan, world: &World) -> bool {
    let new = new_generations(plan);
    world.components.values().all(|c| c.alive.is_disjoint(&new))
}

/// Neither a process nor a database session of the new release is left: nothing of it can commit any more.
pub fn barrier_passed(plan: &Plan, world: &World) -> bool {
    no_process_alive(plan, world) && world.sessions.is_disjoint(&new_generations(plan))
}

/// Only the live release's own programs are alive, asked for or connected: nothing older can commit any more. Asked of
/// what is there and not of a list of older releases, so that a program nobody remembers counts too.
pub fn only_live_can_commit(plan: &Plan, world: &World) -> bool {
    let Some(live) = &plan.baseline else { return false };
    let own = |name: &str| live.components.get(name).map(Desired::generation);
    let all: BTreeSet<_> = live.components.values().map(Desired::generation).collect();
    let settled = |(name, seen): (&String, &ComponentSeen)| {
        (seen.passive || seen.generation.is_none() || seen.generation == own(name))
            && seen.alive.is_subset(&all)
    };
    world.components.iter().all(settled) && world.sessions.is_subset(&all)
}

/// Later migrations first: downs stop at the first one that stays, so that what stays is a prefix that was
/// tested.
pub fn fate(plan: &Plan, statuses: &[Status], step: Step<'_>, migration: &Migration, world: &World) -> Fate {
    if statuses[step.n] == Status::Retained {
        return Fate::Retain;
    }
    if !world.migrations.contains_key(&migration.id) {
        return Fate::Absent;
    }
    let later_stays = plan.steps().skip(step.n + 1).any(|s| statuses[s.n] == Status::Retained);
    let effective = plan.made_effective(statuses);
    let stays = later_stays
        || migration.down.is_none()
        || (migration.class == UndoClass::Sticky && effective)
        || (plan.baseline.is_none() && effective)
        || world.clock.down_until
        || !barrier_passed(plan, world)
        || down_refused(statuses, step, migration, world);
    if stays { Fate::Retain } else { Fate::Down }
}

/// Its down was tried and refused, and it is whole. What is half-built, or half gone, is no state that was tested: it is
/// not kept, and a down that is refused leaves the run stuck. An *up* that was refused is no reason to keep it either.
fn down_refused(statuses: &[Status], step: Step<'_>, migration: &Migration, world: &World) -> bool {
    let refused = world.refused.as_ref().is_some_and(|r| r.step == step.n);
    let whole = world.migrations.get(&migration.id) == Some(&MigrationSeen::Applied);
    statuses[step.n] == Status::UndoStarted && refused && whole
}
