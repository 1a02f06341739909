//! A Job has a verdict of its own: Complete, or failed with a reason. Its retries are its author's wish, so a pod
//! that fails is no failure before the Job says so.

use super::life::Life;
use super::object::{Condition, holds};
use super::roll::Roll;
use super::{Class, Failure, Kind, text};

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    let conditions = &roll.workload.filter(|_| roll.wanted.kind == Kind::Job)?.status.conditions;
    // `FailureTarget` comes first: the verdict is made, only pods are still ending (since 1.31).
    let failed = holds(conditions, "Failed").or_else(|| holds(conditions, "FailureTarget"))?;
    let last = last_failed(roll);
    let exit = last.map(|(life, container, code)| {
        let ended = format!("; {} ended with code {code}", text::place(&life.pod, container));
        (ended, text::log(life, container))
    });
    let (ended, need) = exit.unzip();
    Some(Failure {
        class: Class::Job,
        line: format!("{}: {}{}", roll.name(), reason(failed), ended.unwrap_or_default()),
        next: "read the log lines below; make the work pass, or raise backoffLimit or activeDeadlineSeconds",
        need: need.flatten(),
    })
}

pub(super) fn is_done(roll: &Roll<'_>) -> bool {
    let conditions =
        roll.workload.filter(|_| roll.wanted.kind == Kind::Job).map(|job| &job.status.conditions);
    conditions
        .is_some_and(|all| ["Complete", "SuccessCriteriaMet"].iter().any(|name| holds(all, name).is_some()))
}

fn reason(failed: &Condition) -> String {
    match failed.reason.as_str() {
        "BackoffLimitExceeded" => "its pods failed more often than backoffLimit allows".into(),
        "DeadlineExceeded" => "it ran longer than activeDeadlineSeconds".into(),
        "PodFailurePolicy" => "a pod failed in a way that its podFailurePolicy calls final".into(),
        other => format!("failed with {other}: {}", text::said(&failed.message)),
    }
}

/// A container that ended badly, in the youngest pod that shows one.
fn last_failed<'a>(roll: &Roll<'a>) -> Option<(&'a Life, &'a str, i32)> {
    let ours = |life: &&Life| life.pod.metadata.owner() == Some(roll.wanted.uid.as_str());
    let mut pods: Vec<&Life> = roll.seen.pods.values().filter(ours).collect();
    pods.sort_by_key(|life| std::cmp::Reverse(life.pod.metadata.version()));
    pods.into_iter().find_map(|life| {
        life.pod.statuses().find_map(|status| {
            let ended = status.state.terminated.as_ref().or(status.last_state.terminated.as_ref())?;
            (ended.exit_code != 0).then_some((life, status.name.as_str(), ended.exit_code))
        })
    })
}
