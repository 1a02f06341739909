//! The pods are refused before they exist: quota, Pod Security, limits, an admission webhook.
//!
//! Said by the ReplicaSet's condition, elsewhere by events. Only refusals that another try cannot change are certain
//! at once. A quota may be used up by pods that are just leaving, and its bookkeeping lags behind their end. A
//! webhook that cannot be called, a conflict, or the 403 that a restarted API server answers to everybody pass by.

use super::fold::At;
use super::object::holds;
use super::roll::Roll;
use super::{Class, Failure, Kind, text};

/// After the last pod left, for the quota to be counted again and the controller to try again.
const QUOTA_MS: u64 = 15_000;

enum Refusal {
    Lasting,
    Quota,
    Passing,
}

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    let words = refused(roll)?;
    let certain = match refusal(words) {
        Refusal::Lasting => true,
        Refusal::Quota => is_quota_certain(roll),
        Refusal::Passing => false,
    };
    certain.then(|| Failure {
        class: Class::Admission,
        line: format!("{}: pods are refused: {}", subject(roll), text::said(without_pod(words))),
        next: "raise the quota or limit, or make the pod what the policy demands; then deploy again",
        need: None,
    })
}

/// The refusal that stands: a condition is cleared, an event followed by `SuccessfulCreate`, once a pod is let in.
pub(super) fn refused<'a>(roll: &Roll<'a>) -> Option<&'a str> {
    if roll.wanted.kind == Kind::Deployment {
        let condition = holds(&roll.set?.status.conditions, "ReplicaFailure")?;
        return (condition.reason == "FailedCreate").then_some(condition.message.as_str());
    }
    let note = roll.notes(&roll.wanted.uid).standing("FailedCreate", "SuccessfulCreate")?;
    // The workload is older than this rollout, and so may the refusal be that its controller met.
    let ours = note.about_version.map_or(note.is_live(), |version| version >= roll.wanted.version);
    ours.then_some(note.message.as_str())
}

/// The API server's sentences: `plugin/pkg/admission` (resourcequota, limitranger), Pod Security, webhooks.
fn refusal(words: &str) -> Refusal {
    let says = |part: &str| words.contains(part);
    if says("exceeded quota") {
        return Refusal::Quota;
    }
    let lasting = says("violates PodSecurity")
        || (says("admission webhook") && says("denied the request"))
        || (says("ValidatingAdmissionPolicy") && says("denied request"))
        || (says("is forbidden") && (says(" usage per ") || says("limit to request ratio")))
        || says("is invalid: ")
        || says("no PriorityClass with name");
    if lasting { Refusal::Lasting } else { Refusal::Passing }
}

/// At once where nobody gives a part of it back; else some time after the last one did.
fn is_quota_certain(roll: &Roll<'_>) -> bool {
    let freed_before = roll.freed_at.is_none_or(|at| at + QUOTA_MS <= roll.wanted.since);
    let taken_by_others = roll.old == 0 && !roll.leaving && freed_before;
    taken_by_others || roll.now >= roll.room_since(since(roll)) + QUOTA_MS
}

fn since(roll: &Roll<'_>) -> At {
    let subject = roll.set.map_or(roll.wanted.uid.as_str(), |set| set.metadata.uid.as_str());
    let first = roll.notes(subject).with("FailedCreate").map(|note| note.first_at).min();
    first.unwrap_or(roll.wanted.since).max(roll.wanted.since)
}

fn subject(roll: &Roll<'_>) -> String {
    roll.set.map_or_else(|| roll.name(), |set| format!("replicaset {}", set.metadata.name))
}

/// The refused pod never existed, and its name is another one with every try.
fn without_pod(words: &str) -> &str {
    words.split_once("\" is forbidden: ").map_or(words, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &str, lasting: bool) {
        assert_eq!(matches!(refusal(words), Refusal::Lasting), lasting, "{words}");
    }

    #[test]
    fn only_refusals_that_another_try_cannot_change_last() {
        check("pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": x", true);
        check("admission webhook \"w\" denied the request: no", true);
        check("pods \"p\" is forbidden: [maximum memory usage per Container is 1Gi, but limit is 2Gi]", true);
        check("Pod \"p\" is invalid: spec.containers[0].image: Required value", true);
        check("Internal error occurred: failed calling webhook \"w\": connection refused", false);
        check("pods is forbidden: User \"system:serviceaccount:x\" cannot create resource \"pods\"", false);
        check("Operation cannot be fulfilled on resourcequotas \"q\": the object has been modified", false);
        check(
            "pods \"p\" is forbidden: error looking up service account n/s: serviceaccount \"s\" not found",
            false,
        );
        check(
            "pods \"p\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=4, limited: pods=4",
            false,
        );
    }
}
