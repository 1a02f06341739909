//! A volume claim that nothing will bind. It shows on the claim, not on the pod, which is only unschedulable.
//!
//! A claim that a provisioner is working on makes its pod unschedulable, too, for as long as a disk takes; therefore
//! only the claim's own events decide, and a provisioner's temporary errors get time.

use super::life::Life;
use super::note::{Note, Notes};
use super::roll::Roll;
use super::{Class, Failure, text};

/// A provisioner retries with growing pauses; within a minute it tries about five times.
const PROVISION_MS: u64 = 60_000;
/// Claim and pod may be created in either order.
const MISSING_MS: u64 = 15_000;

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    let blocked = roll.pods.iter().filter(|life| life.unschedulable_since.is_some());
    blocked.flat_map(|life| claims(life).map(move |claim| (life, claim))).find_map(|(life, claim)| {
        let why = is_missing(roll, life, claim).or_else(|| is_unbound(roll, life, claim))?;
        Some(Failure {
            class: Class::Claim,
            line: format!("claim {claim} of pod {} is not bound: {why}", life.pod.metadata.name),
            next: "give the claim a storage class that exists, or create the volume; then deploy again",
            need: None,
        })
    })
}

/// Whether the pod waits for a claim, so that it is not a matter of room on the nodes.
pub(super) fn is_waited_for(life: &Life) -> bool {
    let words = life.pod.unschedulable().map_or("", |condition| condition.message.as_str());
    claims(life).next().is_some() && words.to_lowercase().contains("persistentvolumeclaim")
}

fn claims(life: &Life) -> impl Iterator<Item = &str> {
    let names = life.pod.spec.volumes.iter().map(|volume| volume.persistent_volume_claim.claim_name.as_str());
    names.filter(|name| !name.is_empty())
}

fn is_missing(roll: &Roll<'_>, life: &Life, claim: &str) -> Option<String> {
    let says = format!("persistentvolumeclaim \"{claim}\" not found");
    let since = life
        .unschedulable_since
        .filter(|_| life.pod.unschedulable().is_some_and(|c| c.message.contains(&says)))?;
    (roll.now >= since + MISSING_MS).then(|| "it does not exist".into())
}

fn is_unbound(roll: &Roll<'_>, life: &Life, claim: &str) -> Option<String> {
    let namespace = &life.pod.metadata.namespace;
    let held = roll
        .seen
        .claims
        .values()
        .find(|held| held.metadata.name == *claim && held.metadata.namespace == *namespace);
    if held.is_some_and(|held| held.status.phase == "Bound") {
        return None;
    }
    let notes = match held {
        Some(held) => roll.notes(&held.metadata.uid),
        None => roll.seen.notes.values().find(|notes| is_about(notes, namespace, claim))?,
    };
    let mut binding = notes.with("FailedBinding");
    let unbindable = binding.rfind(|note| note.message.contains("no storage class is set"));
    unbindable.or_else(|| unprovided(notes)).map(|note| text::said(&note.message))
}

/// A class that does not exist, or a provisioner that has failed for a minute and just failed again.
fn unprovided(notes: &Notes) -> Option<&Note> {
    let first_at = notes.with("ProvisioningFailed").map(|note| note.first_at).min()?;
    notes.with("ProvisioningFailed").rfind(|note| {
        let unknown =
            note.message.contains("storageclass.storage.k8s.io") && note.message.contains("not found");
        unknown || note.live_at.is_some_and(|at| at >= first_at + PROVISION_MS)
    })
}

fn is_about(notes: &Notes, namespace: &str, claim: &str) -> bool {
    ["FailedBinding", "ProvisioningFailed"].iter().flat_map(|reason| notes.with(reason)).any(|note| {
        let (kind, inside, name) = &note.about;
        kind == "PersistentVolumeClaim" && inside == namespace && name == claim
    })
}
