//! A contract run: forward only, one atomic step after the other, code untouched.
//!
//! A contract takes away what older programs need, so none is begun while one of them can still commit. There is no
//! way back from a contract that is applied, and none is needed from one that is not: whatever speaks against the next
//! one ends the run where it stands.

use super::{Action, Ending, Progress, Waiting, progress};
use crate::plan::{Plan, Status};
use crate::undo;
use crate::world::World;

pub(super) fn next(plan: &Plan, statuses: &[Status], world: &World) -> Action {
    if world.drifted && !statuses.iter().any(|s| s.began()) {
        return Action::Settle(Ending::Refused);
    }
    for step in plan.steps() {
        match progress(plan, statuses, step, world) {
            Progress::Reached if statuses[step.n] == Status::Done => {}
            Progress::Reached => return Action::Note(step.n, Status::Done),
            _ if is_over(world) => break,
            _ if step.effect.migration().is_none() || undo::only_live_can_commit(plan, world) => {
                return Action::Perform(step.n);
            }
            _ => return Action::Await(Waiting::OlderPrograms),
        }
    }
    Action::Settle(Ending::Contracted)
}

/// Aborted, too late, or a step was tried and said no.
fn is_over(world: &World) -> bool {
    world.abort || world.clock.forward_until || world.refused.is_some()
}
