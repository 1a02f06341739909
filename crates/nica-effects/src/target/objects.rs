//! The `kubernetes` target as the loop uses it: an API server, and what the records say that the environment consists of.
//!
//! The records name the components of baseline and open run, hold their applied configurations and say which anchor is the
//! run's. Every write is decided on a `Sighting`: the last look before the step's start was recorded.

use super::{Cursor, Observed, Secret, Seen, Vault, key_of};
use crate::answer::answered;
use crate::failure::Failure;
use crate::kubernetes::{
    self, Anchor, Cluster, ClusterError, Conflict, Kept, Order, Owner, Place, Release, Scope, Sighting,
    Wanted,
};
use crate::process::{Identity, Pins, Set};
use crate::records::{RecordError, blob, control, run};
use nica_engine::Digest;
use nica_engine::effect::{Desired, Effect};
use nica_engine::plan::Plan;
use nica_engine::projection::ComponentState;
use nica_engine::release::ComponentKind;
use nica_engine::world::{self, AnchorSeen};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_postgres::Client;

pub struct Objects {
    cluster: Cluster,
    scope: Scope,
    /// Applied configurations by digest.
    configurations: BTreeMap<Digest, Value>,
    /// Applied configurations that are not collected.
    pinned: Mutex<BTreeSet<Digest>>,
    vault: Vault,
}

/// A change of a pod wakes us; what only time changes is looked at this often.
const LOOK_AT_LEAST: Duration = Duration::from_secs(1);

impl Objects {
    pub(super) async fn reach(
        place: &Place,
        vault: &Vault,
        identity: &Identity,
        records: &Client,
    ) -> Result<Objects, Failure> {
        let owner = Owner { service: identity.service.clone(), env_id: Some(identity.env_id.clone()) };
        Objects::owned(place, owner, records).await.map(|objects| Objects { vault: vault.clone(), ..objects })
    }

    /// Where NICA may never have been, so that nothing can be the environment's.
    pub(super) async fn of_service(
        place: &Place,
        service: &str,
        records: &Client,
    ) -> Result<Objects, Failure> {
        let control = answered("the control row", control::read(records)).await?;
        let env_id = control.map(|control| control.env_id);
        Objects::owned(place, Owner { service: service.to_string(), env_id }, records).await
    }

    async fn owned(place: &Place, owner: Owner, records: &Client) -> Result<Objects, Failure> {
        let cluster = Cluster::connect(place.clone(), owner).await?;
        let (scope, configurations, pinned, vault) = Default::default();
        let mut objects = Objects { cluster, scope, configurations, pinned, vault };
        objects.read(records).await?;
        Ok(objects)
    }

    /// Read anew what the environment consists of.
    async fn read(&mut self, records: &Client) -> Result<(), Failure> {
        let read = answered("what the environment consists of", Read::of(records)).await?;
        for digest in read.digests {
            if !self.configurations.contains_key(&digest) {
                let found = answered("an applied configuration", configuration(records, &digest)).await?;
                self.configurations.extend(found.map(|found| (digest, found)));
            }
        }
        self.scope = read.scope;
        Ok(())
    }

    pub(super) async fn admit(&mut self, fence: i64, records: &Client) -> Result<(), Failure> {
        self.read(records).await?;
        Ok(self.cluster.admit(fence, &self.scope).await?)
    }

    pub(super) async fn observe(&self, fence: Option<i64>) -> Result<Observed, Failure> {
        let sighting = self.cluster.observe(fence, &self.scope, &self.configurations).await?;
        let seen = sighting.components.iter().map(|(name, object)| {
            let state = object.seen.generation.clone().map(|generation| ComponentState {
                generation,
                replicas: object.seen.replicas,
                listen: String::new(),
                secrets: BTreeMap::new(),
                drifted: object.seen.drifted,
            });
            let (world, last_words) = (object.seen.clone(), object.last_words.clone());
            let drifted = object.kept.as_ref().is_some_and(Kept::is_drifted);
            (name.clone(), Seen { state, world, last_words, drifted })
        });
        let components = seen.collect();
        let anchor = match self.anchor(&sighting) {
            None => AnchorSeen::Absent,
            Some((_, seen)) if seen.going => AnchorSeen::Deleting,
            Some(_) => AnchorSeen::There,
        };
        Ok(Observed { cursor: Cursor::Kubernetes(Arc::new(sighting)), components, anchor })
    }

