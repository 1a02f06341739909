//! Waiting until something differs from what was observed.
//!
//! Workloads, their pods and what is said of them are followed by `feed`. Every other kind that was listed is watched from
//! the version of that list, so nothing between look and watch is missed. The streams stay open between two waits. One that is cut, or told that its version is too old, is simply something that
//! differs: the next look reads everything anew and says from where to watch.

use super::observe::{Listed, Sighting};
use super::{Cluster, ClusterError};
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, SelectAll};
use kube::core::params::WatchParams;
use kube::core::{Request, WatchEvent};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Opening a watch is one request.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// What comes in one burst is looked at once.
const BURST: Duration = Duration::from_millis(40);
/// A stream that was cut, or could not be opened, is opened again after this long: an API server that restarts is not
/// helped by haste.
const REOPEN: Duration = Duration::from_millis(300);

/// The open streams.
#[derive(Default)]
pub(super) struct Watches {
    streams: SelectAll<BoxStream<'static, (String, Change)>>,
    open: BTreeSet<String>,
}

enum Change {
    /// Something of this version changed.
    At(Option<u64>),
    /// The server's history moved on; nothing of ours changed.
    Bookmark,
    Ended,
}

/// Only the version: what changed is read by the next look.
#[derive(Clone, Deserialize)]
struct Changed {
    #[serde(default)]
    metadata: Meta,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    resource_version: String,
}

impl Cluster {
    /// Comes back as soon as something differs from what `since` saw, at the latest after `limit`. True where it does.
    pub async fn watch(&self, since: &Sighting, limit: Duration) -> Result<bool, ClusterError> {
        let (end, soon) = (Instant::now() + limit, Instant::now() + REOPEN);
        let feed = self.feed().await?;
        let mut news = feed.news();
        let mut watches = self.inner.watches.lock().await;
        let mut whole = true;
        for (plural, listed) in &since.versions {
            if !watches.open.contains(plural) && !feed.follows(plural) {
                whole &= self.open(&mut watches, listed).await;
            }
        }
        loop {
            if feed.differs(since) {
                return Ok(burst(end).await);
            }
            // What is not watched is looked at soon.
            let all = whole && feed.is_whole();
            let until = if all { end } else { end.min(soon) };
            let next = tokio::select! {
                next = next(&mut watches.streams) => next,
                _ = news.changed() => continue,
                () = tokio::time::sleep_until(until) => return Ok(!all),
            };
            match next {
                (_, Change::Bookmark) => {}
                (plural, Change::At(version)) if is_seen(since, &plural, version) => {}
                (_, Change::At(_)) => return Ok(burst(end).await),
                (plural, Change::Ended) => {
                    watches.open.remove(&plural);
                    tokio::time::sleep_until(end.min(Instant::now() + REOPEN)).await;
                    return Ok(true);
                }
            }
        }
    }

    /// False where the server does not let us watch now.
    async fn open(&self, watches: &mut Watches, listed: &Listed) -> bool {
        let Listed { resource, selector, version } = listed;
        let params = WatchParams { label_selector: selector.clone(), ..WatchParams::default() };
        let request =
            Request::new(self.path(resource)).watch(&params, version).expect("a watch of ours is valid");
        let asked = self.inner.client.request_events::<Changed>(request);
        let Ok(Ok(events)) = tokio::time::timeout(OPEN_LIMIT, asked).await else { return false };
        let plural = resource.plural.clone();
        let changes = events.map(|event| match event {
            Ok(WatchEvent::Added(o) | WatchEvent::Modified(o) | WatchEvent::Deleted(o)) => {
                Change::At(o.metadata.resource_version.parse().ok())
            }
            Ok(WatchEvent::Bookmark(_)) => Change::Bookmark,
            // 410 among them.
            Ok(WatchEvent::Error(_)) | Err(_) => Change::Ended,
        });
        let ended = futures_util::stream::once(async { Change::Ended });
        let once = changes.chain(ended).scan(false, |over, change| {
            let next = (!*over).then_some(change);
            *over |= matches!(next, Some(Change::Ended));
            std::future::ready(next)
        });
        watches.open.insert(plural.clone());
        watches.streams.push(once.map(move |change| (plural.clone(), change)).boxed());
        true
    }
}

async fn burst(end: Instant) -> bool {
    tokio::time::sleep(BURST.min(end.saturating_duration_since(Instant::now()))).await;
    true
}

fn is_seen(since: &Sighting, plural: &str, version: Option<u64>) -> bool {
    matches!((version, since.version(plural)), (Some(version), Some(listed)) if version <= listed)
}

/// For ever pending where nothing is watched.
async fn next(streams: &mut SelectAll<BoxStream<'static, (String, Change)>>) -> (String, Change) {
    match streams.next().await {
        Some(next) => next,
        None => std::future::pending().await,
    }
}
