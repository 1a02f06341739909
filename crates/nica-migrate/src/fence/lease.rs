//! The lease: who may begin something. Its number is raised with every taking and never given twice.
//!
//! It hangs on a heartbeat session that does nothing else: when that session is gone from `pg_stat_activity`, the
//! lease has lapsed at once; when it is there but silent (a stopped process, a dead network), after the ttl. All ages
//! are database time. Losing it only forbids new effects; what makes old ones harmless is the fence.

use super::{Class, FenceError, classify, session_name, within};
use crate::connect::{DbUrl, connect};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_postgres::Client;

/// Who takes it, for whoever finds it taken.
#[derive(Clone, Debug)]
pub struct Holder {
    pub env: String,
    /// The person, `ana` or `ana@laptop`.
    pub name: String,
    pub host: String,
}

/// The row as anybody may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRow {
    pub number: i64,
    pub holder: Option<String>,
    pub host: Option<String>,
    /// Since the last beat, by database time.
    pub beat_age: Option<Duration>,
    pub lapsed: bool,
}

/// The lease, held by a task that beats three times per ttl. Dropped, its session ends and it lapses.
#[derive(Debug)]
pub struct Lease {
    beat: Arc<Beat>,
    env: String,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Beat {
    client: Client,
    ttl: Duration,
    /// Held while the row is written, so that a beat never carries yesterday's number.
    number: Mutex<i64>,
    number_seen: AtomicI64,
    /// Milliseconds from `born` to the moment before the last beat that was answered.
    alive_ms: AtomicI64,
    born: Instant,
    lost: AtomicBool,
    lost_now: Notify,
}

const POLL: Duration = Duration::from_millis(50);
/// For what is said around the taking: none of it waits for anybody.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// True where nobody holds the lease. `$1` is the ttl in seconds. Sessions of other roles show no start time; their
/// pid alone must do, the ttl decides then.
const LAPSED: &str = "(l.holder IS NULL OR l.beat < clock_timestamp() - make_interval(secs => $1)
    OR NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.pid
                   AND (a.backend_start IS NULL OR a.backend_start = l.backend_start)))";

impl Lease {
    /// Take the lease if it has lapsed; `None` while somebody holds it.
    ///
    /// # Errors
    /// No session, or the database has no schema `nica`.
    pub async fn take(url: &DbUrl, holder: &Holder, ttl: Duration) -> Result<Option<Lease>, FenceError> {
        let client = heartbeat_session(url, holder, ttl).await?;
        let before = Instant::now();
        match try_take(&client, holder, ttl).await? {
            Some(number) => Lease::begin(client, holder, ttl, number, before).await.map(Some),
            None => Ok(None),
        }
    }

    /// Poll for the lease, holding no transaction meanwhile.
    ///
    /// # Errors
    /// `Held` after `patience`, with who has it.
    pub async fn wait(
        url: &DbUrl,
        holder: &Holder,
        ttl: Duration,
        patience: Duration,
    ) -> Result<Lease, FenceError> {
        let client = heartbeat_session(url, holder, ttl).await?;
        let deadline = Instant::now() + patience;
        loop {
            let before = Instant::now();
            if let Some(number) = try_take(&client, holder, ttl).await? {
                return Lease::begin(client, holder, ttl, number, before).await;
            }
            if before > deadline {
                return Err(held(peek(&client, ttl).await?));
            }
            sleep(POLL.mul_f64(rand::random_range(0.5..1.5))).await;
        }
    }

    async fn begin(
        client: Client,
        holder: &Holder,
        ttl: Duration,
        number: i64,
        before: Instant,
    ) -> Result<Lease, FenceError> {
        rename(&client, &holder.env, number).await?;
        let beat = Arc::new(Beat {
            client,
            ttl,
            number: Mutex::new(number),
            number_seen: AtomicI64::new(number),
            alive_ms: AtomicI64::new(0),
            born: before,
            lost: AtomicBool::new(false),
            lost_now: Notify::new(),
        });
        let task = tokio::spawn(keep_beating(beat.clone()));
        Ok(Lease { beat, env: holder.env.clone(), task })
    }

    /// The number to be used as fence.
    pub fn number(&self) -> i64 {
        self.beat.number_seen.load(Ordering::SeqCst)
    }

    /// Whether new effects may begin: the last answered beat is younger than the ttl. Ask right before each.
    pub fn is_held(&self) -> bool {
        !self.beat.lost.load(Ordering::SeqCst) && Instant::now() < self.beat.good_until()
    }

    /// Comes back when the lease is lost for good or has not been answered for a ttl.
    pub async fn lost(&self) {
        while self.is_held() {
            let notified = self.beat.lost_now.notified();
            tokio::select! {
                () = notified => {}
                () = sleep_until(self.beat.good_until()) => {}
            }
        }
    }

    /// Take the next number while still holding: after an answer that did not come, the old number is at its end.
    ///
    /// # Errors
    /// `Superseded` when somebody else took the lease meanwhile.
    pub async fn next_number(&self) -> Result<i64, FenceError> {
        let mut number = self.beat.number.lock().await;
        let next = self.beat.write(NEXT, *number).await?;
        let Some(next) = next else {
            self.beat.lose();
            return Err(FenceError::Superseded { fence: *number });
        };
        *number = next;
        self.beat.number_seen.store(next, Ordering::SeqCst);
        rename(&self.beat.client, &self.env, next).await?;
        Ok(next)
    }

