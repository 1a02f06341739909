//! Feeds the tracker: a list and a watch of every kind that it judges, from the first look to the last.
//!
//! What is told arrives when it happens, also while nobody looks or waits. A watch that ends is opened again where it
//! ended; only where the server has forgotten that version a list comes in between, and what stands in it counts as
//! history. Nothing is written on what is known here: a write is decided on what a look read.

use super::api::List;
use super::observe::Sighting;
use super::tracker::Tracker;
use super::{Cluster, ClusterError, Inner};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use kube::core::discovery::ApiResource;
use kube::core::params::WatchParams;
use kube::core::{Request, WatchEvent};
use nica_engine::track::kubernetes::{Kind, Told};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Opening a watch is one request.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// An API server that restarts is not helped by haste.
const REOPEN: Duration = Duration::from_millis(300);
/// What this account may not watch may be granted later.
const DENIED_PAUSE: Duration = Duration::from_secs(30);
/// How long a look waits for the first lists. Without them nothing is judged, and the next look judges.
const LISTS_LIMIT: Duration = Duration::from_secs(5);

/// What is judged, as the API server calls it.
const KINDS: [&str; 8] =
    ["DaemonSet", "Deployment", "Event", "Job", "PersistentVolumeClaim", "Pod", "ReplicaSet", "StatefulSet"];

/// What the tasks share with whoever looks.
pub(super) struct Feed {
    tracker: Mutex<Tracker>,
    /// By the plural of the kind.
    standing: Mutex<BTreeMap<String, Standing>>,
    news: watch::Sender<()>,
}

/// The tasks end with whoever holds this.
pub(super) struct Following {
    pub feed: Arc<Feed>,
    _tasks: JoinSet<()>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Standing {
    /// Of the newest change that arrived.
    version: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Unlisted,
    Listed,
    Watched,
    /// This account may not, or there is no such kind.
    Absent,
}

impl Cluster {
    /// Begun with the first look, and told everything since.
    pub(super) async fn feed(&self) -> Result<&Feed, ClusterError> {
        let begin = async || {
            let kinds = self.kinds().await?;
            let resources: Vec<_> =
                KINDS.iter().filter_map(|kind| Some((Kind::of(kind)?, kinds.find(kind)?.clone()))).collect();
            Ok(Following::begin(resources, &Arc::downgrade(&self.inner)))
        };
        let following: &Following = self.inner.following.get_or_try_init(begin).await?;
        Ok(&following.feed)
    }
}

impl Following {
    fn begin(resources: Vec<(Kind, ApiResource)>, cluster: &Weak<Inner>) -> Following {
        let standing = resources.iter().map(|(_, r)| (r.plural.clone(), Standing::default())).collect();
        let (tracker, standing) = (Mutex::new(Tracker::new()), Mutex::new(standing));
        let feed = Arc::new(Feed { tracker, standing, news: watch::Sender::new(()) });
        let mut tasks = JoinSet::new();
        for (kind, resource) in resources {
            tasks.spawn(follow(cluster.clone(), feed.clone(), kind, resource));
        }
        Following { feed, _tasks: tasks }
    }
}

impl Feed {
    pub(super) fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> MutexGuard<'_, BTreeMap<String, Standing>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marked at each change from here on.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// What a look need not watch itself.
    pub(super) fn follows(&self, plural: &str) -> bool {
        self.standing().get(plural).is_some_and(|standing| standing.state != State::Absent)
    }

    /// Every kind is watched that this account may watch.
    pub(super) fn is_whole(&self) -> bool {
        let open = |standing: &Standing| matches!(standing.state, State::Watched | State::Absent);
        self.standing().values().all(open)
    }

    /// Every kind was listed once. What is not listed yet looks like what does not exist.
    pub(super) async fn is_listed(&self) -> bool {
        let mut news = self.news();
        let listed = async {
            while self.standing().values().any(|standing| standing.state == State::Unlisted) {
                // The sender is ours: it does not go.
                let _ = news.changed().await;
            }
        };
        tokio::time::timeout(LISTS_LIMIT, listed).await.is_ok()
    }

    /// Something that the look did not see, or the time, made a difference.
    pub(super) fn differs(&self, since: &Sighting) -> bool {
        let newer = |(plural, standing): (&String, &Standing)| {
            since.version(plural).is_some_and(|version| standing.version > version)
        };
        self.standing().iter().any(newer) || !self.tracker().failing().is_subset(&since.failing)
    }