    pub(super) async fn watch(&self, since: &Sighting, limit: Duration) -> Result<(), Failure> {
        Ok(self.cluster.watch(since, limit.max(LOOK_AT_LEAST)).await.map(drop)?)
    }

    /// What somebody deleted is put back on the way back only: going forward it is a reason to turn.
    pub(super) async fn set(&self, set: &Set, on: &Sighting, back: bool) -> Result<Vec<Conflict>, Failure> {
        let component = set.component.as_str();
        let kept = on.components.get(component).and_then(|seen| seen.kept.as_ref());
        match (&set.desired, kept) {
            (None, None) => Ok(Vec::new()),
            (None, Some(kept)) => Ok(self.remove(component, kept).await.map(|()| Vec::new())?),
            (Some(desired), Some(kept)) => {
                Ok(self.cluster.set(self.wanted(set.fence, component, desired)?, kept).await?.conflicts)
            }
            (Some(desired), None) if back => {
                let wanted = self.wanted(set.fence, component, desired)?;
                Ok(self.cluster.restore(wanted, self.scope.run.as_deref().unwrap_or("none")).await?.conflicts)
            }
            (Some(_), None) => Err(Failure::Refused(format!("set {component}: somebody deleted it"))),
        }
    }

    async fn remove(&self, component: &str, kept: &Kept) -> Result<(), ClusterError> {
        let order = Order { component, uid: &kept.uid, resource_version: &kept.resource_version };
        self.cluster.remove(order).await
    }

    pub(super) async fn create(
        &self,
        fence: i64,
        (component, desired): (&str, &Desired),
        on: &Sighting,
    ) -> Result<(), Failure> {
        let plain = self.wanted(fence, component, desired)?;
        let filled = self.vault.filled(component, desired, plain.configuration).map_err(Failure::Refused)?;
        let wanted = Wanted { configuration: &filled, ..plain };
        let Some((run, anchor)) = self.anchor(on) else {
            return Err(Failure::Locked(format!("create {component}: the anchor was not seen")));
        };
        Ok(self.cluster.create(wanted, (run, anchor)).await.map(drop)?)
    }

    pub(super) async fn create_anchor(&self, fence: i64) -> Result<(), Failure> {
        let none = || Failure::Refused("create the anchor: the open run has none".to_string());
        let run = self.scope.anchor.as_deref().ok_or_else(none)?;
        Ok(self.cluster.create_anchor(Anchor { run, fence }).await.map(drop)?)
    }

    pub(super) async fn release(&self, release: Release, on: &Sighting) -> Result<(), Failure> {
        match self.anchor(on) {
            Some((run, seen)) => Ok(self.cluster.release_anchor(run, seen, release).await?),
            None => Ok(()),
        }
    }

    pub(super) fn pin(&self, pins: Pins) {
        *self.pinned.lock().unwrap_or_else(PoisonError::into_inner) = pins.digests;
    }

    /// Immutable objects that no pinned release needs and no run owns. Asked under the lease, when no run is open.
    pub(super) async fn collect(&self, fence: i64) -> Result<(), Failure> {
        let sighting = self.cluster.observe(Some(fence), &self.scope, &self.configurations).await?;
        let pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (component, object) in &sighting.components {
            let free = object.immutable && object.seen.owner == world::Owner::Nobody && !object.seen.deleting;
            let needed = object.applied.as_ref().is_none_or(|digest| pinned.contains(digest));
            if let (Some(kept), true, false) = (&object.kept, free, needed) {
                self.remove(component, kept).await?;
            }
        }
        Ok(())
    }

