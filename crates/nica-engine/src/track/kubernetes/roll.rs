//! Which pods count: those of the template that was asked for, and none of an older one.
//!
//! A Deployment's new ReplicaSet is the one with the same template; revision numbers and the Deployment's own status
//! may be a moment behind. StatefulSet and DaemonSet label their pods.

use super::Wanted;
use super::fold::{At, Seen};
use super::life::Life;
use super::note::Notes;
use super::object::Workload;
use super::steady;
use super::told::Kind;

static NO_NOTES: Notes = Notes::NONE;

pub(super) struct Roll<'a> {
    pub seen: &'a Seen,
    pub wanted: &'a Wanted,
    pub now: At,
    pub workload: Option<&'a Workload>,
    /// The Deployment's ReplicaSet of the wanted template.
    pub set: Option<&'a Workload>,
    /// Pods of the wanted template that are neither leaving nor lost, by name.
    pub pods: Vec<&'a Life>,
    /// Pods of older templates that are not leaving yet.
    pub old: u32,
    /// There are such, and all of them are ready.
    pub old_serve: bool,
    /// Pods of the whole namespace are on their way out: they still hold room on a node and a part of the quota.
    pub leaving: bool,
    /// When one of them last vanished.
    pub freed_at: Option<At>,
    pub replicas: u32,
    /// The controller has read what was applied.
    pub observed: bool,
}

impl<'a> Roll<'a> {
    pub(super) fn of(seen: &'a Seen, wanted: &'a Wanted, now: At) -> Roll<'a> {
        let workload = seen.workloads.get(&wanted.uid).map(|held| &held.1);
        let workload = workload.filter(|workload| workload.metadata.generation >= wanted.generation);
        let owners = owners(seen, wanted);
        let set = workload.and_then(|workload| new_set(seen, wanted, workload));
        let owned: Vec<&Life> = seen.pods.values().filter(|life| is_owned(life, &owners)).collect();
        let is_new = |life: &&&Life| workload.is_some_and(|workload| is_new(wanted, workload, set, life));
        let mut pods: Vec<&Life> =
            owned.iter().filter(is_new).filter(|life| !life.pod.is_lost()).copied().collect();
        pods.sort_by(|a, b| a.pod.metadata.name.cmp(&b.pod.metadata.name));
        let stays = |life: &&&Life| workload.is_some_and(|workload| stays_old(wanted, workload, life));
        let is_old = |life: &&&Life| !is_new(life) && !life.pod.is_lost() && !stays(life);
        let old: Vec<&Life> = owned.iter().filter(is_old).copied().collect();
        let old_serve = !old.is_empty() && old.iter().all(|life| life.pod.is_ready());
        let namespace = workload.map_or("", |workload| workload.metadata.namespace.as_str());
        let mut around = seen.pods.values().filter(|life| life.pod.metadata.namespace == namespace);
        let leaving = around.any(|life| life.pod.metadata.leaving());
        let freed_at = seen.freed.get(namespace).copied();
        let observed = workload.is_some_and(|workload| is_observed(wanted, workload));
        let replicas = workload.map_or(1, |workload| replicas(wanted, workload, &pods));
        let old = count(old.len());
        Roll { seen, wanted, now, workload, set, pods, old, old_serve, leaving, freed_at, replicas, observed }
    }

    pub(super) fn name(&self) -> String {
        let name = self.workload.map_or("?", |workload| workload.metadata.name.as_str());
        format!("{} {name}", self.wanted.kind.word())
    }

    pub(super) fn notes(&self, uid: &str) -> &'a Notes {
        self.seen.notes.get(uid).unwrap_or(&NO_NOTES)
    }

    pub(super) fn ready(&self) -> u32 {
        count(self.pods.iter().filter(|life| life.pod.is_ready()).count())
    }

    /// Ready, and for long enough to be believed.
    pub(super) fn is_steady(&self, life: &Life) -> bool {
        let min_ready_secs = self.workload.map_or(0, |workload| workload.spec.min_ready_seconds);
        let needed = steady::needed_ms(&life.pod, min_ready_secs);
        life.ready_since.is_some_and(|since| self.now.saturating_sub(since) >= needed)
    }

    pub(super) fn steady(&self) -> u32 {
        count(self.pods.iter().filter(|life| self.is_steady(life)).count())
    }

    pub(super) fn is_done(&self) -> bool {
        self.observed && self.old == 0 && self.steady() >= self.replicas
    }

    /// It was healthy once, or is now.
    pub(super) fn works(&self, life: &Life) -> bool {
        life.proven || self.is_steady(life)
    }

    /// Another pod of this template works: the template can.
    pub(super) fn another_works(&self, than: &Life) -> bool {
        let other = |life: &&&Life| life.pod.metadata.uid != than.pod.metadata.uid;
        self.pods.iter().filter(other).any(|life| self.works(life))
    }

    /// The last instant at which room was still coming free; `since` when none was.
    pub(super) fn room_since(&self, since: At) -> At {
        match self.leaving {
            false => since.max(self.freed_at.unwrap_or(0)),
            true => self.now,
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Uids under which pods of this workload may be owned.
fn owners<'a>(seen: &'a Seen, wanted: &'a Wanted) -> Vec<&'a str> {
    let sets = seen.workloads.values().filter(|held| held.0 == Kind::ReplicaSet);
    let ours = sets.filter(|held| held.1.metadata.owner() == Some(&wanted.uid));
    ours.map(|held| held.1.metadata.uid.as_str()).chain([wanted.uid.as_str()]).collect()
}

fn is_owned(life: &Life, owners: &[&str]) -> bool {
    life.pod.metadata.owner().is_some_and(|owner| owners.contains(&owner))
}

fn new_set<'a>(seen: &'a Seen, wanted: &Wanted, workload: &Workload) -> Option<&'a Workload> {
    let sets = seen.workloads.values().filter(|held| held.0 == Kind::ReplicaSet).map(|held| &held.1);
    sets.filter(|set| set.metadata.owner() == Some(&wanted.uid) && workload.spec.template.is_known())
        .find(|set| set.spec.template == workload.spec.template)
}

