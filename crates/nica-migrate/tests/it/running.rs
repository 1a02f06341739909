//! Transactional migrations: up, down, retain, with their rows in the same commit.

use crate::common::{database, migration, runner, session, text};
use nica_migrate::fence::FenceError;
use nica_migrate::runner::{Outcome, RunError};
use nica_migrate::source::{Manifest, Phase};
use nica_migrate::state::{MigrationState, migrations};
use std::time::{Duration, Instant};

#[tokio::test]
async fn up_and_its_row_are_one_commit() {
    let url = database().await;
    let client = session(&url).await;
    let good = migration("0001_t", "CREATE TABLE t (a int)", Some("DROP TABLE t"));
    assert_eq!(runner(&url).up(&good).await.expect("applied"), Outcome::Done);
    assert_eq!(runner(&url).up(&good).await.expect("there"), Outcome::Already);

    let bad = migration("0002_u", "CREATE TABLE u ();\n\nSELECT 1/0;", None);
    let error = runner(&url).up(&bad).await.expect_err("it fails");
    assert!(error.to_string().starts_with("run 0002_u/up.sql:3: division by zero"), "{error}");
    assert_eq!(text(&client, "SELECT concat(to_regclass('t'), to_regclass('u'))").await, "t");

    let rows = migrations(&client).await.expect("a read").expect("a schema");
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.id.as_str(), row.state, row.has_down), ("0001_t", MigrationState::Applied, true));
    assert_eq!(row.sha256, good.sha256);
}

#[tokio::test]
async fn what_also_belongs_to_the_commit_is_rolled_back_with_it() {
    let url = database().await;
    let run = runner(&url);
    let mut attempts = run.attempts().await.expect("a session");
    let tx = attempts.begin().await.expect("ours");
    let m = migration("0001_t", "CREATE TABLE t ()", None);
    nica_migrate::runner::up(&tx, &m, &run.by).await.expect("applied");
    drop(tx);
    let client = session(&url).await;
    assert_eq!(text(&client, "SELECT (to_regclass('t') IS NULL)::text").await, "true");
    assert_eq!(text(&client, "SELECT count(*)::text FROM nica.migration").await, "0");
}

#[tokio::test]
async fn down_runs_the_stored_text_whatever_the_file_says_now() {
    let url = database().await;
    let run = runner(&url);
    let m = migration("0001_t", "CREATE TABLE t ()", Some("DROP TABLE t"));
    run.up(&m).await.expect("applied");
    assert_eq!(run.down("0001_t").await.expect("undone"), Outcome::Done);
    assert_eq!(run.down("0001_t").await.expect("undone"), Outcome::Already);
    assert_eq!(run.down("0009_never").await.expect("absent"), Outcome::Already);
    let client = session(&url).await;
    assert_eq!(text(&client, "SELECT (to_regclass('t') IS NULL)::text").await, "true");
    run.up(&m).await.expect("applied again");
    assert_eq!(text(&client, "SELECT state FROM nica.migration").await, "applied");
}

#[tokio::test]
async fn migration_without_down_text_stays() {
    let url = database().await;
    let run = runner(&url);
    run.up(&migration("0001_t", "CREATE TABLE t ()", None)).await.expect("applied");
    let error = run.down("0001_t").await.expect_err("there is no way");
    assert!(matches!(error, RunError::NoDown { .. }), "{error}");
}

#[tokio::test]
async fn edited_migration_is_named_and_a_reformatted_one_is_not() {
    let url = database().await;
    let run = runner(&url);
    run.up(&migration("0001_t", "CREATE TABLE t (a int)", None)).await.expect("applied");
    let same = migration("0001_t", "-- why\nCREATE TABLE t (\n  a int\n);", None);
    assert_eq!(run.up(&same).await.expect("the same"), Outcome::Already);
    let edited = migration("0001_t", "CREATE TABLE t (a bigint)", None);
    let error = run.up(&edited).await.expect_err("edited");
    assert!(matches!(&error, RunError::Edited { id } if id == "0001_t"), "{error}");
}

#[tokio::test]
async fn retained_migration_is_there_and_says_so() {
    let url = database().await;
    let run = runner(&url);
    let m = migration("0001_t", "CREATE TABLE t ()", None);
    run.up(&m).await.expect("applied");
    assert_eq!(run.retain("0001_t").await.expect("kept"), Outcome::Done);
    assert_eq!(run.retain("0001_t").await.expect("kept"), Outcome::Already);
    assert_eq!(run.up(&m).await.expect("there"), Outcome::Already);
    assert_eq!(text(&session(&url).await, "SELECT state FROM nica.migration").await, "retained");
}

