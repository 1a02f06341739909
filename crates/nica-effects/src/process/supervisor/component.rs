//! One component: its replicas, what its wanted generation has shown, and its metrics by generation.
//!
//! Knows no socket and no file. The supervisor tells it what happened and asks what follows.

use super::replica::Replica;
use super::roll::{self, Leave, Member, Move};
use crate::process::metrics::{self, Metrics};
use crate::process::protocol::{Phase, Seen};
use crate::process::record::Wanted;
use nica_engine::effect::Generation;
use nica_engine::track::cannot_start::FailedStart;
use nica_engine::track::crash_loop::{Exit, HEALTHY_AFTER_MS};
use nica_engine::track::readiness::Outlook;
use nica_engine::track::{self, Diagnosis, History};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);
/// After this long in health, the next exit is a first one again.
const FORGIVEN_AFTER_MS: u64 = 10_000;
/// Generations whose metrics are kept after their last replica has gone.
const GENERATIONS_MAX: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Component {
    pub replicas: BTreeMap<u64, Replica>,
    failed_starts: Vec<FailedStart>,
    exits: Vec<Exit>,
    /// Exits and failed starts in a row.
    failures: u32,
    retry_at: Option<Instant>,
    /// Of the last replica of the wanted generation that ended by itself.
    tail: Vec<String>,
    /// What replicas that have gone had served, by generation; the oldest first.
    served: Vec<(Generation, String)>,
}

impl Component {
    /// Something else is wanted from now on: what was seen before says nothing about it.
    pub(super) fn forget(&mut self) {
        (self.failures, self.retry_at) = (0, None);
        self.failed_starts.clear();
        self.exits.clear();
        self.tail.clear();
    }

    /// The store was filled up: what could not start may start now.
    pub(super) fn try_again(&mut self) {
        if !self.failed_starts.is_empty() {
            self.failed_starts.clear();
            self.retry_at = None;
        }
    }

    pub(super) fn next(&self, wanted: Option<&Wanted>, leave: Leave) -> Option<Move> {
        let current = |replica: &Replica| wanted.is_some_and(|wanted| is_current(replica, wanted));
        let member = |(key, replica): (&u64, &Replica)| Member {
            key: *key,
            current: current(replica),
            phase: replica.phase,
        };
        let members: Vec<Member> = self.replicas.iter().map(member).collect();
        // A new supervisor does not yet know who is ready; draining on a guess could drain the one that serves.
        let unknown = self.replicas.values().any(|replica| replica.child.is_none() && !replica.probed);
        let want = wanted.map_or(0, |wanted| wanted.desired.replicas as usize);
        if unknown && want > 0 { None } else { roll::next(want, leave, &members) }
    }

    pub(super) fn leave(&self, history: &History, now: Instant) -> Leave {
        let doomed =
            matches!(track::judge(history), Some((track::Class::CannotStart | track::Class::CrashLoop, _)));
        match (self.retry_at.is_some_and(|at| at > now), doomed && !history.proven, history.proven) {
            (true, ..) | (_, true, _) => Leave::No,
            (.., true) => Leave::Together,
            _ => Leave::OneByOne,
        }
    }

    pub(super) fn started(&mut self) {
        self.failed_starts.clear();
    }

    pub(super) fn failed_to_start(&mut self, failed: FailedStart) {
        self.failed_starts.push(failed);
        self.failures += 1;
        self.pause(self.failures);
    }

    /// A replica of the wanted generation ended without being asked to.
    pub(super) fn exited(&mut self, exit: Exit, tail: Vec<String>) {
        let long = exit.ready_ms.is_some_and(|ms| ms >= FORGIVEN_AFTER_MS);
        self.failures = if long { 1 } else { self.failures + 1 };
        self.exits.push(exit);
        self.tail = tail;
        self.pause(self.failures - 1);
    }

    /// No pause at all before the first retry, then 0.1, 0.2, 0.4 … 10 s.
    fn pause(&mut self, failures: u32) {
        let pause = RETRY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(RETRY_MAX);
        self.retry_at = (failures > 0).then(|| Instant::now() + pause);
    }

    pub(super) fn ready(&self, wanted: &Wanted) -> u32 {
        let ready = |replica: &&Replica| is_current(replica, wanted) && replica.phase == Phase::Ready;
        self.replicas.values().filter(ready).count() as u32
    }

    /// Everything that was asked for is ready, and nothing else serves.
    pub(super) fn is_rolled_out(&self, wanted: &Wanted) -> bool {
        let serves = |replica: &Replica| replica.phase != Phase::Draining;
        let current = |replica: &Replica| is_current(replica, wanted);
        self.ready(wanted) == wanted.desired.replicas
            && self.replicas.values().all(|r| current(r) || !serves(r))
    }

    /// Some replica of the wanted generation has been ready long enough.
    pub(super) fn is_healthy(&self, wanted: &Wanted) -> bool {
        let long = |replica: &Replica| replica.ready_ms().is_some_and(|ms| ms >= HEALTHY_AFTER_MS);
        self.replicas.values().any(|replica| is_current(replica, wanted) && long(replica))
    }

    pub(super) fn history(&self, wanted: &Wanted, proven: bool, now_boot_ms: u64) -> History {
        let missing = wanted.desired.replicas.saturating_sub(self.ready(wanted));
        let pause = self.retry_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
        let starting = self.replicas.values().any(|r| is_current(r, wanted) && r.phase != Phase::Draining);
        let outlook = Outlook {
            limit_ms: wanted.limits.ready_within_ms,
            passed_ms: now_boot_ms.saturating_sub(wanted.since_boot_ms),
            missing,
            next_probe_in_ms: if starting { 0 } else { pause.as_millis() as u64 },
        };
        let readiness = (!wanted.rolled_out).then_some(outlook);
        History { proven, failed_starts: self.failed_starts.clone(), exits: self.exits.clone(), readiness }
    }