    /// Give it back, so that the next taker need not wait.
    ///
    /// # Errors
    /// The connection is lost, which gives it back as well.
    pub async fn release(self) -> Result<(), FenceError> {
        let number = self.beat.number.lock().await;
        self.beat.lose();
        self.beat.write(RELEASE, *number).await.map(|_| ())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The task owns the session too; with it gone the session ends and the lease lapses at once.
        self.task.abort();
    }
}

const BEAT: &str = "UPDATE nica.lease SET beat = clock_timestamp()
    WHERE number = $1 AND pid = pg_backend_pid() RETURNING number";
const NEXT: &str = "UPDATE nica.lease SET number = number + 1, beat = clock_timestamp()
    WHERE number = $1 AND pid = pg_backend_pid() RETURNING number";
const RELEASE: &str = "UPDATE nica.lease SET holder = NULL, pid = NULL, backend_start = NULL
    WHERE number = $1 AND pid = pg_backend_pid() RETURNING number";

impl Beat {
    fn good_until(&self) -> Instant {
        let alive = u64::try_from(self.alive_ms.load(Ordering::SeqCst)).unwrap_or(0);
        self.born + Duration::from_millis(alive) + self.ttl
    }

    fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
        self.lost_now.notify_waiters();
    }

    /// One write to the row; `None` when it is no longer ours.
    async fn write(&self, sql: &str, number: i64) -> Result<Option<i64>, FenceError> {
        let before = Instant::now();
        let row = within(self.ttl, async {
            self.client.query_opt(sql, &[&number]).await.map_err(|e| FenceError::of(number, &e))
        })
        .await?;
        let alive = before.saturating_duration_since(self.born).as_millis();
        self.alive_ms.store(i64::try_from(alive).unwrap_or(i64::MAX), Ordering::SeqCst);
        Ok(row.map(|row| row.get(0)))
    }
}

/// Beats until the row is somebody else's or the session is gone. A beat that comes late but finds the row still
/// ours holds again: nobody has taken it meanwhile.
async fn keep_beating(beat: Arc<Beat>) {
    loop {
        sleep(beat.ttl / 3).await;
        let number = beat.number.lock().await;
        match beat.write(BEAT, *number).await {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) if beat.client.is_closed() => {
                tracing::warn!(%error, "heartbeat session ended");
                break;
            }
            Err(error) => tracing::warn!(%error, "heartbeat not answered"),
        }
    }
    beat.lose();
}

async fn heartbeat_session(url: &DbUrl, holder: &Holder, ttl: Duration) -> Result<Client, FenceError> {
    // Checks the name before anything is taken.
    session_name(&holder.env, 0, None)?;
    let client = connect(url, "nica/lease").await?;
    // A row lock that a stopped backend keeps must not keep us: not to be had is not lapsed.
    let limits =
        format!("SET lock_timeout = '{0}ms'; SET statement_timeout = '{0}ms'", ttl.as_millis().max(1));
    let set = async { client.batch_execute(&limits).await.map_err(|e| FenceError::of(0, &e)) };
    within(ANSWER_LIMIT, set).await?;
    Ok(client)
}

/// One statement. The number that was read must still be there when the row is written: a taker that waited for
/// another taker's row lock looks again at the new row, but at an old copy of `pg_stat_activity`.
async fn try_take(client: &Client, holder: &Holder, ttl: Duration) -> Result<Option<i64>, FenceError> {
    let sql = format!(
        "WITH seen AS MATERIALIZED (SELECT number FROM nica.lease)
         UPDATE nica.lease l SET number = l.number + 1, holder = $2, host = $3, pid = pg_backend_pid(),
            backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()),
            beat = clock_timestamp()
         FROM seen WHERE l.number = seen.number AND {LAPSED} RETURNING l.number"
    );
    let secs = ttl.as_secs_f64();
    let answer = async { Ok(client.query_opt(&sql, &[&secs, &holder.name, &holder.host]).await) };
    match within(ttl * 2, answer).await? {
        Ok(row) => Ok(row.map(|row| row.get(0))),
        Err(error) if classify(&error) == Class::LockNotAvailable => Ok(None),
        Err(error) => Err(FenceError::of(0, &error)),
    }
}

/// The heartbeat session carries its fence: admission of a higher one ends it, so a stale holder learns at once.
async fn rename(client: &Client, env: &str, number: i64) -> Result<(), FenceError> {
    let name = session_name(env, number, None)?;
    let sql = format!("SET application_name = '{name}'");
    within(ANSWER_LIMIT, async { client.batch_execute(&sql).await.map_err(|e| FenceError::of(number, &e)) })
        .await
}

/// Read the row, with whether it has lapsed by this ttl.
///
/// # Errors
/// The connection is lost, or there is no schema `nica`.
pub async fn peek(client: &Client, ttl: Duration) -> Result<LeaseRow, FenceError> {
    let sql = format!(
        "SELECT l.number, l.holder, l.host, extract(epoch FROM clock_timestamp() - l.beat)::float8, {LAPSED}
         FROM nica.lease l"
    );
    let secs = ttl.as_secs_f64();
    let row = async { client.query_one(&sql, &[&secs]).await.map_err(|e| FenceError::of(0, &e)) };
    let row = within(ANSWER_LIMIT, row).await?;
    let age: Option<f64> = row.get(3);
    Ok(LeaseRow {
        number: row.get(0),
        holder: row.get(1),
        host: row.get(2),
        beat_age: age.map(|secs| Duration::from_secs_f64(secs.max(0.0))),
        lapsed: row.get(4),
    })
}

fn held(row: LeaseRow) -> FenceError {
    let unknown = || "somebody".to_string();
    FenceError::Held {
        holder: row.holder.unwrap_or_else(unknown),
        host: row.host.unwrap_or_else(unknown),
        number: row.number,
    }
}