fn is_new(wanted: &Wanted, workload: &Workload, set: Option<&Workload>, life: &Life) -> bool {
    let (labels, status) = (&life.pod.metadata.labels, &workload.status);
    match wanted.kind {
        Kind::Deployment => set.is_some_and(|set| life.pod.metadata.owner() == Some(&set.metadata.uid)),
        Kind::StatefulSet => {
            is_observed(wanted, workload)
                && !status.update_revision.is_empty()
                && labels.revision == status.update_revision
        }
        Kind::DaemonSet => {
            let generation = &workload.metadata.annotations.template_generation;
            !generation.is_empty() && labels.template_generation == *generation
        }
        _ => true,
    }
}

/// An older pod that this roll is not meant to replace: below a StatefulSet's partition, or `OnDelete`.
fn stays_old(wanted: &Wanted, workload: &Workload, life: &Life) -> bool {
    let spec = &workload.spec;
    let ordinal = life.pod.metadata.name.rsplit_once('-').and_then(|(_, number)| number.parse::<u32>().ok());
    let below = ordinal.is_some_and(|ordinal| ordinal < spec.update_strategy.rolling_update.partition);
    spec.update_strategy.kind == "OnDelete" || (wanted.kind == Kind::StatefulSet && below)
}

fn is_observed(wanted: &Wanted, workload: &Workload) -> bool {
    wanted.kind == Kind::Job || workload.status.observed_generation >= wanted.generation
}

/// How many pods of the wanted template there shall be.
fn replicas(wanted: &Wanted, workload: &Workload, new: &[&Life]) -> u32 {
    let (spec, replicas) = (&workload.spec, workload.spec.replicas.unwrap_or(1));
    match wanted.kind {
        _ if spec.update_strategy.kind == "OnDelete" => count(new.len()),
        Kind::StatefulSet => {
            let kept = spec.update_strategy.rolling_update.partition.saturating_sub(spec.ordinals.start);
            replicas.saturating_sub(kept)
        }
        Kind::DaemonSet => workload.status.desired_number_scheduled,
        _ => replicas,
    }
}
