//! A lock that is not to be had is left alone and tried again: whoever waits for a lock makes users wait behind it.
//! From the second try on a session of its own looks who holds it, because afterwards nobody can tell.

use super::{RunError, Session};
use crate::fence::{FenceError, Guarded, Limits};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

/// A session that holds what we wait for. Never its query: that may carry health data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocker {
    pub pid: i32,
    pub application_name: String,
    pub state: String,
    /// Age of its transaction.
    pub open_secs: i64,
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// Tries of one piece of work in guarded transactions on one fresh session:
///
/// ```text
/// loop {
///     let result = once(&mut attempts).await;         // begin, work, commit
///     if let Some(value) = attempts.judge(result).await? { return Ok(value) }
/// }
/// ```
#[derive(Debug)]
pub struct Attempts {
    session: Session,
    client: Client,
    deadline: Instant,
    tries: u32,
    pause: Duration,
    watcher: Option<Watcher>,
}

impl Attempts {
    pub(super) async fn new(session: &Session) -> Result<Attempts, RunError> {
        Ok(Attempts {
            session: session.clone(),
            client: session.open().await?,
            deadline: Instant::now() + session.patience,
            tries: 0,
            pause: FIRST_PAUSE,
            watcher: None,
        })
    }

    /// A guarded transaction on this session.
    ///
    /// # Errors
    /// As `Guarded::begin`.
    pub async fn begin(&mut self) -> Result<Guarded<'_>, RunError> {
        let limits = self.session.limits;
        self.begin_with(&limits).await
    }

    pub(crate) async fn begin_with(&mut self, limits: &Limits) -> Result<Guarded<'_>, RunError> {
        self.tries += 1;
        Ok(Guarded::begin(&mut self.client, self.session.fence, limits).await?)
    }

    /// The session itself, for a statement that cannot run inside a transaction.
    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Work that went on has all of its patience again.
    pub(crate) fn fresh(&mut self) {
        (self.tries, self.pause) = (0, FIRST_PAUSE);
        self.deadline = Instant::now() + self.session.patience;
    }

    /// The value when the try worked, `None` after a pause when it shall be tried again. Pauses grow and are
    /// jittered, so that users get their turn and two of us do not meet again.
    ///
    /// # Errors
    /// The try's own, or `Locked` with the holders when the session's patience has passed.
    pub async fn judge<T>(&mut self, result: Result<T, RunError>) -> Result<Option<T>, RunError> {
        let why = match result {
            Err(RunError::Fence(FenceError::LockNotAvailable { why })) => why,
            Err(error) => return Err(error),
            Ok(value) => {
                self.fresh();
                return Ok(Some(value));
            }
        };
        // The second try is never left out: it is the first one that is watched.
        if self.tries > 1 && Instant::now() + self.pause > self.deadline {
            let blockers = self.watcher.as_ref().map(Watcher::seen).unwrap_or_default();
            let secs = self.session.patience.as_secs();
            return Err(RunError::Locked { blockers, secs, tries: self.tries, why });
        }
        if self.watcher.is_none() {
            self.watcher = Some(Watcher::start(&self.session, &self.client).await?);
        }
        sleep(self.pause.mul_f64(rand::random_range(0.5..1.5))).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(None)
    }
}

/// Looks again and again who keeps one session waiting.
#[derive(Debug)]
struct Watcher {
    seen: Arc<Mutex<Vec<Blocker>>>,
    task: JoinHandle<()>,
}

impl Watcher {
    async fn start(session: &Session, watched: &Client) -> Result<Watcher, RunError> {
        let (observer, pid) = (session.open().await?, super::session::backend_pid(watched).await?);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(watch(observer, pid, seen.clone()));
        Ok(Watcher { seen, task })
    }

    fn seen(&self) -> Vec<Blocker> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What was seen last stays: between two tries nobody is waited for.
async fn watch(observer: Client, pid: i32, seen: Arc<Mutex<Vec<Blocker>>>) {
    while let Ok(found) = blockers(&observer, pid).await {
        if !found.is_empty() {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Who keeps session `pid` waiting, now.
///
/// # Errors
/// The observer's connection is lost.
pub async fn blockers(observer: &Client, pid: i32) -> Result<Vec<Blocker>, FenceError> {
    let sql = "
        SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.state, 'unknown'),
               coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::bigint
        FROM unnest(pg_blocking_pids($1)) b(pid) JOIN pg_stat_activity a USING (pid) ORDER BY a.pid";
    let rows = observer.query(sql, &[&pid]).await.map_err(|e| FenceError::of(0, &e))?;
    let blocker = |row: &tokio_postgres::Row| Blocker {
        pid: row.get(0),
        application_name: row.get(1),
        state: row.get(2),
        open_secs: row.get(3),
    };
    Ok(rows.iter().map(blocker).collect())
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Blocker { pid, application_name, state, open_secs } = self;
        write!(f, "pid {pid} ({application_name}, {state} for {open_secs} s) holds it")
    }
}
