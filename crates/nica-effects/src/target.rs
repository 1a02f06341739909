//! The target: where workloads run. One type for all kinds, so that the loop never asks which one it is.
//!
//! What a kind can do and the others cannot is answered here: content that only one of them keeps, and programs that only
//! one of them has to start.

mod objects;

use crate::failure::Failure;
use crate::kubernetes::{Place, Release, Sighting};
use crate::process::{self, Identity, Metrics, Pins, SecretValue, Set, TargetClient};
use crate::records::run::{Namespace, Participants};
use nica_engine::Digest;
use nica_engine::effect::{Desired, Generation};
use nica_engine::projection::ComponentState;
use nica_engine::world::{AnchorSeen, ComponentSeen};
use objects::Objects;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Client;

/// Where a target is, no power yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Process {
        /// The supervisor's folder.
        state: PathBuf,
    },
    Kubernetes(Place),
}

/// A target that answered.
pub enum Target {
    Process(TargetClient),
    Kubernetes(Box<Objects>),
}

/// What a target runs, by component.
pub type Components = BTreeMap<String, Seen>;

/// One component, as every kind of target shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What it is asked to be; none where it is asked to be gone.
    pub state: Option<ComponentState>,
    pub world: ComponentSeen,
    /// The last lines that it logged, oldest first, where it cannot come up.
    pub last_words: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Observed {
    pub cursor: Cursor,
    pub components: Components,
    /// Of the open run.
    pub anchor: AnchorSeen,
}

/// Up to where a target's history was seen, and what a write is decided on.
#[derive(Clone, Debug)]
pub enum Cursor {
    Process(process::Cursor),
    Kubernetes(Arc<Sighting>),
}

impl Reach {
    /// The folder of the `process` target.
    pub fn state(&self) -> Option<&Path> {
        match self {
            Reach::Process { state } => Some(state),
            Reach::Kubernetes(_) => None,
        }
    }

    /// As a run's records name it.
    pub fn participants(&self) -> Participants {
        match self {
            Reach::Process { state } => {
                Participants { process: Some(state.display().to_string()), ..Participants::default() }
            }
            Reach::Kubernetes(Place { context, namespace, .. }) => {
                let (context, namespace) = (context.clone(), namespace.clone());
                Participants { kubernetes: Some(Namespace { context, namespace }), ..Participants::default() }
            }
        }
    }
}

/// What runs there, for whoever only wants to know.
pub struct Looked {
    pub components: Components,
    /// Somebody watches and restarts it. Else the components are what is wanted.
    pub supervised: bool,
    /// Processes that nobody watches.
    pub left: usize,
}

/// Looked at without any power and without starting anything.
pub async fn look(reach: &Reach, service: &str, records: &Client) -> Result<Looked, Failure> {
    match reach {
        Reach::Process { state } => {
            let process::Looked { components, supervised } = process::look(state).await?;
            let processes = components.values().map(|seen| seen.processes.len()).sum();
            let left = if supervised { 0 } else { processes };
            let components = components.iter().map(|(name, seen)| (name.clone(), seen.into())).collect();
            Ok(Looked { components, supervised, left })
        }
        Reach::Kubernetes(place) => {
            let objects = Objects::of_service(place, service, records).await?;
            let components = objects.observe(None).await?.components;
            Ok(Looked { components, supervised: true, left: 0 })
        }
    }
}

impl Target {
    /// Reach it; where something has to run for it to answer, that is started.
    pub async fn start(
        reach: &Reach,
        nica: &Path,
        identity: &Identity,
        records: &Client,
    ) -> Result<Target, Failure> {
        match reach {
            Reach::Process { state } => {
                Ok(Target::Process(TargetClient::connect_or_start(state, nica, identity).await?))
            }
            Reach::Kubernetes(place) => {
                Ok(Target::Kubernetes(Box::new(Objects::reach(place, identity, records).await?)))
            }
        }
    }

    /// It has no connection of its own that a late request could still be under way on.
    pub(crate) fn outlives_a_lost_answer(&self) -> bool {
        matches!(self, Target::Kubernetes(_))
    }

    /// From here on it refuses every lower fence.
    pub async fn admit(&mut self, fence: i64, records: &Client) -> Result<(), Failure> {
        match self {
            Target::Process(client) => Ok(client.admit(fence).await?),
            Target::Kubernetes(objects) => objects.admit(fence, records).await,
        }
    }

    pub async fn observe(&self, fence: i64) -> Result<Observed, Failure> {
        match self {
            Target::Process(client) => Ok(client.observe().await?.into()),
            Target::Kubernetes(objects) => objects.observe(Some(fence)).await,
        }
    }

    /// Comes back as soon as something differs from what `since` named, at the latest after `limit`, of a cluster
    /// a second at least; up to where the target
    /// was seen then, where that is told.
    pub async fn watch(&self, since: Option<&Cursor>, limit: Duration) -> Result<Option<Cursor>, Failure> {
        match (self, since) {
            (Target::Process(client), since) => {
                let since = match since {
                    Some(Cursor::Process(cursor)) => Some(cursor),
                    _ => None,
                };
                Ok(Some(Observed::from(client.watch(since, limit).await?).cursor))
            }
            (Target::Kubernetes(objects), Some(Cursor::Kubernetes(sighting))) => {
                objects.watch(sighting, limit).await.map(|()| None)
            }
            // Nothing was seen yet, so everything differs.
            (Target::Kubernetes(_), _) => Ok(None),
        }
    }