#[tokio::test]
async fn contract_raises_the_floor_and_never_lowers_it() {
    let url = database().await;
    let run = runner(&url);
    for id in ["0010_a", "0009_b"] {
        let mut m = migration(id, "SELECT 1", None);
        m.phase = Phase::Contract;
        run.up(&m).await.expect("applied");
    }
    assert_eq!(text(&session(&url).await, "SELECT compat_floor FROM nica.control").await, "0010_a");
}

#[tokio::test]
async fn lock_that_comes_free_is_had_by_a_later_try() {
    let url = database().await;
    let blocker = session(&url).await;
    blocker.batch_execute("CREATE TABLE t ()").await.expect("a table");
    blocker.batch_execute("BEGIN; LOCK t IN ACCESS SHARE MODE").await.expect("locked");
    let free = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        blocker.batch_execute("COMMIT").await.expect("free");
    });
    let m = migration("0001_t", "ALTER TABLE t ADD a int", None);
    runner(&url).up(&m).await.expect("a later try has it");
    free.await.expect("no panic");
}

#[tokio::test]
async fn refusal_for_a_lock_names_its_holder() {
    let url = database().await;
    let blocker = session(&url).await;
    blocker.batch_execute("CREATE TABLE t ()").await.expect("a table");
    let pid = text(&blocker, "SELECT pg_backend_pid()::text").await;
    blocker.batch_execute("BEGIN; LOCK t IN ACCESS SHARE MODE").await.expect("locked");
    let run = nica_migrate::runner::Session { patience: Duration::from_millis(500), ..runner(&url) };
    let before = Instant::now();
    let m = migration("0001_t", "ALTER TABLE t ADD a int", None);
    let error = run.up(&m).await.expect_err("it stays locked");
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    assert!(error.to_string().contains(&format!("pid {pid} (nica test, idle in transaction")), "{error}");
}

/// Users queue behind whoever waits for a lock: no try may wait longer than its limit.
#[tokio::test]
async fn users_wait_for_a_migration_no_longer_than_its_lock_limit() {
    let url = database().await;
    let blocker = session(&url).await;
    blocker.batch_execute("CREATE TABLE t (a int)").await.expect("a table");
    blocker.batch_execute("BEGIN; LOCK t IN ACCESS SHARE MODE").await.expect("locked");
    let run = nica_migrate::runner::Session { patience: Duration::from_millis(2500), ..runner(&url) };
    let waiting =
        tokio::spawn(
            async move { run.up(&migration("0001_t", "ALTER TABLE t ADD b int", None)).await.map(drop) },
        );
    let user = session(&url).await;
    let mut longest = Duration::ZERO;
    while !waiting.is_finished() {
        let before = Instant::now();
        user.batch_execute("SELECT * FROM t").await.expect("a read");
        longest = longest.max(before.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    waiting.await.expect("no panic").expect_err("it stays locked");
    // A hundred, and what a busy machine adds. Without a limit of its own it would be the whole patience.
    assert!((Duration::from_millis(30)..Duration::from_millis(700)).contains(&longest), "{longest:?}");
}

#[tokio::test]
async fn migration_under_a_stale_fence_changes_nothing() {
    let url = database().await;
    let mut client = session(&url).await;
    let limit = Duration::from_secs(5);
    let plain = nica_migrate::fence::Admission::Plain;
    nica_migrate::fence::admit(&mut client, 5, "test", limit, plain).await.expect("admitted");
    let m = migration("0001_t", "CREATE TABLE t ()", None);
    let error = runner(&url).up(&m).await.expect_err("fence 0 is stale");
    assert!(matches!(error, RunError::Fence(FenceError::Superseded { .. })), "{error}");
    assert_eq!(text(&client, "SELECT (to_regclass('t') IS NULL)::text").await, "true");
}

#[tokio::test]
async fn settings_of_one_migration_do_not_reach_the_next() {
    let url = database().await;
    let run = runner(&url);
    let first = migration("0001_a", "CREATE SCHEMA other; SET search_path = other", None);
    run.up(&first).await.expect("applied");
    run.up(&migration("0002_b", "CREATE TABLE t ()", None)).await.expect("applied");
    let there = "SELECT (to_regclass('public.t') IS NOT NULL)::text";
    assert_eq!(text(&session(&url).await, there).await, "true");
}

#[tokio::test]
async fn state_of_an_untouched_database_is_none() {
    let client = session(&crate::common::empty_database().await).await;
    assert!(migrations(&client).await.expect("a read").is_none());
}

#[test]
fn manifest_default_is_the_careful_one() {
    let manifest = Manifest::default();
    assert_eq!(
        format!("{} {} {}", manifest.phase, manifest.class, manifest.transaction),
        "expand sticky true"
    );
}
