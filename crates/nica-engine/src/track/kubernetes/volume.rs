//! A volume whose Secret, ConfigMap or key does not exist. Only an event says so: the pod's status says
//! ContainerCreating for ever.
//!
//! Other mount errors pass by (a disk that its former node still holds, a cache of the kubelet that is not filled
//! yet), so they are left to the deadline.

use super::note::Note;
use super::object::Pod;
use super::roll::Roll;
use super::{Class, Failure, text};

/// For the status to show that an event from a list is history.
const LISTED_MS: u64 = 3_000;

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    let waiting = roll.pods.iter().filter(|life| is_before_start(&life.pod));
    waiting.into_iter().find_map(|life| {
        let notes = roll.notes(&life.pod.metadata.uid);
        let stands = |note: &&Note| note.is_live() || roll.now >= note.first_at + LISTED_MS;
        let note = notes.with("FailedMount").filter(stands).find(|note| is_missing(&note.message))?;
        Some(Failure {
            class: Class::Volume,
            line: format!("pod {}: {}", life.pod.metadata.name, text::said(&note.message)),
            next: "create what the line names, or mark the volume optional; then deploy again",
            need: None,
        })
    })
}

/// A pod's sandbox is made when all its volumes are mounted. The condition says so since 1.29.
fn is_before_start(pod: &Pod) -> bool {
    let mounted = pod.condition("PodReadyToStartContainers").is_some_and(|c| c.status == "True");
    let waits = |reason: &str| reason == "ContainerCreating" || reason == "PodInitializing";
    let mut states = pod.statuses().map(|status| status.state.waiting.as_ref());
    !mounted && states.all(|waiting| waiting.is_some_and(|w| waits(&w.reason)))
}

/// The kubelet's sentences in `pkg/volume/{configmap,secret,projected}`.
fn is_missing(words: &str) -> bool {
    let absent =
        ["configmap \"", "secret \""].iter().any(|kind| words.contains(kind)) && words.ends_with("not found");
    absent || words.contains("references non-existent")
}
