//! The `kubernetes` target: the deployer's hands at an API server.
//!
//! Nothing of ours runs in the cluster. What is asked for are objects; who may write them is told by an annotation that
//! admission raises, and by the uid and `resourceVersion` that every write carries. Objects are plain JSON here: the
//! applied configurations come from manifests that we do not interpret beyond what stands in `stamp`.

mod admit;
mod anchor;
mod api;
mod drift;
mod error;
mod feed;
mod key;
mod kinds;
mod logs;
mod managed;
mod names;
mod needs;
mod object;
mod observe;
mod pods;
mod preflight;
mod scrape;
mod stamp;
mod tracker;
mod verdict;
mod watch;
mod write;

pub use anchor::{Anchor, AnchorSeen, Release};
pub use error::ClusterError;
pub use logs::Log;
pub use managed::Conflict;
pub use observe::{Kept, ObjectSeen, Sighting};
pub use preflight::{Tried, pods as pods_of};
pub(crate) use scrape::declares_metrics;
pub use write::{Order, Wanted, Written};

use kinds::Kinds;
use kube::config::{KubeConfigOptions, Kubeconfig};
use nica_engine::effect::Generation;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};

/// Where an environment's objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As kubectl finds it where none is named.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's current one where none is named.
    pub context: Option<String>,
    pub namespace: String,
}

/// Whose objects they are. One namespace belongs to one environment of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub service: String,
    /// The uuid in the environment's `nica.control`; none where NICA was never here.
    pub env_id: Option<String>,
}

/// Which objects an environment consists of, beside those that are labelled as ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Components of baseline and plan, `Kind/name`.
    pub components: BTreeSet<String>,
    /// The open run, if one is open.
    pub run: Option<String>,
    /// The anchor of the open run, by the run that it is named after.
    pub anchor: Option<String>,
    /// What the open run asks for, and how long that may take. What is asked for by nobody has all the time.
    pub limits_ms: BTreeMap<(String, Generation), u64>,
}

/// An API server and a namespace there. Clones share their connections.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    client: kube::Client,
    place: Place,
    owner: Owner,
    kinds: OnceCell<Kinds>,
    watches: Mutex<watch::Watches>,
    following: OnceCell<feed::Following>,
}

/// A TCP and TLS handshake.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

impl Cluster {
    /// Nothing is asked of the API server yet.
    pub async fn connect(place: Place, owner: Owner) -> Result<Cluster, ClusterError> {
        let unusable = |why: String| ClusterError::Config { why };
        let options = KubeConfigOptions { context: place.context.clone(), ..KubeConfigOptions::default() };
        let config = config(place.kubeconfig.as_deref(), &options).await;
        let mut config = config.map_err(unusable)?;
        // A repeated write would go past the records; what is repeated here stands in `api`.
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_LIMIT);
        let client = kube::Client::try_from(config).map_err(|error| unusable(error.to_string()))?;
        let (kinds, watches, following) = (OnceCell::new(), Mutex::default(), OnceCell::new());
        Ok(Cluster { inner: Arc::new(Inner { client, place, owner, kinds, watches, following }) })
    }

    fn namespace(&self) -> &str {
        &self.inner.place.namespace
    }

    fn owner(&self) -> &Owner {
        &self.inner.owner
    }

    /// The kinds of this API server, asked once.
    async fn kinds(&self) -> Result<&Kinds, ClusterError> {
        self.inner.kinds.get_or_try_init(|| kinds::discover(self)).await
    }
}

async fn config(path: Option<&Path>, options: &KubeConfigOptions) -> Result<kube::Config, String> {
    match path {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| error.to_string())?;
            kube::Config::from_custom_kubeconfig(file, options).await.map_err(|error| error.to_string())
        }
        None if options.context.is_some() => {
            kube::Config::from_kubeconfig(options).await.map_err(|error| error.to_string())
        }
        None => kube::Config::infer().await.map_err(|error| error.to_string()),
    }
}
