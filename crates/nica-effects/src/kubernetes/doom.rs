//! Why what a component was asked for can no longer come true, as far as its pods and conditions say so with certainty.
//!
//! Pure. Nothing here waits or counts time: each signal is one that a good rollout never shows.

use super::object;
use super::pods::{ContainerStatus, Pod, State};
use nica_engine::track::crash_loop::{self, Exit, Reason};
use nica_engine::track::{Class, Diagnosis};
use serde_json::Value;

/// A diagnosis and the container whose log explains it.
pub(super) struct Doom {
    pub diagnosis: Diagnosis,
    pub source: Option<LogSource>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogSource {
    pub pod: String,
    pub container: String,
    pub previous: bool,
}

/// Of the pods that were asked for; `sets` are the workload itself and, of a Deployment, its ReplicaSets of this generation.
pub(super) fn judge(pods: &[&Pod], sets: &[&Value]) -> Option<Doom> {
    let by_pod = pods.iter().filter(|pod| !pod.is_going()).find_map(|pod| {
        let all = pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses);
        all.filter_map(|container| of_container(pod, container)).next()
    });
    by_pod.or_else(|| sets.iter().find_map(|set| of_conditions(set)))
}

fn of_container(pod: &Pod, container: &ContainerStatus) -> Option<Doom> {
    let line = |class, what: String, source| {
        let line = format!("container {} of Pod/{}: {what}", container.name, pod.metadata.name);
        Some(Doom { diagnosis: Diagnosis { class, line, log_tail: Vec::new() }, source })
    };
    let never = |reason: &str| NEVER_STARTS.contains(&reason);
    if let Some(waiting) = container.state.waiting.as_ref().filter(|waiting| never(&waiting.reason)) {
        let message: String = waiting.message.chars().take(MESSAGE_CHARS).collect();
        return line(Class::CannotStart, format!("{} {message}", waiting.reason), None);
    }
    let exits = exits(container);
    let why = crash_loop::judge(&exits)?;
    let source = LogSource {
        pod: pod.metadata.name.clone(),
        container: container.name.clone(),
        previous: container.state.terminated.is_none(),
    };
    line(Class::CrashLoop, why, Some(source))
}

/// The second failure to pull is reported as back-off; the first may be an accident of the registry.
const NEVER_STARTS: [&str; 4] =
    ["ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"];
const MESSAGE_CHARS: usize = 200;

/// Exits that the status still shows: the last, and the one before it. Their number is the restart count's to tell.
fn exits(container: &ContainerStatus) -> Vec<Exit> {
    let shown = [&container.last_state, &container.state].into_iter().filter_map(exit);
    let mut exits: Vec<Exit> = shown.collect();
    if let ([only], true) = (exits.as_slice(), container.restart_count >= 2) {
        exits.push(only.clone());
    }
    exits
}

/// How long it was ready stands nowhere; what ran for this long is taken to have been.
fn exit(state: &State) -> Option<Exit> {
    let terminated = state.terminated.as_ref().filter(|terminated| terminated.exit_code != 0)?;
    let ran = terminated.ran_ms().unwrap_or(0);
    let ready_ms = (ran >= HEALTHY_RUN_MS).then_some(ran);
    Some(Exit { reason: Reason::Code(terminated.exit_code), ready_ms })
}

const HEALTHY_RUN_MS: u64 = 30_000;

/// A quota or an admission that refuses pods shows on who makes them; a Job that has failed says so itself.
fn of_conditions(set: &Value) -> Option<Doom> {
    let refused = object::conditions(set).find(|condition| {
        let kind = object::text(condition, "/type");
        object::text(condition, "/status") == Some("True")
            && (kind == Some("Failed")
                || kind == Some("ReplicaFailure")
                    && object::text(condition, "/reason") == Some("FailedCreate"))
    })?;
    let message: String =
        object::text(refused, "/message").unwrap_or_default().chars().take(MESSAGE_CHARS).collect();
    let kind = object::text(set, "/kind").unwrap_or("ReplicaSet");
    let line = format!("{kind}/{}: {message}", object::name(set));
    Some(Doom {
        diagnosis: Diagnosis { class: Class::CannotStart, line, log_tail: Vec::new() },
        source: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(status: Value, expected: Option<(Class, &str)>) {
        let pod = json!({ "metadata": { "name": "p" }, "status": { "containerStatuses": [status] } });
        let pod: Pod = serde_json::from_value(pod).expect("it is a pod");
        let doom = judge(&[&pod], &[]).map(|doom| (doom.diagnosis.class, doom.diagnosis.line));
        assert_eq!(doom, expected.map(|(class, line)| (class, line.to_string())));
    }

    fn ended(code: i32, seconds: u32) -> Value {
        let finished = format!("2026-01-01T00:{:02}:{:02}Z", seconds / 60, seconds % 60);
        json!({ "terminated": { "exitCode": code, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": finished } })
    }

    #[test]
    fn second_failed_exit_is_a_loop_and_the_first_is_not() {
        let line =
            "container a of Pod/p: replica exits with code 1, 2 times, before it was ready long enough";
        let loops = Some((Class::CrashLoop, line));
        check(json!({ "name": "a", "restartCount": 1, "lastState": ended(1, 2) }), None);
        check(json!({ "name": "a", "restartCount": 2, "lastState": ended(1, 2) }), loops);
        check(
            json!({ "name": "a", "restartCount": 1, "lastState": ended(1, 2), "state": ended(1, 2) }),
            loops,
        );
        check(json!({ "name": "a", "restartCount": 9, "lastState": ended(0, 2) }), None);
        check(json!({ "name": "a", "restartCount": 9, "lastState": ended(1, 300) }), None);
    }

    #[test]
    fn an_image_that_cannot_be_pulled_twice_never_starts() {
        let waits = |reason: &str| json!({ "name": "a", "state": { "waiting": { "reason": reason, "message": "m" } } });
        check(
            waits("ImagePullBackOff"),
            Some((Class::CannotStart, "container a of Pod/p: ImagePullBackOff m")),
        );
        check(waits("ErrImagePull"), None);
        check(waits("ContainerCreating"), None);
    }

    #[test]
    fn pods_that_a_quota_refuses_show_on_their_replica_set() {
        let condition = json!({ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota" });
        let set = json!({ "kind": "ReplicaSet", "metadata": { "name": "s" }, "status": { "conditions": [condition] } });
        let doom = judge(&[], &[&set]).expect("nothing will come of it");
        assert_eq!(doom.diagnosis.line, "ReplicaSet/s: exceeded quota");
    }
}
