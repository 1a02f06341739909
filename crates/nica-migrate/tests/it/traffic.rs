//! People wait for a migration no longer than a tenth of a second, and wait for no deployer that is dead or stopped.

use crate::attic::{parking, sql};
use crate::common::{database, lone, migration, runner, session, signal, text};
use nica_migrate::DbUrl;
use nica_migrate::fence::{FenceError, Limits};
use nica_migrate::runner::{RunError, Session};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// What the bar says, and what two cores add that do all of it at once.
const LONGEST_WAIT: Duration = Duration::from_millis(100 + 150);

/// Reads, writes, inserts and deletes rows of t all the while; ends with the longest wait.
struct Traffic {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Duration>>,
}

impl Traffic {
    fn start(url: &DbUrl) -> Traffic {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..4).map(|n| tokio::spawn(user(url.clone(), n, stop.clone()))).collect();
        Traffic { stop, tasks }
    }

    async fn longest_wait(self) -> Duration {
        self.stop.store(true, Ordering::SeqCst);
        let mut longest = Duration::ZERO;
        for task in self.tasks {
            longest = longest.max(task.await.expect("a user whose statements succeed"));
        }
        longest
    }
}

async fn user(url: DbUrl, n: i32, stop: Arc<AtomicBool>) -> Duration {
    let client = session(&url).await;
    let (mut longest, mut i) = (Duration::ZERO, 0);
    while !stop.load(Ordering::SeqCst) {
        i += 1;
        let (id, new) = (1 + (i * 7919 + n) % 50_000, 1_000_000 + i * 4 + n);
        let before = Instant::now();
        let statement = match i % 3 {
            0 => format!("UPDATE t SET a = a + 1 WHERE id = {id}"),
            1 => format!("SELECT a FROM t WHERE id = {id}"),
            _ => format!("INSERT INTO t (id) VALUES ({new}); DELETE FROM t WHERE id = {new}"),
        };
        sql(&client, &statement).await;
        longest = longest.max(before.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_step_beside_traffic() {
    let url = database().await;
    let client = session(&url).await;
    sql(&client, "CREATE TABLE t (id int PRIMARY KEY, a int DEFAULT 0)").await;
    sql(&client, "INSERT INTO t SELECT generate_series(1, 50000)").await;
    let run = runner(&url);
    // What people wait when nobody migrates: others may be at work on this machine too.
    let alone = Traffic::start(&url);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let alone = alone.longest_wait().await;
    let traffic = Traffic::start(&url);
    let note = parking("0001_note", &["t.note"], "ALTER TABLE t ADD note text", "ALTER TABLE t DROP note");
    let fill = lone(
        "0002_fill",
        "-- nica: backfill batch=500 pause=1ms\nUPDATE t SET note = 'n' || id WHERE note IS NULL",
        None,
    );
    let index = lone("0003_i", "CREATE INDEX CONCURRENTLY t_a ON t (a)", Some("DROP INDEX CONCURRENTLY t_a"));
    insist(async || run.up(&note).await).await;
    insist(async || run.converge_up(&fill).await).await;
    insist(async || run.converge_up(&index).await).await;
    insist(async || run.converge_down("0003_i").await).await;
    insist(async || run.converge_down("0002_fill").await).await;
    insist(async || run.park("0001_note").await).await;
    insist(async || run.down("0001_note").await).await;
    insist(async || run.up(&note).await).await;
    insist(async || run.unpark("0001_note").await).await;
    let longest = traffic.longest_wait().await;
    assert!(
        longest < LONGEST_WAIT + alone * 3,
        "somebody waited {longest:?}, and {alone:?} without a migration"
    );
    let back = "SELECT count(*)::text FROM t WHERE id <= 50000 AND note = 'n' || id";
    assert_eq!(text(&client, back).await, "50000");
}

/// A busy machine may keep us silent for longer than the server bears; every step can be asked for again.
async fn insist<T>(mut step: impl AsyncFnMut() -> Result<T, RunError>) -> T {
    loop {
        match step().await {
            Err(error) if error.is_lost_answer() => {}
            other => return other.expect("a step"),
        }
    }
}

/// The server process of a migration is stopped while its statement runs: nobody waits for an answer for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statement_of_a_stopped_backend_is_given_up() {
    let url = database().await;
    let limits = Limits { statement: Duration::from_secs(2), ..Limits::default() };
    let run = Session { limits, ..runner(&url) };
    let client = session(&url).await;
    let waiting =
        tokio::spawn(async move { run.up(&migration("0001_a", "SELECT pg_sleep(1.9)", None)).await });
    let sleeping = "SELECT coalesce(max(pid), 0)::text FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    let mut pid = 0;
    while pid == 0 {
        assert!(!waiting.is_finished(), "it was to be stopped while it sleeps");
        pid = text(&client, sleeping).await.parse().expect("a pid");
    }
    signal(pid, "STOP");
    let answer = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    signal(pid, "CONT");
    let error = answer.expect("given up in time").expect("no panic").expect_err("no answer came");
    assert!(matches!(error, RunError::Fence(FenceError::LostAnswer { .. })), "{error}");
}
