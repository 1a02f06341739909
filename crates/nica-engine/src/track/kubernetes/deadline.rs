//! Our own limit, by arithmetic on the probes' numbers: it runs from the moment of applying, so readiness that flaps
//! cannot extend it, and it has passed as soon as even the fastest course would end after it.
//!
//! Pods that run and are not ready are class `readiness`; where nothing runs, it is only `deadline`, with the last
//! word that the cluster said. Time that we ourselves add to believe a ready pod is not held against it.

use super::life::Life;
use super::object::{Container, Pod, Probe, Share};
use super::roll::Roll;
use super::{Class, Failure, Kind, admission, probe, text};
use crate::track::crash_loop::Reason;
use crate::track::readiness::{self, Outlook};

/// For the controller to take the last older pods away, once all new ones are ready.
const OLD_MS: u64 = 5_000;
/// The kubelet reports a start within a second or two, and later under load: a pod may be further than it is known.
const STATUS_LAG_MS: u64 = 5_000;

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    let passed_ms = roll.now.saturating_sub(roll.wanted.since);
    let missing = missing(roll);
    let (limit_ms, next_probe_in_ms) = (roll.wanted.limit_ms, earliest_ms(roll));
    let by_arithmetic = readiness::judge(&Outlook { limit_ms, passed_ms, missing, next_probe_in_ms });
    let remains = || format!("{} older pods still serve {limit_ms} ms after applying", roll.old);
    let by_old = || (roll.old > 0 && passed_ms > limit_ms.saturating_add(OLD_MS)).then(remains);
    let line = by_arithmetic.or_else(by_old)?;
    Some(if passed_ms > limit_ms { worded(roll, &line) } else { foreseen(roll, &line, next_probe_in_ms) })
}

/// Before the limit: the probes' own numbers do not fit into it.
fn foreseen(roll: &Roll<'_>, line: &str, rest_ms: u64) -> Failure {
    Failure {
        class: Class::Readiness,
        line: format!("{}: {line}, but its readiness probes need {rest_ms} ms at least", roll.name()),
        next: "shorten initialDelaySeconds or the probe's rounds, or raise the limit",
        need: None,
    }
}

fn missing(roll: &Roll<'_>) -> u32 {
    match roll.wanted.kind {
        Kind::Job => 1,
        _ if !roll.observed => roll.replicas.max(1),
        _ => roll.replicas.saturating_sub(roll.ready()),
    }
}

fn worded(roll: &Roll<'_>, line: &str) -> Failure {
    let running = roll.pods.iter().find_map(|life| Some((*life, unready(&life.pod)?)));
    match running.filter(|_| roll.wanted.kind != Kind::Job) {
        Some((life, container)) => {
            let notes = roll.notes(&life.pod.metadata.uid);
            let words = probe::complaint(notes, container, "readiness").unwrap_or_else(|| "no answer".into());
            let place = text::place(&life.pod, container);
            Failure {
                class: Class::Readiness,
                line: format!("{}: {line}; {place} runs, and its readiness probe says: {words}", roll.name()),
                next: "see in the log what the program waits for; when it is only slow to start, raise the limit",
                need: text::log(life, container),
            }
        }
        None => Failure {
            class: Class::Deadline,
            line: format!("{}: {line}; {}", roll.name(), last_word(roll)),
            next: "look at what the line names; when it only needs longer, raise the limit",
            need: last_exit(roll).and_then(|(life, container, _)| text::log(life, container)),
        },
    }
}

/// A container that runs and is not ready, in a pod whose init containers are through.
fn unready(pod: &Pod) -> Option<&str> {
    let status =
        pod.status.container_statuses.iter().find(|status| !status.ready && status.state.running.is_some());
    status.map(|status| status.name.as_str())
}

fn last_word(roll: &Roll<'_>) -> String {
    let Some(workload) = roll.workload else { return "the cluster never showed it".into() };
    if workload.spec.paused || workload.spec.suspend {
        return "it is paused".into();
    }
    let waits = roll.pods.iter().find(|life| !life.pod.is_ready()).map(|life| waits(roll, life));
    let refused = || admission::refused(roll).map(|words| format!(": {}", text::said(words)));
    waits.unwrap_or_else(|| format!("its controller makes no pod{}", refused().unwrap_or_default()))
}

