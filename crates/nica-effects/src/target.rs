//! The target: where workloads run. One type for all kinds, so that the loop never asks which one it is.
//!
//! What a kind can do and the others cannot is answered here: content that only one of them keeps, and programs that only
//! one of them has to start.

mod objects;
mod preflight;
mod vault;

use crate::failure::Failure;
use crate::kubernetes::{Cluster, Owner, Place, Release, Sighting};
use crate::process::{self, Identity, Metrics, Pins, SecretValue, Set, TargetClient, keyed_name};
use crate::records::run::{Namespace, Participants};
use nica_engine::Digest;
use nica_engine::effect::{Desired, Generation, SecretName};
use nica_engine::manifest::Need;
use nica_engine::projection::ComponentState;
use nica_engine::world::{AnchorSeen, ComponentSeen};
use objects::Objects;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Client;

pub use vault::{Secret, SecretNames, Vault};

/// Where a target is, no power yet.
#[derive(Clone, Debug)]
pub enum Reach {
    Process {
        /// The supervisor's folder.
        state: PathBuf,
    },
    /// With the values of secrets that this deployer holds, whichever connection needs them.
    Kubernetes(Place, Vault),
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
    /// Somebody took a field of what was applied; what it is asked to be is another thing then.
    pub drifted: bool,
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
            Reach::Kubernetes(..) => None,
        }
    }

    /// Those of these that the objects of a release would not find in their namespace.
    pub async fn lacks(&self, service: &str, needs: &BTreeSet<Need>) -> Result<Vec<Need>, Failure> {
        match self {
            Reach::Kubernetes(place, _) if !needs.is_empty() => {
                let owner = Owner { service: service.to_string(), env_id: None };
                Ok(Cluster::connect(place.clone(), owner).await?.lacks(needs).await?)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// What a plan calls these values. Nothing is kept yet but the key of the names, which is made where there is none. A
    /// value that this process does not have gets no name, or at a cluster, whose objects need one, an empty one: no gate
    /// lets it pass.
    pub async fn name_secrets(&self, service: &str, secrets: &[Secret]) -> Result<SecretNames, Failure> {
        let mut names = SecretNames::new();
        let key = match self {
            Reach::Kubernetes(place, vault) if secrets.iter().any(|secret| secret.value.is_some()) => {
                let owner = Owner { service: service.to_string(), env_id: None };
                Some(key_of(&Cluster::connect(place.clone(), owner).await?, vault).await?)
            }
            _ => None,
        };
        for Secret { of, key: field, value, .. } in secrets {
            let name = match (self, value) {
                (Reach::Process { state }, Some(value)) => {
                    process::secret::name(state, value).map_err(unnamed)?
                }
                (Reach::Process { .. }, None) => continue,
                (Reach::Kubernetes(..), value) => named(key.as_deref(), value.as_ref()),
            };
            names.entry(of.clone()).or_default().insert(field.clone(), name);
        }
        Ok(names)
    }

    /// As a run's records name it.
    pub fn participants(&self) -> Participants {
        match self {
            Reach::Process { state } => {
                Participants { process: Some(state.display().to_string()), ..Participants::default() }
            }
            Reach::Kubernetes(Place { context, namespace, .. }, _) => {
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
        Reach::Kubernetes(place, _) => {
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
            Reach::Kubernetes(place, vault) => {
                let objects = Objects::reach(place, vault, identity, records).await?;
                Ok(Target::Kubernetes(Box::new(objects)))
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
            Target::Kubernetes(_) => {
                let why = "keep an executable: a kubernetes target runs images of a registry";
                Err(Failure::Refused(why.to_string()))
            }
        }
    }

    /// Before a run is opened: where the target keeps values itself they are put there, else they are held here.
    pub async fn keep(&self, secrets: &[Secret]) -> Result<(), Failure> {
        match self {
            Target::Process(client) => {
                for value in secrets.iter().filter_map(|secret| secret.value.clone()) {
                    client.put_secret(value).await?;
                }
                Ok(())
            }
            Target::Kubernetes(_) => self.hold(secrets).await,
        }
    }

    /// For a run that somebody else opened: what its objects may still need from us. A supervisor needs nothing.
    pub async fn hold(&self, secrets: &[Secret]) -> Result<(), Failure> {
        match self {
            Target::Process(_) => Ok(()),
            Target::Kubernetes(objects) => objects.hold(secrets).await,
        }
    }
}

/// Asked once.
async fn key_of(cluster: &Cluster, vault: &Vault) -> Result<Vec<u8>, Failure> {
    if let Some(key) = vault.key() {
        return Ok(key);
    }
    let key = cluster.secret_key().await?;
    vault.learn_key(&key);
    Ok(key)
}

fn named(key: Option<&[u8]>, value: Option<&SecretValue>) -> SecretName {
    match (key, value) {
        (Some(key), Some(value)) => keyed_name(key, value),
        _ => SecretName(String::new()),
    }
}

fn unnamed(error: process::ProcessError) -> Failure {
    Failure::Unreachable { participant: "target", why: error.to_string() }
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
        Seen { state, world: seen.world(), last_words, drifted: false }
    }
}
