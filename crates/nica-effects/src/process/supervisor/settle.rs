//! What follows from what is known: moves are made, health is written down, watchers are told.
//!
//! `settle` runs after every event and changes nothing when nothing follows. A replica is started only from what is
//! on disk, so whatever a killed supervisor had begun, the next one begins again from the same words.

use super::launch::{self, Launch};
use super::replica::{Replica, ReplicaName};
use super::roll::Move;
use super::{Supervisor, probe};
use crate::process::kernel;
use crate::process::protocol::{Cursor, Observed, Refusal};
use crate::process::record::{Record, Wanted};
use crate::process::state;
use nica_engine::track::History;
use nica_engine::track::cannot_start::FailedStart;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Supervisor {
    /// Makes every move that follows from what is known, writes down what became true, and tells the watchers.
    pub(super) fn settle(&mut self) {
        let wanted = self.record.components.keys().filter(|_| !self.stopping);
        let names: BTreeSet<String> = wanted.chain(self.components.keys()).cloned().collect();
        for name in &names {
            self.components.entry(name.clone()).or_default();
            while let Some(next) = self.next(name) {
                self.make(name, next);
            }
        }
        self.note_health();
        let (record, stopping) = (&self.record, self.stopping);
        let wanted = |name: &String| record.components.contains_key(name) && !stopping;
        self.components.retain(|name, component| wanted(name) || !component.replicas.is_empty());
        self.let_sockets_go();
        self.publish();
    }

    fn wanted(&self, name: &str) -> Option<&Wanted> {
        self.record.components.get(name).filter(|_| !self.stopping)
    }

    fn history(&self, name: &str) -> Option<History> {
        let wanted = self.wanted(name)?;
        let proven = self.record.is_proven(name, &wanted.desired.generation());
        Some(self.components.get(name)?.history(wanted, proven, kernel::boottime_ms()))
    }

    fn next(&self, name: &str) -> Option<Move> {
        let component = &self.components[name];
        let history = self.history(name).unwrap_or_default();
        component.next(self.wanted(name), component.leave(&history, Instant::now()))
    }

    fn make(&mut self, name: &str, next: Move) {
        match next {
            Move::Start => match self.start(name) {
                Ok(replica) => self.watch_over(replica),
                Err(failed) => {
                    tracing::warn!(component = name, why = failed.why, "replica did not start");
                    self.components.entry(name.into()).or_default().failed_to_start(failed);
                }
            },
            Move::Drain(key) => {
                let limit = self.record.components.get(name).map(|wanted| wanted.limits).unwrap_or_default();
                self.with(key, |replica| replica.drain(Duration::from_millis(limit.drain_within_ms)));
            }
        }
    }

    fn start(&mut self, component: &str) -> Result<Replica, FailedStart> {
        let wanted = self.record.components.get(component).expect("only what is wanted is started");
        let identity = self.record.identity.as_ref().expect("nothing is wanted before the first hello");
        let (desired, generation) = (&wanted.desired, wanted.desired.generation());
        let taken = |n: &u32| {
            self.components[component]
                .replicas
                .values()
                .any(|r| r.name.n == *n && r.name.generation == generation)
        };
        let n = (1..).find(|n| !taken(n)).expect("there are more numbers than replicas");
        let name = ReplicaName { env: identity.env.clone(), component: component.into(), generation, n };
        let service = self
            .sockets
            .on(&desired.listen)
            .map_err(launch::failed(&format!("listen on {}", desired.listen)))?;
        let admin = launch::admin_path(&self.runtime, &name);
        let (state, store) = (&self.state, &*self.store);
        let launched =
            launch::launch(Launch { state, store, identity, name: &name, desired, admin: &admin, service })?;
        let process = kernel::Process::of_child(&launched.child).map_err(launch::failed("watch it"))?;
        let replica = Replica::new(name, desired.listen.clone(), process, admin, launched.log);
        Ok(Replica { child: Some(launched.child), ..replica })
    }

    pub(super) fn watch_over(&mut self, replica: Replica) {
        self.next_key += 1;
        let started = replica.child.is_some();
        if let Err(error) = probe::start(&replica, self.next_key, self.store.clone(), self.events.clone()) {
            tracing::error!(%error, "replica cannot be watched");
        }
        let component = self.components.entry(replica.name.component.clone()).or_default();
        component.replicas.insert(self.next_key, replica);
        if started {
            component.started();
        }
    }

    fn note_health(&mut self) {
        let mut record = self.record.clone();
        for (name, wanted) in &mut record.components {
            let Some(component) = self.components.get(name) else { continue };
            wanted.rolled_out |= component.is_rolled_out(wanted);
        }
        let healthy = |(name, wanted): &(&String, &Wanted)| {
            self.components.get(*name).is_some_and(|c| c.is_healthy(wanted))
        };
        for (name, wanted) in self.record.components.iter().filter(healthy) {
            record.prove(name, &wanted.desired.generation());
        }
        if let Err(refusal) = self.commit(record) {
            tracing::warn!(%refusal, "health could not be written down; trying again");
        }
    }

    /// On disk first, then believed.
    pub(super) fn commit(&mut self, record: Record) -> Result<(), Refusal> {
        if record != self.record {
            let bytes = serde_json::to_vec_pretty(&record).expect("a record has string keys");
            let written = state::replace(&self.state.record(), &bytes, 0o600);
            written.map_err(|error| Refusal::NotDurable(error.to_string()))?;
            self.record = record;
        }
        Ok(())
    }

    fn let_sockets_go(&mut self) {
        let served = self
            .components
            .values()
            .flat_map(|component| component.replicas.values())
            .map(|r| r.listen.as_str());
        let wanted = self.record.components.values().map(|wanted| wanted.desired.listen.as_str());
        self.sockets.only(&served.chain(wanted).collect());
    }

    fn publish(&mut self) {
        let seen = |name: &String| {
            let component = self.components.get(name)?;
            Some((name.clone(), component.seen(name, self.wanted(name), self.history(name).as_ref())))
        };
        let components = self.components.keys().filter_map(seen).collect();
        let fence = self.record.fence;
        self.published.send_if_modified(|published| {
            if published.components == components && published.fence == fence {
                return false;
            }
            let Cursor { epoch, version } = published.cursor.clone();
            *published =
                Arc::new(Observed { fence, cursor: Cursor { epoch, version: version + 1 }, components });
            true
        });
    }
}
