//! Telling deliveries in the order of their arrival, and asking for the verdict as often as the hands would.

use nica_engine::track::kubernetes::{At, Kind, Seen, Told, Verdict, Wanted, judge, tell};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub at: At,
    pub change: &'static str,
    pub object: Value,
}

/// One rollout: what arrives, and what was asked for.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub name: String,
    pub wanted: Wanted,
    pub deliveries: Vec<Delivery>,
    /// How long the tracker looks on after the last delivery, when nothing changes any more.
    pub patience_ms: u64,
    /// The hands judge after every delivery, and this often without one.
    pub tick_ms: u64,
}

/// The first verdict that is not waiting, with its instant; None when it waits to the end.
pub(super) fn replay(life: &Life) -> Option<(At, Verdict)> {
    run(life, Seen::default(), &life.deliveries, 0)
}

/// The same, by a tracker that starts at `from` with a list of what exists then.
pub(super) fn replay_from(life: &Life, from: At) -> Option<(At, Verdict)> {
    let (before, after): (Vec<_>, Vec<_>) = life.deliveries.iter().cloned().partition(|d| d.at < from);
    let seen = relist(Seen::default(), from, &before);
    run(life, seen, &after, from)
}

/// The lists that a watch starts with: of each object its newest version, of each kind everything that exists.
pub(super) fn relist(mut seen: Seen, at: At, before: &[Delivery]) -> Seen {
    let mut held: BTreeMap<(String, String), &Delivery> = BTreeMap::new();
    for delivery in before {
        let key = (text(&delivery.object, "/kind"), text(&delivery.object, "/metadata/uid"));
        let newer = held.get(&key).is_none_or(|old| version(&old.object) <= version(&delivery.object));
        if newer {
            held.insert(key, delivery);
        }
    }
    let kinds = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Pod"];
    for kind in kinds.into_iter().chain(["PersistentVolumeClaim", "Event"]) {
        let exists = |held: &&&Delivery| held.change != "DELETED" && text(&held.object, "/kind") == kind;
        let objects: Vec<Value> = held.values().filter(exists).map(|held| held.object.clone()).collect();
        let list = Told::list(Kind::of(kind).expect("listed above"), &objects).unwrap();
        seen = tell(seen, at, &list);
    }
    seen
}

/// The same, by a watch that breaks at `from` and is back at `until`, with a list of what exists then.
pub(super) fn replay_interrupted(life: &Life, from: At, until: At) -> Option<(At, Verdict)> {
    let (before, after): (Vec<_>, Vec<_>) = life.deliveries.iter().cloned().partition(|d| d.at < until);
    let told = before.iter().filter(|delivery| delivery.at < from);
    let seen = told.fold(Seen::default(), |seen, delivery| {
        let told = Told::read(delivery.change, &delivery.object).unwrap().expect("a kind that is judged");
        tell(seen, delivery.at, &told)
    });
    run(life, relist(seen, until, &before), &after, until)
}

fn run(life: &Life, mut seen: Seen, deliveries: &[Delivery], from: At) -> Option<(At, Verdict)> {
    let mut now = from.max(life.wanted.since);
    let conclusive = |seen: &Seen, at: At| match judge(seen, &life.wanted, at) {
        Verdict::Waiting { .. } => None,
        verdict => Some((at, verdict)),
    };
    for delivery in deliveries {
        while now + life.tick_ms < delivery.at {
            now += life.tick_ms;
            if let Some(found) = conclusive(&seen, now) {
                return Some(found);
            }
        }
        if let Some(told) = Told::read(delivery.change, &delivery.object).unwrap() {
            seen = tell(seen, delivery.at, &told);
        }
        if delivery.at < life.wanted.since {
            continue;
        }
        now = now.max(delivery.at);
        if let Some(found) = conclusive(&seen, now) {
            return Some(found);
        }
    }
    let end = now + life.patience_ms;
    (now..end).step_by(usize::try_from(life.tick_ms).unwrap()).find_map(|at| conclusive(&seen, at))
}

pub(super) fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn version(object: &Value) -> u64 {
    text(object, "/metadata/resourceVersion").parse().unwrap_or(0)
}
