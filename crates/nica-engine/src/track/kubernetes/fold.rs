//! Everything that was told so far, as one value: `seen = tell(seen, at, told)`.
//!
//! The newest version of each object is held, and beside it what the newest version no longer says: earlier exits,
//! since when a pod is ready or unschedulable. Late and repeated deliveries change nothing: versions are compared,
//! and an exit is known by its container's id. Times are milliseconds of arrival on one monotonic clock; the
//! cluster's own clocks are never compared with it.

use super::life::Life;
use super::note::{Note, Notes};
use super::object::{Claim, Workload};
use super::told::{Kind, Object, Told};
use std::collections::{BTreeMap, BTreeSet};

pub type At = u64;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    pub(super) workloads: BTreeMap<String, (Kind, Workload)>,
    pub(super) pods: BTreeMap<String, Life>,
    pub(super) claims: BTreeMap<String, Claim>,
    /// By the uid of the object that an event is about. Events may arrive before their object.
    pub(super) notes: BTreeMap<String, Notes>,
    /// When a pod of this namespace was last seen to vanish: room and quota came free.
    pub(super) freed: BTreeMap<String, At>,
    gone: BTreeSet<String>,
}

/// What stands in a list may have begun long before: nobody saw what came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Change,
    List,
}

pub fn tell(mut seen: Seen, at: At, told: &Told) -> Seen {
    match told {
        Told::Is(object) => seen.hold(at, object, Source::Change),
        // Events expire, and what they said stays true.
        Told::Gone(object) if object.kind() == Kind::Event => {}
        Told::Gone(object) => seen.drop(at, &object.meta().uid),
        Told::List(kind, objects) => {
            for uid in seen.absent(*kind, objects) {
                seen.drop(at, &uid);
            }
            objects.iter().for_each(|object| seen.hold(at, object, Source::List));
        }
    }
    seen
}

impl Seen {
    /// Whether an object of that uid was seen and is no more. A uid never comes back.
    pub fn is_gone(&self, uid: &str) -> bool {
        self.gone.contains(uid)
    }

    fn hold(&mut self, at: At, object: &Object, source: Source) {
        if self.is_gone(&object.meta().uid) {
            return;
        }
        let uid = object.meta().uid.clone();
        match object {
            Object::Event(event) => {
                if let Some(note) = Note::of(event, at, source) {
                    self.notes.entry(event.involved_object.uid.clone()).or_default().add(note);
                }
            }
            Object::Pod(pod) => self.pods.entry(uid).or_default().tell(at, pod, source),
            Object::Claim(claim) => {
                let held = self.claims.entry(uid).or_default();
                if claim.metadata.version() >= held.metadata.version() {
                    *held = claim.clone();
                }
            }
            Object::Workload(kind, workload) => {
                let held = self.workloads.entry(uid).or_insert_with(|| (*kind, Workload::default()));
                if workload.metadata.version() >= held.1.metadata.version() {
                    held.1 = workload.clone();
                }
            }
        }
    }

    fn drop(&mut self, at: At, uid: &str) {
        if let Some(life) = self.pods.remove(uid) {
            self.freed.insert(life.pod.metadata.namespace, at);
        }
        self.workloads.remove(uid);
        self.claims.remove(uid);
        self.notes.remove(uid);
        self.gone.insert(uid.to_owned());
    }

    /// Held objects that a complete list no longer names.
    fn absent(&self, kind: Kind, listed: &[Object]) -> Vec<String> {
        let listed: BTreeSet<&str> = listed.iter().map(|object| object.meta().uid.as_str()).collect();
        let held: Vec<&String> = match kind {
            Kind::Pod => self.pods.keys().collect(),
            Kind::Claim => self.claims.keys().collect(),
            Kind::Event => Vec::new(),
            _ => self.workloads.iter().filter(|(_, held)| held.0 == kind).map(|(uid, _)| uid).collect(),
        };
        held.into_iter().filter(|uid| !listed.contains(uid.as_str())).cloned().collect()
    }
}