fn waits(roll: &Roll<'_>, life: &Life) -> String {
    let pod = &life.pod;
    let notes = roll.notes(&pod.metadata.uid);
    let mount =
        ["FailedMount", "FailedAttachVolume"].iter().flat_map(|reason| notes.with(reason)).next_back();
    let unbound = pod.unschedulable().map(|condition| condition.message.as_str());
    let words = mount.map(|note| note.message.as_str()).or(unbound);
    let waiting = pod.statuses().find_map(|status| status.state.waiting.as_ref()).map(|w| w.reason.as_str());
    let exit =
        last_exit(roll).map(|(_, container, reason)| format!("; {container} last exited with {reason}"));
    let words = text::said(words.or(waiting).unwrap_or("no news of it"));
    format!("pod {}: {words}{}", pod.metadata.name, exit.unwrap_or_default())
}

/// Of the first pod that is not ready.
fn last_exit<'a>(roll: &Roll<'a>) -> Option<(&'a Life, &'a str, Reason)> {
    let life = roll.pods.iter().copied().find(|life| !life.pod.is_ready())?;
    let mut pasts = life.containers.iter();
    pasts.find_map(|(name, past)| Some((life, name.as_str(), past.exits.last()?.exit.reason)))
}

/// The earliest moment, from now on, at which the last missing pod can be ready. Every term is the least that the
/// numbers allow.
fn earliest_ms(roll: &Roll<'_>) -> u64 {
    let unready = roll.pods.iter().filter(|life| !life.pod.is_ready());
    let begun = unready.map(|life| rest_ms(life, roll.now)).max().unwrap_or(0);
    let unborn = roll.replicas.saturating_sub(u32::try_from(roll.pods.len()).unwrap_or(u32::MAX));
    let from_start = roll.pods.iter().map(|life| from_start_ms(&life.pod)).min().unwrap_or(0);
    let waves = u64::from(unborn.div_ceil(at_once(roll).max(1)));
    match roll.wanted.kind {
        Kind::Job => 0,
        _ => begun.max(waves.saturating_mul(from_start)).saturating_sub(STATUS_LAG_MS),
    }
}

/// How many pods the controller may bring up together, at most. Older pods that are not ready make room for more.
fn at_once(roll: &Roll<'_>) -> u32 {
    let Some(spec) = roll.workload.map(|workload| &workload.spec) else { return u32::MAX };
    let most =
        |share: &Option<Share>, default: u32| share.as_ref().map_or(default, |s| s.at_most(roll.replicas));
    let rolling = &spec.strategy.rolling_update;
    match roll.wanted.kind {
        Kind::StatefulSet if spec.pod_management_policy == "Parallel" => u32::MAX,
        Kind::StatefulSet => most(&spec.update_strategy.rolling_update.max_unavailable, 1),
        Kind::Deployment if spec.strategy.kind != "Recreate" && roll.old_serve => {
            most(&rolling.max_surge, roll.replicas)
                .saturating_add(most(&rolling.max_unavailable, roll.replicas))
        }
        _ => u32::MAX,
    }
}

/// Of a pod that exists.
fn rest_ms(life: &Life, now: u64) -> u64 {
    let rest = |(container, runs_once): (&Container, bool)| {
        let probe = container.readiness_probe.as_ref().filter(|_| !runs_once)?;
        let since = life.containers.get(&container.name).and_then(|past| past.running_since);
        let passed = since.map_or(0, |since| now.saturating_sub(since));
        let ready = life.pod.status_of(&container.name).is_some_and(|status| status.ready);
        (!ready).then(|| delay_ms(probe).saturating_sub(passed))
    };
    life.pod.containers().filter_map(rest).max().unwrap_or(0)
}

fn from_start_ms(pod: &Pod) -> u64 {
    let probes = pod.spec.containers.iter().filter_map(|container| container.readiness_probe.as_ref());
    probes.map(delay_ms).max().unwrap_or(0)
}

fn delay_ms(probe: &Probe) -> u64 {
    let rounds =
        u64::from(probe.success_threshold.saturating_sub(1)).saturating_mul(u64::from(probe.period_seconds));
    u64::from(probe.initial_delay_seconds).saturating_add(rounds).saturating_mul(1_000)
}