    fn tell(&self, plural: &str, change: &str, object: &Value) {
        match Told::read(change, object) {
            Ok(Some(told)) => self.tracker().tell(&told),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a change is not judged"),
        }
        let version = super::object::version(object).parse().unwrap_or(0);
        self.mark(plural, |standing| standing.version = standing.version.max(version));
    }

    fn list(&self, kind: Kind, resource: &ApiResource, mut list: List<Value>) -> String {
        // Items of a list say no kind.
        list.items.iter_mut().for_each(|item| item["kind"] = Value::String(resource.kind.clone()));
        match Told::list(kind, &list.items) {
            Ok(told) => self.tracker().tell(&told),
            Err(error) => tracing::warn!(%error, "a list is not judged"),
        }
        let version = list.version.parse().unwrap_or(0);
        self.mark(&resource.plural, |standing| {
            *standing = Standing { version: standing.version.max(version), state: State::Listed };
        });
        list.version
    }

    fn is(&self, plural: &str, state: State) {
        self.mark(plural, |standing| standing.state = state);
    }

    fn mark(&self, plural: &str, change: impl FnOnce(&mut Standing)) {
        change(self.standing().entry(plural.to_string()).or_default());
        self.news.send_replace(());
    }
}

/// One kind, until nobody holds the cluster any more.
async fn follow(cluster: Weak<Inner>, feed: Arc<Feed>, kind: Kind, resource: ApiResource) {
    let plural = resource.plural.as_str();
    let mut from: Option<String> = None;
    loop {
        let Some(inner) = cluster.upgrade() else { return };
        let asked = once(&Cluster { inner }, &feed, (kind, &resource), &mut from).await;
        let pause = match asked {
            Ok(events) => {
                feed.is(plural, State::Watched);
                from = drain(&feed, plural, events, from).await;
                feed.is(plural, State::Listed);
                REOPEN
            }
            Err(Some(ClusterError::Denied { what, reason })) => {
                tracing::warn!(%what, %reason, "not watched: some failures show nowhere else");
                feed.is(plural, State::Absent);
                DENIED_PAUSE
            }
            Err(_) => REOPEN,
        };
        tokio::time::sleep(pause).await;
    }
}

type Events = BoxStream<'static, Result<WatchEvent<Value>, kube::Error>>;

/// List where that is needed, then open the watch. The error is none where only the watch could not be had.
async fn once(
    cluster: &Cluster,
    feed: &Feed,
    (kind, resource): (Kind, &ApiResource),
    from: &mut Option<String>,
) -> Result<Events, Option<ClusterError>> {
    let version = match from.take() {
        Some(version) => version,
        None => feed.list(kind, resource, cluster.list::<Value>(resource, None).await?),
    };
    let watch = Request::new(cluster.path(resource)).watch(&WatchParams::default(), &version);
    let asked = cluster.inner.client.request_events::<Value>(watch.expect("a watch of ours is valid"));
    match tokio::time::timeout(OPEN_LIMIT, asked).await {
        Ok(Ok(events)) => {
            *from = Some(version);
            Ok(events.boxed())
        }
        // The server has forgotten this version.
        Ok(Err(kube::Error::Api(status))) if status.code == GONE => Err(None),
        Ok(Err(_)) | Err(_) => {
            *from = Some(version);
            Err(None)
        }
    }
}

const GONE: u16 = 410;

/// Tells what comes; answers from where to go on, none where only a list helps.
async fn drain(feed: &Feed, plural: &str, mut events: Events, mut from: Option<String>) -> Option<String> {
    while let Some(Ok(event)) = events.next().await {
        let (change, object) = match event {
            WatchEvent::Added(object) => ("ADDED", object),
            WatchEvent::Modified(object) => ("MODIFIED", object),
            WatchEvent::Deleted(object) => ("DELETED", object),
            WatchEvent::Bookmark(mark) => {
                from = Some(mark.metadata.resource_version);
                continue;
            }
            WatchEvent::Error(status) => return from.filter(|_| status.code != GONE),
        };
        feed.tell(plural, change, &object);
        from = Some(super::object::version(&object).to_string());
    }
    from
}
