//! What a run does next: the whole protocol in one pure function.
//!
//! A recorded `done` is a hint; what is seen decides. So a process that takes over another's run looks at the
//! world, walks the plan from its start and does what is missing. Going back never needs an approval, a window
//! or the new release's files.

mod contract;
mod objects;

use crate::effect::{Desired, Effect, Generation};
use crate::plan::{OnInconclusive, Plan, Status, Step};
use crate::undo::{self, Changed, Fate};
use crate::world::{MigrationSeen, Owner, Verdict, World};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Forward,
    Back,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Record that the step starts, do it under the fence, record what was seen.
    Perform(usize),
    Undo(usize),
    /// The world says that this step is in this state; only the record does not know it yet.
    Note(usize, Status),
    /// Look again when something changed.
    Await(Waiting),
    /// Store the direction `back`, durably, before the first recovery effect.
    TurnBack(String),
    Settle(Ending),
    /// Inconclusive, and the policy wants a person to look.
    Hold(String),
    /// Cannot be undone as things are; names why. Every further run looks again.
    Stuck(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    Rollout(usize),
    Bake(usize),
    Deletion(usize),
    /// An object is being deleted, or belongs to an anchor that is gone.
    Collection(String),
    BaselineServes(String),
    Barrier,
    /// Before a contract: every program but the live one, and its sessions.
    OlderPrograms,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    Live,
    Back,
    /// A first deploy was undone.
    Absent,
    /// The world was not what the plan was made for; nothing outside our own schema was written.
    Refused,
    Superseded,
    /// Two people accepted the state as it was; no rule brought it about.
    Accepted,
    /// A contract run is over: some, all or none of its migrations are applied, and none of them goes back.
    Contracted,
}

pub fn next(plan: &Plan, statuses: &[Status], direction: Direction, world: &World) -> Action {
    if plan.is_contract() {
        return contract::next(plan, statuses, world);
    }
    let action = match direction {
        Direction::Forward => forward(plan, statuses, world),
        Direction::Back => back(plan, statuses, world),
    };
    not_at_once_again(action, statuses, world)
}

/// What was refused is not tried again by the same process: it would do nothing else for ever. Going forward turns
/// back instead, a down is retained; a component, seed rows or a deletion cannot be helped from here, and the next
/// process, which knows of no refusal, tries once more.
fn not_at_once_again(action: Action, statuses: &[Status], world: &World) -> Action {
    let Some(refused) = &world.refused else { return action };
    let tried = statuses[refused.step];
    match action {
        Action::Perform(n) if n == refused.step && tried == Status::Started => {
            Action::Stuck(refused.why.clone())
        }
        Action::Undo(n) if n == refused.step && tried == Status::UndoStarted => {
            Action::Stuck(refused.why.clone())
        }
        other => other,
    }
}

/// How far a step is, as the world shows it.
enum Progress {
    Reached,
    ToDo,
    Wait(Waiting),
    Doomed(String),
    Held(String),
    Stuck(String),
}

fn forward(plan: &Plan, statuses: &[Status], world: &World) -> Action {
    let committed = plan.committed(statuses);
    if world.drifted && !statuses.iter().any(|s| s.began()) {
        // A run that took over open undos has something to take back, although it did nothing itself.
        return match plan.supersedes {
            None => Action::Settle(Ending::Refused),
            Some(_) => Action::TurnBack("the world is not the planned one".to_string()),
        };
    }
    if let Some(reason) = reason_to_turn(committed, world) {
        return Action::TurnBack(reason);
    }
    for step in plan.steps().skip(first_open_step(plan, committed)) {
        match progress(plan, statuses, step, world) {
            Progress::Reached if statuses[step.n] != Status::Done => {
                return Action::Note(step.n, Status::Done);
            }
            Progress::Reached => {}
            Progress::ToDo if too_late(committed, step, world) => {
                return Action::TurnBack("the time to go forward has passed".to_string());
            }
            Progress::ToDo => return Action::Perform(step.n),
            Progress::Wait(waiting) => return Action::Await(waiting),
            Progress::Doomed(reason) => return Action::TurnBack(reason),
            Progress::Held(reason) => return Action::Hold(reason),
            Progress::Stuck(reason) => return Action::Stuck(reason),
        }
    }
    Action::Settle(Ending::Live)
}

