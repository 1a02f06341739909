//! No node takes the pod.
//!
//! Certain after fifteen seconds without a reason to hope: no autoscaler said that a node is coming, no pod is being
//! preempted for this one, and no pod of the namespace is leaving and giving its room back.

use super::life::Life;
use super::roll::Roll;
use super::{Class, Failure, claim, text};

/// The cluster autoscaler looks every ten seconds and says `TriggeredScaleUp` on the pod.
const HOPE_MS: u64 = 15_000;

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    let life = roll.pods.iter().find(|life| is_certain(roll, life))?;
    let words = life.pod.unschedulable().map_or("", |condition| condition.message.as_str());
    Some(Failure {
        class: Class::Schedule,
        line: format!("no node takes pod {}: {}", life.pod.metadata.name, text::said(words)),
        next: "add room or a node that fits, or lower the requests or selectors; then deploy again",
        need: None,
    })
}

fn is_certain(roll: &Roll<'_>, life: &Life) -> bool {
    let Some(since) = life.unschedulable_since else { return false };
    let notes = roll.notes(&life.pod.metadata.uid);
    let coming = ["TriggeredScaleUp", "Nominated"].iter().any(|reason| notes.with(reason).next().is_some());
    let preempting = !life.pod.status.nominated_node_name.is_empty();
    let hopeless = !coming && !preempting && !claim::is_waited_for(life);
    hopeless && roll.now >= roll.room_since(since) + HOPE_MS
}