    /// Values by the names that this namespace's key gives them. Without values no key is asked for.
    pub(super) async fn hold(&self, secrets: &[Secret]) -> Result<(), Failure> {
        let some = secrets.iter().any(|secret| secret.value.is_some());
        let key = if some { key_of(&self.cluster, &self.vault).await? } else { Vec::new() };
        self.vault.hold(&key, secrets);
        Ok(())
    }

    /// What cannot be looked up is asked for its metrics.
    pub(super) fn counts(&self, desired: &Desired) -> bool {
        self.configurations.get(&desired.digest).is_none_or(kubernetes::declares_metrics)
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn anchor<'a>(&'a self, on: &'a Sighting) -> Option<(&'a str, &'a crate::kubernetes::AnchorSeen)> {
        let run = self.scope.anchor.as_deref()?;
        Some((run, on.anchors.get(run)?))
    }

    fn wanted<'a>(
        &'a self,
        fence: i64,
        component: &'a str,
        desired: &'a Desired,
    ) -> Result<Wanted<'a>, Failure> {
        let missing = || RecordError::Damaged {
            what: "applied configuration",
            key: desired.digest.to_string(),
            why: format!("{component} names it and it was not kept"),
        };
        let configuration = self.configurations.get(&desired.digest).ok_or_else(missing)?;
        Ok(Wanted { component, desired, configuration, fence })
    }
}

/// What the records say.
#[derive(Default)]
struct Read {
    scope: Scope,
    digests: BTreeSet<Digest>,
}

impl Read {
    async fn of(records: &Client) -> Result<Read, RecordError> {
        let mut read = Read::default();
        let Some(control) = control::read(records).await? else { return Ok(read) };
        for (name, desired) in control.baseline.iter().flat_map(|live| &live.components) {
            read.take(name, desired);
        }
        if let Some(open) = run::read_open(records).await? {
            read.plan(&open.plan);
            read.scope.anchor = open.plan.anchor_of(&open.id).map(str::to_string);
            read.scope.run = Some(open.id);
        }
        Ok(read)
    }

    fn plan(&mut self, plan: &Plan) {
        for (name, desired) in plan.baseline.iter().flat_map(|live| &live.components) {
            self.take(name, desired);
        }
        for effect in &plan.steps {
            match effect {
                Effect::Create { component, desired } | Effect::Delete { component, before: desired } => {
                    self.take(component, desired);
                }
                Effect::SetDesired { component, desired, before } => {
                    self.take(component, desired);
                    self.limit(component, desired, plan.limits.rollout_ms);
                    if let Some(before) = before {
                        self.take(component, before);
                        self.limit(component, before, plan.limits.undo_ms);
                    }
                }
                _ => {}
            }
        }
    }

    /// What is waited for on the way out, and on the way back.
    fn limit(&mut self, component: &str, desired: &Desired, limit_ms: u64) {
        if desired.kind == ComponentKind::Workload {
            self.scope.limits_ms.insert((component.to_string(), desired.generation()), limit_ms);
        }
    }

    fn take(&mut self, component: &str, desired: &Desired) {
        if is_object(desired.kind) {
            self.scope.components.insert(component.to_string());
            self.digests.insert(desired.digest.clone());
        }
    }
}

fn is_object(kind: ComponentKind) -> bool {
    matches!(kind, ComponentKind::Workload | ComponentKind::Passive | ComponentKind::Immutable)
}

/// None where it was never kept; then nothing can be compared with it, and nothing be set to it.
async fn configuration(records: &Client, digest: &Digest) -> Result<Option<Value>, RecordError> {
    let damaged = |why: serde_json::Error| RecordError::Damaged {
        what: "applied configuration",
        key: digest.to_string(),
        why: why.to_string(),
    };
    let Some(bytes) = blob::find(records, digest).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}