/// What was committed is not judged again: a replica that restarts after Commit turns nothing.
fn first_open_step(plan: &Plan, committed: bool) -> usize {
    match plan.commit_step() {
        Some(n) if committed => n + 1,
        _ => 0,
    }
}

/// After Commit nothing turns a run any more.
fn reason_to_turn(committed: bool, world: &World) -> Option<String> {
    if committed {
        return None;
    }
    if world.abort {
        return Some("aborted by hand".to_string());
    }
    world.refused.as_ref().map(|refused| refused.why.clone())
}

/// `forward_until` bars new steps; a bake that passed may still commit, whatever the hour.
fn too_late(committed: bool, step: Step<'_>, world: &World) -> bool {
    world.clock.forward_until && !committed && !matches!(step.effect, Effect::Commit)
}

fn progress(plan: &Plan, statuses: &[Status], step: Step<'_>, world: &World) -> Progress {
    let done = statuses[step.n] == Status::Done;
    match step.effect {
        Effect::RestorePoint | Effect::Commit => reached(done),
        Effect::Sql { migration } | Effect::SqlConverge { migration } => {
            reached(world.migrations.get(&migration.id) == Some(&MigrationSeen::Applied))
        }
        Effect::Unpark { migration, .. } => reached(!world.parked.contains(migration)),
        Effect::Seeds { .. } => reached(world.seeds.as_released),
        Effect::Anchor => objects::anchored(world),
        Effect::Create { component, desired } => objects::created(component, desired, world),
        Effect::SetDesired { component, desired, before } => {
            asked(plan, component, desired, before.as_ref(), world)
        }
        Effect::Await { component, .. } => rolled_out(step, component, world),
        Effect::Bake => baked(plan, step, done, &world.verdict),
        Effect::Delete { component, before } => deleted(step, component, before, world),
        Effect::Unanchor => objects::released(world),
    }
}

fn reached(yes: bool) -> Progress {
    if yes { Progress::Reached } else { Progress::ToDo }
}

fn asked(
    plan: &Plan,
    component: &str,
    desired: &Desired,
    before: Option<&Desired>,
    world: &World,
) -> Progress {
    let inherited = |g: &Generation| plan.supersedes.as_ref().is_some_and(|old| old.generations.contains(g));
    let seen = world.components.get(component);
    let generation = seen.and_then(|s| s.generation.clone());
    let wanted = desired.generation();
    if generation.as_ref() == Some(&wanted) && seen.is_some_and(|s| s.replicas == desired.replicas) {
        return Progress::Reached;
    }
    match generation {
        Some(other)
            if other != wanted
                && Some(&other) != before.map(Desired::generation).as_ref()
                && !inherited(&other) =>
        {
            Progress::Doomed(format!("{component} was changed by somebody else to generation {other}"))
        }
        _ => Progress::ToDo,
    }
}

fn rolled_out(step: Step<'_>, component: &str, world: &World) -> Progress {
    let Effect::Await { generation, replicas, .. } = step.effect else { return Progress::Reached };
    let Some(seen) = world.components.get(component) else {
        return Progress::Doomed(format!("{component} vanished from the target"));
    };
    let alone = seen.alive.iter().all(|g| g == generation);
    if seen.generation.as_ref() == Some(generation) && seen.ready >= *replicas && alone {
        return Progress::Reached;
    }
    match &seen.doomed {
        Some(why) => Progress::Doomed(why.clone()),
        None if world.clock.rollout => Progress::Doomed(format!(
            "{component} did not get ready in time: {} of {replicas} replicas ready",
            seen.ready
        )),
        None => Progress::Wait(Waiting::Rollout(step.n)),
    }
}

fn baked(plan: &Plan, step: Step<'_>, done: bool, verdict: &Verdict) -> Progress {
    match verdict {
        _ if done => Progress::Reached,
        Verdict::Pass => Progress::Reached,
        Verdict::Pending => Progress::Wait(Waiting::Bake(step.n)),
        Verdict::Refuse(why) => Progress::Doomed(why.clone()),
        Verdict::Inconclusive(why) => match plan.limits.on_inconclusive {
            OnInconclusive::Undo => Progress::Doomed(format!("inconclusive: {why}")),
            OnInconclusive::Hold => Progress::Held(why.clone()),
        },
    }
}

