//! The container never came to run: its command does not exist, may not be executed, or the runtime refuses it.

use super::life::{Cause, Life};
use super::roll::Roll;
use super::{Class, Failure, architecture, text};
use crate::track::cannot_start::FailedStart;

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    roll.pods.iter().find_map(|life| {
        let statuses = life.pod.statuses().map(|status| status.name.as_str());
        statuses.into_iter().find_map(|container| {
            let failed = failed_starts(life, container);
            let last = failed.last().filter(|_| is_certain(&failed))?;
            Some(architecture::from_start(Failure {
                class: Class::CannotStart,
                line: format!("{} cannot start: {}", text::place(&life.pod, container), last.why),
                next: "correct the command or the image (path, permission, entrypoint); then deploy again",
                need: None,
            }))
        })
    })
}

/// What may pass is certain the third time in a row: the first retry comes a second after the failure, too soon for a
/// node that is busy, the second one ten seconds later.
fn is_certain(failed: &[FailedStart]) -> bool {
    failed.last().is_some_and(|last| {
        let times = failed.iter().filter(|other| other.why == last.why).count();
        !last.may_pass || times >= 3
    })
}

/// Since the last start that worked.
fn failed_starts(life: &Life, container: &str) -> Vec<FailedStart> {
    let status = life.pod.status_of(container);
    if status.is_some_and(|status| status.state.running.is_some()) {
        return Vec::new();
    }
    let waiting = status.and_then(|status| status.state.waiting.as_ref());
    let no_command =
        waiting.filter(|w| w.reason == "CreateContainerError" && w.message.contains("no command specified"));
    if no_command.is_some() {
        return vec![FailedStart { why: "neither image nor pod names a command".into(), may_pass: false }];
    }
    let exits = life.containers.get(container).map_or(&[][..], |past| &past.exits);
    let trailing = exits.iter().rev().map_while(|ended| match &ended.cause {
        Cause::Start(words) => Some(failed_start(words)),
        _ => None,
    });
    trailing.collect::<Vec<_>>().into_iter().rev().collect()
}

/// runc's and crun's sentences about the program itself cannot change; anything else (a cgroup, a shim, a mount) may.
fn failed_start(words: &str) -> FailedStart {
    let about_program =
        ["exec: \"", "exec format error", "executable file `"].iter().any(|part| words.contains(part));
    let lasting = [
        "no such file or directory",
        "not found",
        "permission denied",
        "is a directory",
        "exec format error",
    ];
    let may_pass = !(about_program && lasting.iter().any(|part| words.contains(part)));
    let cause = words.rsplit_once("unable to start container process: ").map_or(words, |(_, cause)| cause);
    FailedStart { why: text::said(cause.trim_end_matches(": unknown")), may_pass }
}