    /// Durable when this returns; whether it came true is seen with `observe` and `watch`. `back`: what is asked for is the
    /// baseline. What was another manager's and is ours now is returned, in words.
    pub async fn set(&self, set: Set, on: Option<&Cursor>, back: bool) -> Result<Vec<String>, Failure> {
        match self {
            Target::Process(client) => Ok(client.set(set).await.map(|()| Vec::new())?),
            Target::Kubernetes(objects) => {
                let conflicts = objects.set(&set, sighting(on)?, back).await?;
                Ok(conflicts.iter().map(|c| format!("{} of {}", c.field, c.owner)).collect())
            }
        }
    }

    pub async fn create(
        &self,
        fence: i64,
        wanted: (&str, &Desired),
        on: Option<&Cursor>,
    ) -> Result<(), Failure> {
        match self {
            Target::Process(_) => Err(no_objects()),
            Target::Kubernetes(objects) => objects.create(fence, wanted, sighting(on)?).await,
        }
    }

    /// The open run's anchor is there.
    pub async fn create_anchor(&self, fence: i64) -> Result<(), Failure> {
        match self {
            Target::Process(_) => Err(no_objects()),
            Target::Kubernetes(objects) => objects.create_anchor(fence).await,
        }
    }

    /// Ask for the open run's anchor to go, with or without what it owns.
    pub async fn release(&self, release: Release, on: Option<&Cursor>) -> Result<(), Failure> {
        match self {
            Target::Process(_) => Err(no_objects()),
            Target::Kubernetes(objects) => objects.release(release, sighting(on)?).await,
        }
    }

    /// Keep what stands here whatever is desired.
    pub async fn pin(&self, fence: i64, pins: Pins) -> Result<(), Failure> {
        match self {
            Target::Process(client) => Ok(client.pin(fence, pins).await?),
            Target::Kubernetes(objects) => {
                objects.pin(pins);
                Ok(())
            }
        }
    }

    /// Remove what is neither desired nor pinned.
    pub async fn gc(&self, fence: i64) -> Result<(), Failure> {
        match self {
            Target::Process(client) => Ok(client.gc(fence).await.map(drop)?),
            Target::Kubernetes(objects) => objects.collect(fence).await,
        }
    }

    /// What the replicas counted, by component and generation.
    pub async fn scrape(&self) -> Result<BTreeMap<String, BTreeMap<Generation, Metrics>>, Failure> {
        match self {
            Target::Process(client) => Ok(client.scrape().await?),
            Target::Kubernetes(objects) => Ok(objects.cluster().scrape().await?),
        }
    }

    /// Its replicas say where their metrics are read.
    pub(crate) fn counts(&self, desired: &Desired) -> bool {
        match self {
            Target::Process(_) => true,
            Target::Kubernetes(objects) => objects.counts(desired),
        }
    }

    pub async fn put_bytes(&self, bytes: &[u8], digest: &Digest) -> Result<(), Failure> {
        match self {
            Target::Process(client) => Ok(client.put_bytes(bytes, digest).await?),
            Target::Kubernetes(_) => Err(no_store()),
        }
    }

    pub async fn put_secret(&self, value: SecretValue) -> Result<(), Failure> {
        match self {
            Target::Process(client) => Ok(client.put_secret(value).await.map(drop)?),
            Target::Kubernetes(_) => Err(no_store()),
        }
    }
}

/// What a write is decided on was seen before; where it was not, the next look makes up for it.
fn sighting(on: Option<&Cursor>) -> Result<&Sighting, Failure> {
    match on {
        Some(Cursor::Kubernetes(sighting)) => Ok(sighting),
        _ => Err(Failure::Locked("the target was not looked at since it was reached".to_string())),
    }
}

/// A supervisor has components only; what it was asked for is its whole state.
fn no_objects() -> Failure {
    let why = "create an object: a process target has none; deploy the release to a kubernetes target";
    Failure::Refused(why.to_string())
}

fn no_store() -> Failure {
    let why = "keep content: a kubernetes target runs images of a registry and reads secrets of its own";
    Failure::Refused(why.to_string())
}

impl From<process::Observed> for Observed {
    fn from(observed: process::Observed) -> Observed {
        let components = observed.components.iter().map(|(name, seen)| (name.clone(), seen.into()));
        let (components, cursor) = (components.collect(), Cursor::Process(observed.cursor));
        Observed { components, cursor, anchor: AnchorSeen::Absent }
    }
}

impl From<&process::Seen> for Seen {
    fn from(seen: &process::Seen) -> Seen {
        let state = seen.desired.as_ref().map(|desired| ComponentState {
            generation: desired.generation(),
            replicas: desired.replicas,
            listen: desired.listen.clone(),
            secrets: desired.secrets.clone(),
            drifted: false,
        });
        let last_words = seen.doomed.as_ref().map(|why| why.log_tail.clone()).unwrap_or_default();
        Seen { state, world: seen.world(), last_words }
    }
}