fn deleted(step: Step<'_>, component: &str, before: &Desired, world: &World) -> Progress {
    match world.components.get(component) {
        None => Progress::Reached,
        Some(seen) if seen.deleting => leaves(component, Waiting::Deletion(step.n), world),
        Some(seen) if seen.owner == Owner::Stranger => Progress::Stuck(format!(
            "{component} is to be deleted, and the one that is there was created by no run; delete it, or give it another \
             name"
        )),
        Some(seen) if seen.generation.is_some() => Progress::ToDo,
        Some(seen) if seen.alive.contains(&before.generation()) => {
            leaves(component, Waiting::Deletion(step.n), world)
        }
        Some(_) => Progress::Reached,
    }
}

/// After Commit nothing turns a run, but what does not go is told: a finalizer that nobody serves waits for ever.
fn leaves(what: &str, waiting: Waiting, world: &World) -> Progress {
    match world.clock.leaving {
        true => Progress::Stuck(format!("{what} was deleted and is not gone; see which finalizer holds it")),
        false => Progress::Wait(waiting),
    }
}

fn back(plan: &Plan, statuses: &[Status], world: &World) -> Action {
    ask_baseline_back(plan, world)
        .or_else(|| baseline_serves(plan, world))
        .or_else(|| objects::anchor_gone(plan, statuses, world))
        .or_else(|| barrier(plan, world))
        .or_else(|| undo_seeds(plan, world))
        .or_else(|| undo_migrations(plan, statuses, world))
        .unwrap_or(Action::Settle(if plan.baseline.is_some() { Ending::Back } else { Ending::Absent }))
}

fn ask_baseline_back(plan: &Plan, world: &World) -> Option<Action> {
    undo::changed(plan).rev().find(|c| !c.is_asked_back(world)).map(|c| Action::Undo(c.n))
}

fn baseline_serves(plan: &Plan, world: &World) -> Option<Action> {
    let Changed { component, .. } = undo::changed(plan).find(|c| !c.is_back(world))?;
    let doomed = world.components.get(component).and_then(|seen| seen.doomed.clone());
    if let Some(why) = doomed {
        return Some(Action::Stuck(format!("{component} of the baseline does not come back: {why}")));
    }
    if world.clock.undo {
        return Some(Action::Stuck(format!("{component} of the baseline did not get ready in time")));
    }
    Some(Action::Await(Waiting::BaselineServes(component.to_string())))
}

/// Processes are always waited for; sessions only until the barrier's limit: then downs are not forced, and the
/// migrations stay.
fn barrier(plan: &Plan, world: &World) -> Option<Action> {
    if undo::barrier_passed(plan, world) {
        return None;
    }
    if undo::no_process_alive(plan, world) && world.clock.barrier {
        return None;
    }
    if world.clock.undo && !undo::no_process_alive(plan, world) {
        return Some(Action::Stuck("a process of the new release cannot be ended".to_string()));
    }
    Some(Action::Await(Waiting::Barrier))
}

fn undo_seeds(plan: &Plan, world: &World) -> Option<Action> {
    let seeds = plan.steps().find(|s| matches!(s.effect, Effect::Seeds { .. }))?;
    world.seeds.to_undo.then_some(Action::Undo(seeds.n))
}

fn undo_migrations(plan: &Plan, statuses: &[Status], world: &World) -> Option<Action> {
    plan.steps().rev().find_map(|step| {
        let migration = step.effect.migration()?;
        match undo::fate(plan, statuses, step, migration, world) {
            Fate::Down => Some(Action::Undo(step.n)),
            Fate::Retain if statuses[step.n] != Status::Retained => {
                Some(Action::Note(step.n, Status::Retained))
            }
            Fate::Retain => None,
            Fate::Absent if statuses[step.n].began() && statuses[step.n] != Status::Undone => {
                Some(Action::Note(step.n, Status::Undone))
            }
            Fate::Absent => None,
        }
    })
}
