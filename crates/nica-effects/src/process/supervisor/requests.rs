//! What a deployer may ask of the loop, and the answer to each. Every write is durable before it is answered.

use super::{Event, Supervisor, probe};
use crate::process::kernel;
use crate::process::metrics::Metrics;
use crate::process::protocol::{Hello, Identity, PROTOCOL, Pins, Refusal, Reply, Request, Set};
use crate::process::record::{Moment, Record};
use crate::process::secret;
use futures_util::future::join_all;
use nica_engine::Desired;
use nica_engine::effect::{Generation, SecretName};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

impl Supervisor {
    pub(super) fn asked(&mut self, request: Request, answer: oneshot::Sender<Reply>) {
        let done = |done: Result<(), Refusal>| done.map(|()| Reply::Done);
        let reply = match request {
            Request::Hello { identity } => self.hello(identity.as_ref()),
            Request::Admit { fence } => done(self.change(|record| record.admit(fence))),
            Request::Set(set) => done(self.set(&set)),
            Request::Pin { fence, pins } => done(self.pin(fence, pins)),
            Request::Gc { fence } => self.sweep(fence).map(Reply::Swept),
            Request::Observe => {
                self.settle();
                Ok(Reply::Observed(self.published.borrow().as_ref().clone()))
            }
            Request::Scrape => return self.scrape(answer),
            Request::Stop { fence } => done(self.stop(fence)),
            Request::Put { .. } | Request::PutSecret { .. } | Request::Watch { .. } => {
                unreachable!("the desk answers these itself")
            }
        };
        // What the answer promises is visible to whoever observes next, on any connection.
        self.settle();
        let _ = answer.send(reply.unwrap_or_else(Reply::Refused));
    }

    fn change(&mut self, change: impl FnOnce(&mut Record) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let mut record = self.record.clone();
        change(&mut record)?;
        self.commit(record)
    }

    fn hello(&mut self, identity: Option<&Identity>) -> Result<Reply, Refusal> {
        if let Some(identity) = identity {
            self.change(|record| record.meet(identity))?;
        }
        let Record { identity, fence, .. } = self.record.clone();
        Ok(Reply::Hello(Hello { protocol: PROTOCOL, identity, fence }))
    }

    fn set(&mut self, set: &Set) -> Result<(), Refusal> {
        let before = self.record.components.get(&set.component).map(|wanted| wanted.desired.clone());
        if before != set.desired {
            self.can_run(set.desired.as_ref())?;
        }
        let now = Moment { boot: self.boot.clone(), boot_ms: kernel::boottime_ms() };
        self.change(|record| record.set(set, now))?;
        if before != set.desired {
            let generation = set.desired.as_ref().map(Desired::generation);
            tracing::info!(
                component = set.component,
                key = set.key,
                fence = set.fence,
                ?generation,
                "desired state set"
            );
            self.components.entry(set.component.clone()).or_default().forget();
        }
        Ok(())
    }

    /// What is not here cannot be started, and saying so now is better than a replica that does not start.
    fn can_run(&self, desired: Option<&Desired>) -> Result<(), Refusal> {
        let Some(desired) = desired else { return Ok(()) };
        if !self.store.has(&desired.digest) {
            return Err(Refusal::Invalid(format!(
                "executable {} is not in the store; put it first",
                desired.digest
            )));
        }
        match desired.secrets.iter().find(|(_, name)| !secret::is_kept(&self.state, name)) {
            Some((variable, _)) => {
                Err(Refusal::Invalid(format!("secret {variable} is not kept; put it first")))
            }
            None => Ok(()),
        }
    }

    fn pin(&mut self, fence: i64, pins: Pins) -> Result<(), Refusal> {
        self.change(|record| {
            record.admit(fence)?;
            record.pins = pins;
            Ok(())
        })
    }

    /// Keeps what is desired and what is pinned; of the rest nothing is left.
    fn sweep(&mut self, fence: i64) -> Result<u32, Refusal> {
        self.change(|record| record.admit(fence))?;
        let desired = || self.record.components.values().map(|wanted| &wanted.desired);
        let digests: BTreeSet<&str> = desired()
            .map(|d| &d.digest)
            .chain(&self.record.pins.digests)
            .map(|digest| digest.as_str())
            .collect();
        let secrets: BTreeSet<&SecretName> =
            desired().flat_map(|d| d.secrets.values()).chain(&self.record.pins.secrets).collect();
        let failed = |error: std::io::Error| Refusal::NotDurable(error.to_string());
        let programs = self.store.sweep(|name| digests.contains(name)).map_err(failed)?;
        let values = secret::sweep(&self.state, |name| secrets.contains(name)).map_err(failed)?;
        Ok(programs + values)
    }

    fn stop(&mut self, fence: i64) -> Result<(), Refusal> {
        self.change(|record| record.admit(fence))?;
        tracing::info!("everything is drained, then supervisor and keeper end");
        self.stopping = true;
        Ok(())
    }

    /// Asks every replica at the same time; the loop goes on meanwhile.
    fn scrape(&self, answer: oneshot::Sender<Reply>) {
        let replicas = self.components.values().flat_map(|component| &component.replicas);
        let replicas: Vec<_> = replicas.map(|(key, replica)| (*key, replica.admin.clone())).collect();
        let events = self.events.clone();
        tokio::spawn(async move {
            let one = |(key, admin): (u64, std::path::PathBuf)| async move {
                Some((key, probe::scrape(&admin).await?))
            };
            let texts = join_all(replicas.into_iter().map(one)).await.into_iter().flatten().collect();
            let _ = events.send(Event::ScrapedAll(texts, answer)).await;
        });
    }

    pub(super) fn metrics(&self) -> BTreeMap<String, BTreeMap<Generation, Metrics>> {
        self.components.iter().map(|(name, component)| (name.clone(), component.metrics())).collect()
    }
}
