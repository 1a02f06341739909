//! Each recorded rollout ends in its class and its line, within a second of the first signal that proves it.

use super::recordings::{ALL, at, read, text_of};
use super::replay::{Delivery, Life, replay};
use nica_engine::track::kubernetes::{At, Failure, Need, Verdict};
use nica_engine::track::{Class, Diagnosis};

/// A verdict may follow its signal by this.
const LAG_MS: i64 = 1_000;
/// By policy, as long as the recording is.
const NEVER_READY_LIMIT_MS: u64 = 40_000;

pub(super) fn life(name: &str) -> Life {
    let mut life = read(name);
    if name == "never-ready" {
        life.wanted.limit_ms = NEVER_READY_LIMIT_MS;
    }
    life
}

pub(super) fn failure(verdict: Verdict, name: &str) -> Failure {
    match verdict {
        Verdict::Failed(failure) => failure,
        other => panic!("{name}: {other:?}"),
    }
}

/// Arrival of the first line that has all of these words.
fn signal(name: &str, words: &[&str]) -> At {
    let text = text_of(name);
    let line = text.lines().find(|line| words.iter().all(|word| line.contains(word)));
    at(&serde_json::from_str(line.expect("the words are in the recording")).unwrap())
}

struct Case {
    name: &'static str,
    /// Words of the delivery that proves it, as the table in engine.md and the recording's own say.
    signal: &'static [&'static str],
    /// What the class waits for on purpose after its signal.
    after_ms: u64,
    class: Class,
    line: &'static str,
    /// The container whose log belongs to it.
    log: Option<&'static str>,
}

fn check(case: &Case) {
    let name = case.name;
    let (found_at, verdict) = replay(&life(name)).unwrap_or_else(|| panic!("{name}: no verdict"));
    let failure = failure(verdict, name);
    assert_eq!((failure.class, failure.line.as_str()), (case.class, case.line), "{name}");
    let log = failure.need.map(|Need::Log { container, .. }| container);
    assert_eq!(log.as_deref(), case.log, "{name}");
    let (signal_at, found_at) = (signal(name, case.signal) + case.after_ms, found_at);
    let lag = i64::try_from(found_at).unwrap() - i64::try_from(signal_at).unwrap();
    println!("{name:26} {lag:+5} ms");
    assert!(lag <= LAG_MS, "{name}: {lag} ms after its signal");
}

