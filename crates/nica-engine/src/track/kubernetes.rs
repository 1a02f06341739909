//! A rollout on Kubernetes: from what watches deliver to waiting, ready, or one failure with its cause.
//!
//! `fold` holds what was told, `roll` picks the pods that count, and each failure class has a file of its own. The
//! pods are read, not the Deployment: a crashing program without a readiness probe makes it *Available*, and its
//! `ProgressDeadlineExceeded` names no cause and starts anew with every flap, so neither decides anything here.

mod admission;
mod architecture;
mod cannot_start;
mod claim;
mod config;
mod crash_loop;
mod deadline;
mod ends;
mod fold;
mod image;
mod job;
mod life;
mod memory;
mod note;
pub mod object;
mod probe;
mod registry;
mod removed;
mod roll;
mod schedule;
mod steady;
mod text;
mod told;
mod volume;

pub use fold::{At, Seen, tell};
pub use told::{Kind, Object, Told, Unreadable};

use super::Class;
use roll::Roll;

/// What was applied: the object by its uid, in the generation and resource version that the write answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub kind: Kind,
    pub uid: String,
    pub generation: i64,
    pub version: u64,
    /// When it was applied, on the clock of arrivals.
    pub since: At,
    /// From `since` on; nothing that pods do moves it.
    pub limit_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pods of the wanted template that are ready, how many there shall be, and older ones that still serve.
    Waiting {
        ready: u32,
        replicas: u32,
        old: u32,
    },
    Ready,
    Failed(Failure),
}

/// It will not come true. The hands fetch what `need` asks for, then `Diagnosis::of` is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub class: Class,
    /// The root cause in one line, with object, container and value.
    pub line: String,
    /// What a person does about it.
    pub next: &'static str,
    pub need: Option<Need>,
}

/// What belongs to the diagnosis and no watch delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// `previous`: of the start before the present one, as of `restarts`. Where the container has been restarted
    /// since, that start has become the previous one.
    Log { namespace: String, pod: String, container: String, previous: bool, restarts: u32 },
}

type Judge = fn(&Roll<'_>) -> Option<Failure>;

/// Causes before consequences: the first that is certain speaks.
const CLASSES: [Judge; 13] = [
    removed::judge,
    job::judge,
    admission::judge,
    claim::judge,
    schedule::judge,
    volume::judge,
    config::judge,
    image::judge,
    cannot_start::judge,
    probe::judge,
    memory::judge,
    crash_loop::judge,
    registry::judge,
];

/// The verdict as of `now`. Some verdicts ripen with time alone, so it is asked again without news, too; and not
/// before the first list of every kind was told, since what is not listed yet looks like what does not exist.
pub fn judge(seen: &Seen, wanted: &Wanted, now: At) -> Verdict {
    let roll = Roll::of(seen, wanted, now);
    if let Some(failure) = CLASSES.iter().find_map(|class| class(&roll)) {
        return Verdict::Failed(failure);
    }
    match job::is_done(&roll) || (wanted.kind != Kind::Job && roll.is_done()) {
        true => Verdict::Ready,
        false => deadline::judge(&roll).map_or_else(|| waiting(&roll), Verdict::Failed),
    }
}

/// How many pods of the wanted template are ready for long enough to be believed, as of `now`.
pub fn steady(seen: &Seen, wanted: &Wanted, now: At) -> u32 {
    Roll::of(seen, wanted, now).steady()
}

fn waiting(roll: &Roll<'_>) -> Verdict {
    Verdict::Waiting { ready: roll.ready(), replicas: roll.replicas, old: roll.old }
}

impl Failure {
    /// Judged again with the lines of the log that was asked for.
    pub(super) fn in_light_of(self, log: &[String]) -> Failure {
        architecture::from_log(self, log)
    }
}
