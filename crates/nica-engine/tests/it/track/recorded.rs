//! Each recorded rollout ends in its class and its line, within a second of the first signal that proves it.

mod cases;

use super::recordings::{ALL, at, read, text_of};
use super::replay::{Delivery, Life, replay};
use cases::CASES;
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
    assert!(lag <= LAG_MS, "{name}: {lag} ms after its signal");
}

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