const CASES: [Case; 18] = [
    Case {
        name: "arm64",
        signal: &["\"reason\": \"BackOff\""],
        after_ms: 0,
        class: Class::CrashLoop,
        line: "container c of pod d-6655697c8-8rnhl exits with code 1, 2 times, before it was ready long enough",
        log: Some("c"),
    },
    Case {
        name: "arm64-mislabelled",
        signal: &["\"reason\": \"BackOff\""],
        after_ms: 0,
        class: Class::CrashLoop,
        line: "container c of pod d-5777dcf49f-bljvp exits with code 1, 2 times, before it was ready long enough",
        log: Some("c"),
    },
    Case {
        name: "bad-command",
        signal: &["\"reason\": \"Failed\""],
        after_ms: 0,
        class: Class::CannotStart,
        line: "container c of pod d-75bd56dfd4-7lz9p cannot start: exec: \"/no/such\": stat /no/such: no such file or directory",
        log: None,
    },
    Case {
        name: "exit1",
        signal: &["\"reason\": \"BackOff\""],
        after_ms: 0,
        class: Class::CrashLoop,
        line: "container c of pod d-8655cf4bd4-th59j exits with code 1, 2 times, before it was ready long enough",
        log: Some("c"),
    },
    Case {
        name: "init-fail",
        signal: &["\"reason\": \"BackOff\""],
        after_ms: 0,
        class: Class::CrashLoop,
        line: "init container i of pod d-594c5b5b6f-mkp2h exits with code 2, 2 times, before it was ready long enough",
        log: Some("i"),
    },
    Case {
        name: "liveness",
        signal: &["\"reason\": \"Killing\""],
        after_ms: 0,
        class: Class::Probe,
        line: "container c of pod d-965d8bfc4-zvxgs was killed once by its liveness probe: HTTP probe failed with statuscode: 500",
        log: Some("c"),
    },
    Case {
        name: "missing-configmap-volume",
        signal: &["\"reason\": \"FailedMount\""],
        after_ms: 0,
        class: Class::Volume,
        line: "pod d-6f87f54ff4-zswpd: MountVolume.SetUp failed for volume \"v\" : configmap \"nosuch\" not found",
        log: None,
    },
    Case {
        name: "missing-image",
        signal: &["\"reason\": \"Failed\""],
        after_ms: 0,
        class: Class::Image,
        line: "container c of pod d-6878454d8d-jxm6w: image registry.local:5000/nope:v1 does not exist: registry.local:5000/nope:v1: not found",
        log: None,
    },
    Case {
        name: "missing-secret-env",
        signal: &["\"reason\": \"Failed\""],
        after_ms: 0,
        class: Class::Config,
        line: "container c of pod d-5c954568db-m5hkp: secret \"nosuch\" not found",
        log: None,
    },
    Case {
        name: "missing-secret-key",
        signal: &["\"reason\": \"Failed\""],
        after_ms: 0,
        class: Class::Config,
        line: "container c of pod d-6fb879cb6f-ht6lr: couldn't find key nokey in Secret rec-missing-secret-key/have",
        log: None,
    },
    Case {
        name: "missing-secret-volume",
        signal: &["\"reason\": \"FailedMount\""],
        after_ms: 0,
        class: Class::Volume,
        line: "pod d-69654745f6-tctgn: MountVolume.SetUp failed for volume \"v\" : secret \"nosuch\" not found",
        log: None,
    },
    Case {
        name: "never-ready",
        signal: &["\"kind\": \"Deployment\""],
        after_ms: NEVER_READY_LIMIT_MS,
        class: Class::Readiness,
        line: "deployment d: 1 replicas are not ready and 0 ms of 40000 ms are left; container c of pod d-7b747d7f7b-ftxc4 runs, and its readiness probe says: HTTP probe failed with statuscode: 503",
        log: Some("c"),
    },
    Case {
        name: "oom",
        signal: &["\"reason\": \"BackOff\""],
        after_ms: 0,
        class: Class::Memory,
        line: "container c of pod d-7689f9c8c4-4dnl9 was ended 2 times at its memory limit (OOMKilled)",
        log: Some("c"),
    },
    Case {
        name: "podsecurity",
        signal: &["\"kind\": \"ReplicaSet\"", "ReplicaFailure"],
        after_ms: 0,
        class: Class::Admission,
        line: "replicaset d-7559bd7b65: pods are refused: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"c\" must set secur…",
        log: None,
    },
    Case {
        name: "pvc-unbound",
        signal: &["\"kind\": \"Pod\"", "\"reason\": \"Unschedulable\""],
        after_ms: 0,
        class: Class::Claim,
        line: "claim data of pod d-5d8bd6447c-pzhhp is not bound: no persistent volumes available for this claim and no storage class is set",
        log: None,
    },
    Case {
        name: "quota",
        signal: &["\"kind\": \"ReplicaSet\"", "ReplicaFailure"],
        after_ms: 0,
        class: Class::Admission,
        line: "replicaset d-7559bd7b65: pods are refused: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0",
        log: None,
    },
    Case {
        name: "registry-down",
        signal: &["\"reason\": \"Failed\""],
        after_ms: 60_000,
        class: Class::Registry,
        line: "container c of pod d-6d5ffd89f-pl6c9: image 192.0.2.1:5999/x:v1 could not be pulled for 60 s: failed to do request: Head \"https://192.0.2.1:5999/v2/x/manifests/v1\": dial tcp 192.0.2.1:5999: connect: connection refused",
        log: None,
    },
    Case {
        name: "unschedulable",
        signal: &["\"kind\": \"Pod\"", "\"reason\": \"Unschedulable\""],
        after_ms: 15_000,
        class: Class::Schedule,
        line: "no node takes pod d-fb8c8b64f-7gfhc: 0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
        log: None,
    },
];

#[test]
fn recorded_failures_end_in_their_class_and_line_within_a_second_of_the_signal() {
    CASES.iter().for_each(check);
    assert_eq!(CASES.len() + 1, ALL.len(), "every recording is a case, and slow-start has its own");
}

#[test]
fn the_log_that_was_asked_for_names_the_wrong_architecture() {
    let (_, verdict) = replay(&life("arm64")).unwrap();
    let log = ["exec /app: exec format error".to_string()];
    let diagnosis = Diagnosis::of(failure(verdict, "arm64"), &log);
    let line = "container c of pod d-6655697c8-8rnhl: exec format error, the program is built for another architecture";
    assert_eq!((diagnosis.class, diagnosis.line.as_str()), (Class::Architecture, line));
    assert_eq!(diagnosis.log_tail.len(), 1);
}

fn is_ready_pod(delivery: &Delivery) -> bool {
    delivery.object["kind"] == "Pod"
        && delivery.object.pointer("/status/containerStatuses/0/ready") == Some(&true.into())
}

#[test]
fn a_recorded_slow_start_ends_ready_and_no_prefix_of_it_fails() {
    let whole = life("slow-start");
    for end in 0..=whole.deliveries.len() {
        let mut cut = whole.clone();
        cut.deliveries.truncate(end);
        cut.patience_ms = 120_000;
        let ready = whole.deliveries[..end].iter().any(is_ready_pod);
        match replay(&cut) {
            Some((_, Verdict::Ready)) if ready => {}
            None if !ready => {}
            other => panic!("after {end} deliveries: {other:?}"),
        }
    }
}
