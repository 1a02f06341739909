//! The tracker's memory: what the watches told since they were opened, and what is asked of it.
//!
//! The engine decides (`nica_engine::track::kubernetes`), by its own `Seen`. Here stand what it cannot have: the clock of
//! arrivals, since when each component is asked to be what it is, and the lines of a log that were fetched once.

use super::object;
use nica_engine::effect::Generation;
use nica_engine::track::kubernetes::{
    At, Failure, Kind, Need, Seen, Told, Verdict, Wanted, judge, steady, tell,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

pub(super) struct Tracker {
    begun: Instant,
    seen: Seen,
    /// By component.
    asked: BTreeMap<String, Asked>,
}

/// What a look found a component to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rollout {
    kind: Kind,
    uid: String,
    /// Ours, and the API server's.
    ours: Option<Generation>,
    generation: i64,
    version: u64,
    limit_ms: Option<u64>,
    /// Under which it is looked at: limits count the time in which somebody acted.
    fence: Option<i64>,
}

struct Asked {
    rollout: Rollout,
    since: At,
    /// The log of the last failure, once it was fetched.
    log: Option<(Need, Vec<String>)>,
}

/// What a component shows now.
pub(super) struct Judged {
    pub failure: Option<Failure>,
    pub is_done: bool,
    /// Pods that are ready for long enough to be believed.
    pub steady: u32,
}

impl Rollout {
    /// None for what has no pods of its own, and for what is being deleted.
    pub(super) fn of(
        title: &str,
        found: &Value,
        (limit_ms, fence): (Option<u64>, Option<i64>),
    ) -> Option<Rollout> {
        let kind = Kind::of(title.split('/').next()?).filter(|kind| WORKLOADS.contains(kind))?;
        (!object::is_going(found)).then(|| Rollout {
            kind,
            uid: object::uid(found).to_string(),
            ours: object::generation(found),
            generation: found.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0),
            version: object::version(found).parse().unwrap_or(0),
            limit_ms,
            fence,
        })
    }

    /// The same wish, in whatever version the object is now.
    fn is_still(&self, other: &Rollout) -> bool {
        let wish = |r: &Rollout| (r.uid.clone(), r.ours.clone(), r.limit_ms, r.fence);
        wish(self) == wish(other)
    }
}

const WORKLOADS: [Kind; 4] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Job];

impl Tracker {
    pub(super) fn new() -> Tracker {
        Tracker { begun: Instant::now(), seen: Seen::default(), asked: BTreeMap::new() }
    }

    fn now(&self) -> At {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn tell(&mut self, told: &Told) {
        self.seen = tell(std::mem::take(&mut self.seen), self.now(), told);
    }

    /// These are looked at, and no others.
    pub(super) fn ask(&mut self, rollouts: BTreeMap<String, Rollout>) {
        let now = self.now();
        let mut before = std::mem::take(&mut self.asked);
        for (component, rollout) in rollouts {
            let held = before.remove(&component).filter(|held| held.rollout.is_still(&rollout));
            let (since, log) = held.map_or((now, None), |held| (held.since, held.log));
            self.asked.insert(component, Asked { rollout, since, log });
        }
    }

    /// None where nothing is asked of it.
    pub(super) fn judge(&self, component: &str) -> Option<Judged> {
        let (wanted, now) = (self.asked.get(component)?.wanted(), self.now());
        let verdict = judge(&self.seen, &wanted, now);
        let steady = steady(&self.seen, &wanted, now);
        let is_done = verdict == Verdict::Ready;
        let failure = match verdict {
            Verdict::Failed(failure) => Some(failure),
            Verdict::Waiting { .. } | Verdict::Ready => None,
        };
        Some(Judged { failure, is_done, steady })
    }

    /// Components that will not come true.
    pub(super) fn failing(&self) -> BTreeSet<String> {
        let fails = |name: &&String| self.judge(name).is_some_and(|judged| judged.failure.is_some());
        self.asked.keys().filter(fails).cloned().collect()
    }

    pub(super) fn log(&self, component: &str, need: &Need) -> Option<Vec<String>> {
        let (of, lines) = self.asked.get(component)?.log.as_ref()?;
        (of == need).then(|| lines.clone())
    }

    /// Kept: by the next look it may have been cleaned away.
    pub(super) fn keep_log(&mut self, component: &str, need: Need, lines: Vec<String>) {
        if let Some(asked) = self.asked.get_mut(component).filter(|_| !lines.is_empty()) {
            asked.log = Some((need, lines));
        }
    }
}

impl Asked {
    fn wanted(&self) -> Wanted {
        let Rollout { kind, uid, generation, version, limit_ms, .. } = self.rollout.clone();
        // Nobody is kept waiting by what no run asked for.
        let limit_ms = limit_ms.unwrap_or(u64::MAX);
        Wanted { kind, uid, generation, version, since: self.since, limit_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rollout(ours: &str, version: u64, fence: i64) -> BTreeMap<String, Rollout> {
        let object = json!({ "metadata": {
            "uid": "u", "generation": 1, "resourceVersion": version.to_string(),
            "annotations": { "nica/generation": ours },
        } });
        let found = Rollout::of("Deployment/web", &object, (Some(9), Some(fence)));
        BTreeMap::from([("web".to_string(), found.expect("it has pods"))])
    }

    #[test]
    fn a_limit_starts_anew_with_a_new_wish_or_fence_and_with_nothing_else() {
        let mut tracker = Tracker::new();
        let mut check = |ours, version, fence, anew| {
            if let Some(asked) = tracker.asked.get_mut("web") {
                asked.since = u64::MAX;
            }
            tracker.ask(rollout(ours, version, fence));
            assert_eq!(tracker.asked["web"].since < u64::MAX, anew, "{ours} {version} {fence}");
        };
        check("a", 1, 1, true);
        check("a", 2, 1, false);
        check("b", 3, 1, true);
        check("b", 3, 2, true);
    }

    #[test]
    fn what_has_no_pods_of_its_own_or_leaves_is_not_tracked() {
        let check = |title: &str, object: Value, expected: bool| {
            assert_eq!(Rollout::of(title, &object, (None, None)).is_some(), expected, "{title} {object}");
        };
        check("StatefulSet/db", json!({}), true);
        check("CronJob/tick", json!({}), false);
        check("Service/web", json!({}), false);
        check("Job/once", json!({ "metadata": { "deletionTimestamp": "now" } }), false);
    }
}
