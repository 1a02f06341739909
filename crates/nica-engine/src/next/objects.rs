//! The anchor and what it owns: out, and back.
//!
//! What a run created is known by its owner, never by its name: an object of a run that is over has an owner that is
//! gone, is collected soon, and is waited for. One without any owner is the environment's where it carries our mark: going
//! back does not take it away, and a release that drops it does. One without either is a stranger's, and stays.

use super::{Action, Progress, Waiting, leaves, reached};
use crate::effect::{Desired, Generation};
use crate::plan::{Plan, Status};
use crate::release::ComponentKind;
use crate::undo;
use crate::world::{AnchorSeen, ComponentSeen, Owner, World};

const ANCHOR: &str = "the anchor";

pub(super) fn anchored(world: &World) -> Progress {
    match world.anchor {
        AnchorSeen::There => Progress::Reached,
        AnchorSeen::Absent => Progress::ToDo,
        AnchorSeen::Deleting => collected(ANCHOR, world),
    }
}

pub(super) fn released(world: &World) -> Progress {
    match world.anchor {
        AnchorSeen::Deleting => leaves(ANCHOR, Waiting::Collection(ANCHOR.to_string()), world),
        seen => reached(seen == AnchorSeen::Absent),
    }
}

pub(super) fn created(component: &str, desired: &Desired, world: &World) -> Progress {
    let Some(seen) = world.components.get(component).filter(|s| s.generation.is_some()) else {
        return Progress::ToDo;
    };
    match seen.owner {
        _ if seen.deleting => collected(component, world),
        Owner::Other => collected(component, world),
        Owner::Anchor => Progress::Reached,
        Owner::Nobody | Owner::Stranger if is_content(desired, seen) => Progress::Reached,
        Owner::Nobody | Owner::Stranger => Progress::Doomed(format!(
            "{component} is there already and no run created it; take it over with `nica adopt`, or delete it"
        )),
    }
}

/// Named by its content: whoever made it, it is the right one.
fn is_content(desired: &Desired, seen: &ComponentSeen) -> bool {
    desired.kind == ComponentKind::Immutable && seen.generation == Some(desired.generation())
}

fn collected(what: &str, world: &World) -> Progress {
    if world.clock.forward_until {
        return Progress::Doomed(format!("{what} of an earlier run is not collected in time"));
    }
    Progress::Wait(Waiting::Collection(what.to_string()))
}

/// Going back: the anchor was deleted, it is gone, and so is everything that it owned.
pub(super) fn anchor_gone(plan: &Plan, statuses: &[Status], world: &World) -> Option<Action> {
    let n = plan.anchor_step()?;
    match world.anchor {
        AnchorSeen::There => return Some(Action::Undo(n)),
        AnchorSeen::Deleting => return Some(awaits_end(ANCHOR, world)),
        AnchorSeen::Absent => {}
    }
    if let Some(action) = created_gone(plan, world) {
        return Some(action);
    }
    let unrecorded = statuses[n].began() && statuses[n] != Status::Undone;
    unrecorded.then_some(Action::Note(n, Status::Undone))
}

fn created_gone(plan: &Plan, world: &World) -> Option<Action> {
    let new = undo::new_generations(plan);
    let ours = |g: &Generation| new.contains(g);
    plan.created().into_iter().find_map(|(name, desired)| {
        let seen = world.components.get(name)?;
        seen.generation.as_ref().filter(|g| ours(g))?;
        match seen.owner {
            Owner::Anchor | Owner::Other => Some(awaits_end(name, world)),
            // It was there before this run.
            Owner::Nobody | Owner::Stranger if desired.kind == ComponentKind::Immutable => None,
            Owner::Nobody | Owner::Stranger if seen.deleting => Some(awaits_end(name, world)),
            Owner::Stranger => None,
            Owner::Nobody => Some(Action::Stuck(format!(
                "{name} was created by this run, and somebody took its owner away; delete it"
            ))),
        }
    })
}

fn awaits_end(what: &str, world: &World) -> Action {
    if world.clock.undo {
        return Action::Stuck(format!("{what} was deleted and is not gone"));
    }
    Action::Await(Waiting::Collection(what.to_string()))
}
