//! Looking at one replica for as long as it lives: its end, its readiness, its metrics.
//!
//! One task per replica. Its end comes from the pidfd, at once; readiness is asked for on its admin socket; metrics
//! are read now and then, and more often while it drains, so that what it served last is known when it has gone.

use super::Event;
use super::replica::Replica;
use crate::process::store::Store;
use crate::process::{http, kernel};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

/// While something is waited for: a replica that is not ready yet, or one that drains.
const PROBE_EVERY: Duration = Duration::from_millis(50);
const PROBE_READY_EVERY: Duration = Duration::from_millis(100);
const PROBE_LIMIT: Duration = Duration::from_secs(1);
const SCRAPE_EVERY: Duration = Duration::from_secs(1);
/// A silent probe says less than a 503: it takes this many in a row to call a ready replica unready.
const SILENT_MAX: u32 = 2;

const END_STACK_BYTES: usize = 128 * 1024;

pub(super) struct Look {
    pub key: u64,
    pub admin: PathBuf,
    pub draining: Arc<AtomicBool>,
    pub events: Sender<Event>,
}

pub(super) fn start(
    replica: &Replica,
    key: u64,
    store: Arc<Store>,
    events: Sender<Event>,
) -> std::io::Result<()> {
    let (pid, end) = (replica.process.id.pid, end_of(replica.process.pidfd.try_clone()?)?);
    let look = Look {
        key,
        admin: replica.admin.clone(),
        draining: replica.draining.clone(),
        events: events.clone(),
    };
    tokio::spawn(until_end(end, look));
    tokio::task::spawn_blocking(move || {
        if let Ok(digest) = store.of_process(pid) {
            let _ = events.blocking_send(Event::Hashed(key, digest));
        }
    });
    Ok(())
}

/// A thread that waits: the runtime has no safe way to wait for a pidfd, and replicas are few.
fn end_of(pidfd: OwnedFd) -> std::io::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    let wait = move || {
        if let Err(error) = kernel::wait(&pidfd, None) {
            tracing::error!(%error, "the end of a replica cannot be waited for");
        }
        let _ = ended.send(());
    };
    std::thread::Builder::new().name("replica-end".into()).stack_size(END_STACK_BYTES).spawn(wait)?;
    Ok(end)
}

async fn until_end(end: oneshot::Receiver<()>, look: Look) {
    tokio::select! {
        _ = end => {}
        () = forever(&look) => return,
    }
    let _ = look.events.send(Event::Ended(look.key)).await;
}

/// Ends only when nobody listens any more.
async fn forever(look: &Look) {
    let (mut said, mut silent, mut scraped) = (None, 0, Instant::now());
    loop {
        let ready = match http::get(&look.admin, "/readyz", PROBE_LIMIT).await {
            Ok(answer) => {
                silent = 0;
                answer.status == 200
            }
            Err(_) => {
                silent += 1;
                said == Some(true) && silent < SILENT_MAX
            }
        };
        if said.replace(ready) != Some(ready)
            && look.events.send(Event::Probed(look.key, ready)).await.is_err()
        {
            return;
        }
        let draining = look.draining.load(Ordering::Relaxed);
        if draining || scraped.elapsed() >= SCRAPE_EVERY {
            scraped = Instant::now();
            if let Some(text) = scrape(&look.admin).await {
                let _ = look.events.send(Event::Scraped(look.key, text)).await;
            }
        }
        let calm = ready && !draining;
        tokio::time::sleep(if calm { PROBE_READY_EVERY } else { PROBE_EVERY }).await;
    }
}

pub(super) async fn scrape(admin: &Path) -> Option<String> {
    let answer = http::get(admin, "/metrics", PROBE_LIMIT).await.ok()?;
    (answer.status == 200).then(|| String::from_utf8_lossy(&answer.body).into_owned())
}
