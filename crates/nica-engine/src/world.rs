//! What was observed, as plain data.
//!
//! No times stand here: whether a limit has passed was decided by the observer, against database time. That keeps
//! worlds comparable and small enough to enumerate them all.

use crate::effect::Generation;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct World {
    /// By migration id; absent ids were never applied or were taken down.
    pub migrations: BTreeMap<String, MigrationSeen>,
    pub seeds: SeedsSeen,
    /// Migrations whose parked values still wait in the attic and fit again.
    pub parked: BTreeSet<String>,
    /// By component; absent components do not exist at the target.
    pub components: BTreeMap<String, ComponentSeen>,
    /// Of the open run; of the run to be superseded while its successor is planned.
    pub anchor: AnchorSeen,
    /// Generations that still have a database session of the service.
    pub sessions: BTreeSet<Generation>,
    pub clock: Clock,
    pub verdict: Verdict,
    /// The projection is not the one that the plan was made against. Asked only before the first step.
    pub drifted: bool,
    /// Somebody asked for the run to be turned back.
    pub abort: bool,
    /// What the last effect answered instead of being done.
    pub refused: Option<Refused>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MigrationSeen {
    /// A step outside a transaction began, or left something half-built.
    Started,
    Applied,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeedsSeen {
    /// Every row of the release's seed files is there as written.
    pub as_released: bool,
    /// This run changed rows that were not put back yet.
    pub to_undo: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ComponentSeen {
    /// The generation that the target was asked for; of an object that no run made, any that no release has.
    pub generation: Option<Generation>,
    pub replicas: u32,
    /// Replicas of that generation that are ready.
    pub ready: u32,
    /// Every generation with a live process, drained ones included.
    pub alive: BTreeSet<Generation>,
    /// Why the asked state can no longer come true; the tracker's diagnosis in one line.
    pub doomed: Option<String>,
    pub owner: Owner,
    /// It was deleted and is not gone yet.
    pub deleting: bool,
    /// It never has a process; see `ComponentKind::runs`.
    pub passive: bool,
}

/// The object that owns what a run creates; nothing of the kind at a target that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AnchorSeen {
    #[default]
    Absent,
    There,
    Deleting,
}

/// Whose an object is, by the uid in its owner reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The environment's: the run that created it has settled, and it carries our mark.
    #[default]
    Nobody,
    /// No owner and no mark of ours: no run created it, whatever it looks like. It is never taken away.
    Stranger,
    /// Of the anchor that is seen.
    Anchor,
    /// Of something else, or of an anchor that is gone: then it is about to be collected.
    Other,
}

/// Which limits have passed by database time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Clock {
    /// Going forward may begin nothing new.
    pub forward_until: bool,
    /// Downs may no longer run.
    pub down_until: bool,
    /// The component that is waited for took too long.
    pub rollout: bool,
    /// Sessions of the new release were waited for long enough.
    pub barrier: bool,
    /// The baseline did not come back in time.
    pub undo: bool,
    /// What has to go after Commit is not gone in time.
    pub leaving: bool,
}

/// What the bake says so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Not enough was seen yet, and there is still time.
    #[default]
    Pending,
    Pass,
    Refuse(String),
    /// Nothing could be concluded until the end of `bake_max`.
    Inconclusive(String),
}

/// An effect that was tried and did not happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refused {
    pub step: usize,
    pub why: String,
}
