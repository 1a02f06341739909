//! A cluster's history in the making: objects with their times, numbered by version in the end.

use super::super::replay::{Delivery, text};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

pub(crate) struct Sim {
    pub(crate) rng: StdRng,
    emitted: Vec<(u64, &'static str, Value)>,
    ids: u32,
}

/// What an event is about.
pub(crate) struct About<'a> {
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
    pub(crate) container: &'a str,
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Sim {
        Sim { rng: StdRng::seed_from_u64(seed), emitted: Vec::new(), ids: 0 }
    }

    pub(crate) fn ms(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.rng.random_range(range)
    }

    pub(crate) fn id(&mut self, what: &str) -> String {
        self.ids += 1;
        format!("{what}-{}", self.ids)
    }

    pub(crate) fn emit(&mut self, at: u64, change: &'static str, object: Value) {
        self.emitted.push((at, change, object));
    }

    pub(crate) fn event(&mut self, at: u64, about: &About<'_>, reason: &str, message: &str) {
        let uid = self.id("event");
        let path = match about.container {
            "" => Value::Null,
            container => json!(format!("spec.containers{{{container}}}")),
        };
        let object = json!({"kind": "Event", "metadata": {"name": uid, "namespace": "n", "uid": uid},
            "involvedObject": {"kind": about.kind, "namespace": "n", "name": about.name, "uid": about.uid,
                "fieldPath": path},
            "reason": reason, "message": message, "count": 1});
        self.emit(at, "ADDED", object);
    }

    /// In the API server's order, each kind's watch with a small delay of its own.
    pub(crate) fn deliveries(mut self) -> Vec<Delivery> {
        self.emitted.sort_by_key(|(at, ..)| *at);
        let emitted = std::mem::take(&mut self.emitted);
        let mut deliveries: Vec<Delivery> = Vec::new();
        let mut versions: BTreeMap<String, String> = BTreeMap::new();
        for (version, (at, change, mut object)) in emitted.into_iter().enumerate() {
            let version = (version + 1).to_string();
            if let Some(acted_on) = versions.get(&text(&object, "/involvedObject/uid")) {
                object["involvedObject"]["resourceVersion"] = json!(acted_on);
            }
            versions.insert(text(&object, "/metadata/uid"), version.clone());
            object["metadata"]["resourceVersion"] = json!(version);
            deliveries.push(Delivery { at: at + self.ms(0..=80), change, object });
        }
        deliveries.sort_by_key(|delivery| delivery.at);
        deliveries
    }
}
