//! One pod through time: its newest version, and what later versions no longer say.

use super::fold::{At, Source};
use super::object::{Container, ContainerStatus, Pod, Terminated};
use super::steady;
use crate::track::crash_loop::{Exit, Reason};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Life {
    pub pod: Pod,
    /// Since when it is ready without a break.
    pub ready_since: Option<At>,
    /// It was once ready for long enough, or nobody saw since when: it can work. It forgives; it never makes a pod
    /// count as ready.
    pub proven: bool,
    pub unschedulable_since: Option<At>,
    pub containers: BTreeMap<String, Past>,
}

/// The past of one container.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Past {
    pub exits: Vec<Ended>,
    /// When its program was first seen to run, of the present start; 0 when it ran before anybody looked.
    pub running_since: Option<At>,
    /// Since when the present start is ready without a break.
    ready_since: Option<At>,
    /// When pulling its image failed first, and last, since it was last there.
    pub pull_failed: Option<(At, At)>,
    /// Its last reason to wait.
    waits: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    id: String,
    pub cause: Cause,
    pub exit: Exit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Exit,
    OutOfMemory,
    /// It never ran; the container runtime's words.
    Start(String),
}

impl Life {
    pub(super) fn tell(&mut self, at: At, pod: &Pod, source: Source) {
        // Also what arrives late may show an exit that nobody has seen yet.
        self.learn_exits(at, pod, source == Source::List && pod.is_ready());
        if pod.metadata.version() < self.pod.metadata.version() {
            return;
        }
        self.learn_readiness(at, pod);
        self.proven |= source == Source::List && pod.is_ready();
        self.unschedulable_since = pod.unschedulable().and(self.unschedulable_since.or(Some(at)));
        for status in pod.statuses() {
            let before = self.pod.status_of(&status.name);
            let same_start = before.is_some_and(|before| before.state.running == status.state.running);
            self.containers.entry(status.name.clone()).or_default().tell(at, status, same_start, source);
        }
        self.pod = pod.clone();
    }

    fn learn_readiness(&mut self, at: At, pod: &Pod) {
        let long_enough =
            self.ready_since.is_some_and(|since| at.saturating_sub(since) >= steady::needed_ms(&self.pod, 0));
        self.proven |= long_enough;
        let transition = |pod: &Pod| pod.condition("Ready").map(|ready| ready.last_transition_time.clone());
        let restarts = |pod: &Pod| pod.statuses().map(|status| status.restart_count).sum::<u32>();
        let unbroken = transition(&self.pod) == transition(pod) && restarts(&self.pod) == restarts(pod);
        self.ready_since = match pod.is_ready() {
            true => self.ready_since.filter(|_| unbroken).or(Some(at)),
            false => None,
        };
    }

    /// `forgiven`: a pod that was ready when somebody first looked may have ended weeks ago, and served since.
    fn learn_exits(&mut self, at: At, pod: &Pod, forgiven: bool) {
        for (container, runs_once) in pod.containers() {
            let Some(status) = pod.status_of(&container.name) else { continue };
            let past = self.containers.entry(container.name.clone()).or_default();
            let held = self.pod.status_of(&container.name).map_or(0, |held| held.restart_count);
            let ready_ms = past.ready_ms(at, container).filter(|_| held <= status.restart_count);
            let ready_ms = if forgiven { Some(u64::MAX) } else { ready_ms };
            let both = [&status.last_state.terminated, &status.state.terminated];
            for ended in both.into_iter().flatten().filter(|ended| !(runs_once && ended.exit_code == 0)) {
                past.learn(ended, ready_ms);
            }
        }
    }
}

impl Past {
    fn tell(&mut self, at: At, status: &ContainerStatus, same_start: bool, source: Source) {
        let since = |held: Option<At>| held.filter(|_| same_start).or(Some(at));
        let began = if source == Source::List { Some(0) } else { since(self.running_since) };
        self.running_since = status.state.running.as_ref().and(began);
        self.ready_since = if status.ready { since(self.ready_since) } else { None };
        let begun = status.state.running.is_some() || status.state.terminated.is_some();
        let waits = status.state.waiting.as_ref().map_or("", |waiting| waiting.reason.as_str());
        // `ErrImagePull` is a try that failed just now, `ImagePullBackOff` the pause after it.
        let tried = waits == "ErrImagePull" && self.waits != waits;
        self.waits = waits.into();
        self.pull_failed = match (self.pull_failed, is_pull(waits)) {
            _ if begun => None,
            (None, true) => Some((at, at)),
            (Some((first, _)), true) if tried => Some((first, at)),
            (failed, _) => failed,
        };
    }

    /// How long the container had been ready when its present start ended; None where being ready meant nothing.
    fn ready_ms(&self, at: At, container: &Container) -> Option<u64> {
        let for_ms = at.saturating_sub(self.ready_since?);
        (for_ms >= steady::vacuous_ms(container)).then_some(for_ms)
    }

    fn learn(&mut self, ended: &Terminated, ready_ms: Option<u64>) {
        let id = match ended.container_id.is_empty() {
            false => ended.container_id.clone(),
            true => format!("{}/{}/{}", ended.started_at, ended.finished_at, ended.exit_code),
        };
        if self.exits.iter().any(|known| known.id == id) {
            return;
        }
        let (cause, reason) = (cause(ended), reason(ended));
        self.exits.push(Ended { id, cause, exit: Exit { reason, ready_ms } });
    }
}

fn cause(ended: &Terminated) -> Cause {
    match ended.reason.as_str() {
        "OOMKilled" => Cause::OutOfMemory,
        "StartError" | "ContainerCannotRun" => Cause::Start(ended.message.clone()),
        _ => Cause::Exit,
    }
}

/// A node that was rebooted or lost its container knows no exit code: containerd says `Unknown` with 255, the
/// kubelet `ContainerStatusUnknown` with 137.
fn reason(ended: &Terminated) -> Reason {
    match ended.reason.as_str() {
        "Unknown" | "ContainerStatusUnknown" => Reason::Unknown,
        _ => Reason::Code(ended.exit_code),
    }
}

/// The kubelet's reasons while an image cannot be had (`pkg/kubelet/images/types.go`).
pub(super) fn is_pull(reason: &str) -> bool {
    matches!(
        reason,
        "ErrImagePull"
            | "ImagePullBackOff"
            | "ErrImageNeverPull"
            | "InvalidImageName"
            | "ImageInspectError"
            | "RegistryUnavailable"
            | "SignatureValidationFailed"
    )
}