    pub(super) fn seen(&self, name: &str, wanted: Option<&Wanted>, history: Option<&History>) -> Seen {
        let processes = self.replicas.values().map(Replica::seen).collect();
        let Some(wanted) = wanted else { return Seen { processes, ..Seen::default() } };
        Seen {
            desired: Some(wanted.desired.clone()),
            generation: Some(wanted.desired.generation()),
            replicas: wanted.desired.replicas,
            ready: self.ready(wanted),
            processes,
            doomed: history.and_then(|history| self.diagnosis(name, wanted, history)),
            rolled_out: wanted.rolled_out,
            since_boot_ms: wanted.since_boot_ms,
        }
    }

    fn diagnosis(&self, name: &str, wanted: &Wanted, history: &History) -> Option<Diagnosis> {
        let (class, line) = track::judge(history)?;
        let line = format!("{name}/{}: {line}", wanted.desired.generation());
        Some(Diagnosis { class, line, log_tail: self.tail.clone() })
    }

    /// The replica has gone; what it had served still counts for its generation.
    pub(super) fn keep_metrics(&mut self, replica: &Replica) {
        let Some(text) = &replica.metrics else { return };
        let generation = &replica.name.generation;
        let before = self.served.iter().position(|(g, _)| g == generation).map(|at| self.served.remove(at).1);
        let sum = metrics::merge(before.iter().chain([text]).map(|text| (text.as_str(), false)));
        self.served.push((generation.clone(), sum));
        let surplus = self.served.len().saturating_sub(GENERATIONS_MAX);
        self.served.drain(..surplus);
    }

    pub(super) fn metrics(&self) -> BTreeMap<Generation, Metrics> {
        let mut texts: BTreeMap<Generation, Vec<(&str, bool)>> = BTreeMap::new();
        for (generation, text) in &self.served {
            texts.entry(generation.clone()).or_default().push((text, false));
        }
        let mut living: BTreeMap<Generation, BTreeMap<u32, String>> = BTreeMap::new();
        for replica in self.replicas.values() {
            let Some(text) = &replica.metrics else { continue };
            let name = &replica.name;
            texts.entry(name.generation.clone()).or_default().push((text, true));
            living.entry(name.generation.clone()).or_default().insert(name.n, text.clone());
        }
        let one = |(generation, texts): (Generation, Vec<(&str, bool)>)| {
            let living = living.remove(&generation).unwrap_or_default();
            (generation, Metrics { total: metrics::merge(texts), living })
        };
        texts.into_iter().map(one).collect()
    }
}

/// Of the wanted generation, and on the wanted address.
pub(super) fn is_current(replica: &Replica, wanted: &Wanted) -> bool {
    replica.name.generation == wanted.desired.generation() && replica.listen == wanted.desired.listen
}

#[cfg(test)]
mod tests {
    use super::super::logs::Log;
    use super::super::replica::ReplicaName;
    use super::*;
    use crate::process::kernel::{self, Process};
    use crate::process::protocol::Limits;
    use nica_engine::release::ComponentKind;
    use nica_engine::track::crash_loop::Reason;
    use nica_engine::{Desired, Digest};

    fn wanted() -> Wanted {
        let desired = Desired {
            kind: ComponentKind::Executable,
            digest: Digest::of(b"new"),
            args: vec![],
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            replicas: 2,
            listen: String::new(),
        };
        let (key, boot, limits) = (String::new(), String::new(), Limits::default());
        Wanted { desired, key, limits, since_boot_ms: 0, boot, rolled_out: false }
    }

    /// As a new supervisor finds it: alive, and nothing else is known.
    fn found(generation: Generation, n: u32) -> Replica {
        let name = ReplicaName { env: "test".into(), component: "backend".into(), generation, n };
        let process = Process::open(kernel::this().pid).expect("we may look at ourselves").expect("we live");
        Replica::new(name, String::new(), process, "none".into(), Log::found("none".as_ref(), "none"))
    }

    #[test]
    fn nobody_is_drained_before_every_found_replica_was_asked() {
        let (wanted, old) = (wanted(), Generation("old".into()));
        let mut component = Component::default();
        let replicas = [found(old.clone(), 1), found(old, 2), found(wanted.desired.generation(), 1)];
        component.replicas = (1..).zip(replicas).collect();
        let next = |component: &Component| component.next(Some(&wanted), Leave::OneByOne);
        let probe = |component: &mut Component, key: u64| {
            component.replicas.get_mut(&key).expect("it is there").probed(true);
        };
        probe(&mut component, 3);
        assert_eq!(next(&component), None, "who the old ones are is not known yet");
        probe(&mut component, 1);
        probe(&mut component, 2);
        assert_eq!(next(&component), Some(Move::Drain(2)));
    }

    #[test]
    fn the_first_exit_is_retried_at_once_and_later_ones_after_a_growing_pause() {
        let mut component = Component::default();
        let exit = |ready_ms| Exit { reason: Reason::Code(1), ready_ms };
        component.exited(exit(None), vec![]);
        assert_eq!(component.retry_at, None);
        let mut pauses = vec![];
        for _ in 0..10 {
            component.exited(exit(None), vec![]);
            let at = component.retry_at.expect("there is a pause");
            pauses.push(at.saturating_duration_since(Instant::now()).as_millis().div_ceil(100));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 100, 100, 100]);
        component.exited(exit(Some(FORGIVEN_AFTER_MS)), vec![]);
        assert_eq!(component.retry_at, None);
    }
}
