//! The steps for a target that has objects: each is a component, created where it is not there, changed where it
//! differs, deleted where the release dropped it.
//!
//! What a run creates belongs to its anchor. A run that supersedes takes the old run's anchor over with the name, so
//! that one anchor owns whatever either of them creates and however late: going back takes all of it, and going
//! forward deletes what the newer release does not want.

use super::{Inherited, Plan, is_served};
use crate::effect::{Desired, Effect};
use crate::release::ComponentKind;
use crate::world::{Owner, World};
use std::collections::BTreeMap;

/// One object of a release, as whoever reads its manifests gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// `Kind/name`.
    pub component: String,
    pub desired: Desired,
    /// How a workload is born: with no replicas, or suspended.
    pub inert: Option<Desired>,
    /// The release waits for its pods; not for those of a CronJob.
    pub waits: bool,
}

type Components = BTreeMap<String, Desired>;

pub(super) fn steps(
    objects: &[Object],
    baseline: Option<&Components>,
    world: &World,
    inherited: &Inherited,
) -> Vec<Effect> {
    let of = |kind: fn(ComponentKind) -> bool| objects.iter().filter(move |o| kind(o.desired.kind));
    let in_order = of(|kind| kind == ComponentKind::Immutable)
        .chain(of(|kind| kind == ComponentKind::Passive))
        .chain(of(ComponentKind::runs));
    let (mut creates, mut sets) = (Vec::new(), Vec::new());
    for object in in_order {
        let before = baseline.and_then(|b| b.get(&object.component));
        if before.is_some() && is_ours(object, world, inherited) {
            let right =
                before == Some(&object.desired) && is_served(world, &object.component, &object.desired);
            if !right || inherited.changed(&object.component) {
                sets.extend(set(object, before));
            }
        } else {
            creates
                .push(Effect::Create { component: object.component.clone(), desired: object.born().clone() });
            if object.born() != &object.desired || inherited.created.contains_key(&object.component) {
                sets.extend(set(object, Some(object.born())));
            }
        }
    }
    if !creates.is_empty() || inherited.has_anchor() {
        creates.insert(0, Effect::Anchor);
    }
    creates.extend(sets);
    creates
}

impl Object {
    fn born(&self) -> &Desired {
        self.inert.as_ref().unwrap_or(&self.desired)
    }
}

/// The environment has it, and nobody is about to take it away.
fn is_ours(object: &Object, world: &World, inherited: &Inherited) -> bool {
    let seen = world.components.get(&object.component);
    seen.is_some_and(|s| s.generation.is_some() && s.owner == Owner::Nobody && !s.deleting)
        && !inherited.created.contains_key(&object.component)
}

fn set(object: &Object, before: Option<&Desired>) -> Vec<Effect> {
    let Object { component, desired, waits, .. } = object;
    // Its name is its content: there is nothing to change.
    if desired.kind == ComponentKind::Immutable {
        return Vec::new();
    }
    let (component, desired) = (component.clone(), desired.clone());
    let (generation, replicas) = (desired.generation(), desired.replicas);
    let set = Effect::SetDesired { component: component.clone(), desired, before: before.cloned() };
    let waits = *waits && object.desired.kind.runs();
    let awaits = waits.then_some(Effect::Await { component, generation, replicas });
    [set].into_iter().chain(awaits).collect()
}

/// What the release dropped. Immutable objects are left to be collected: the way back may need them.
pub(super) fn deletions(wanted: &Components, baseline: Option<&Components>) -> Vec<Effect> {
    dropped(wanted, baseline).filter(|(_, b)| b.kind != ComponentKind::Immutable).map(delete).collect()
}

pub(super) fn left(wanted: &Components, baseline: Option<&Components>) -> Vec<String> {
    let immutable = dropped(wanted, baseline).filter(|(_, b)| b.kind == ComponentKind::Immutable);
    immutable.map(|(name, _)| name.clone()).collect()
}

fn dropped<'a>(
    wanted: &'a Components,
    baseline: Option<&'a Components>,
) -> impl Iterator<Item = (&'a String, &'a Desired)> {
    baseline.into_iter().flatten().filter(|(name, _)| !wanted.contains_key(*name))
}

fn delete((name, before): (&String, &Desired)) -> Effect {
    Effect::Delete { component: name.clone(), before: before.clone() }
}

/// What only a superseded run wanted is deleted, then the anchor goes and leaves what it owns. A create of that run
/// that arrives between the two is seen, and deleted, before the run settles.
pub(super) fn released(steps: &[Effect], wanted: &Components, inherited: &Inherited) -> Vec<Effect> {
    if !steps.contains(&Effect::Anchor) {
        return Vec::new();
    }
    let unwanted = inherited.created.iter().filter(|(name, _)| !wanted.contains_key(*name));
    let unwanted = unwanted.filter(|(_, b)| b.kind != ComponentKind::Immutable);
    unwanted.map(delete).chain([Effect::Unanchor]).collect()
}

impl Plan {
    pub fn anchor_step(&self) -> Option<usize> {
        self.steps.iter().position(|e| *e == Effect::Anchor)
    }

    /// The run that the anchor of `run`, whose plan this is, is named after: itself, or the first of those that it
    /// supersedes. None for a plan that creates nothing.
    pub fn anchor_of<'a>(&'a self, run: &'a str) -> Option<&'a str> {
        self.anchor_step()?;
        Some(self.supersedes.as_ref().and_then(|old| old.anchor.as_deref()).unwrap_or(run))
    }

    pub fn creates(&self, name: &str) -> bool {
        self.steps.iter().any(|e| matches!(e, Effect::Create { component, .. } if component == name))
    }

    /// Everything that this run or one that it supersedes may have created, as it was meant to be in the end.
    pub fn created(&self) -> BTreeMap<&str, &Desired> {
        let known = |name: &String| self.baseline.as_ref().is_some_and(|b| b.components.contains_key(name));
        let mut created = BTreeMap::new();
        for effect in &self.steps {
            match effect {
                Effect::Create { component, desired } => {
                    created.insert(component.as_str(), desired);
                }
                Effect::SetDesired { component, desired, .. } if created.contains_key(component.as_str()) => {
                    created.insert(component, desired);
                }
                Effect::Delete { component, before } if !known(component) => {
                    created.insert(component, before);
                }
                _ => {}
            }
        }
        created
    }
}
