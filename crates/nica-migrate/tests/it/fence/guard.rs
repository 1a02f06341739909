//! A guarded transaction commits under the admitted fence and under no other.

use crate::common::{ENV, database, named, session, text};
use nica_migrate::fence::{Admission, Class, FenceError, Guarded, Limits, admit, classify};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn stale_fence_is_refused_before_it_can_change_anything() {
    let url = database().await;
    let mut old = session(&url).await;
    let mut new = named(&url, &format!("nica/{ENV}/2/-")).await;
    admit(&mut new, 2, ENV, LIMIT, Admission::Plain).await.expect("admitted");
    for fence in [1, 3] {
        let error = Guarded::begin(&mut old, fence, &Limits::default()).await.err().expect("not admitted");
        assert!(matches!(error, FenceError::Superseded { .. }), "{error}");
    }
    Guarded::begin(&mut new, 2, &Limits::default()).await.expect("admitted").commit().await.expect("ours");
}

#[tokio::test]
async fn silent_holder_is_ended_by_the_server_and_its_commit_fails() {
    let url = database().await;
    let mut client = session(&url).await;
    client.batch_execute("CREATE TABLE t (x int)").await.expect("a table");
    let tx = Guarded::begin(&mut client, 0, &Limits::default()).await.expect("ours");
    tx.batch_execute("INSERT INTO t VALUES (1)").await.expect("a row");
    tokio::time::sleep(Duration::from_millis(600)).await;
    let error = tx.commit().await.expect_err("the server ended it");
    assert!(matches!(error, FenceError::LostAnswer { .. }), "{error}");
    assert_eq!(text(&session(&url).await, "SELECT count(*)::text FROM t").await, "0");
}

/// To the COMMIT of a failed transaction Postgres answers ROLLBACK, without an error.
#[tokio::test]
async fn commit_of_a_failed_transaction_is_an_error() {
    let mut client = session(&database().await).await;
    let tx = Guarded::begin(&mut client, 0, &Limits::default()).await.expect("ours");
    tx.batch_execute("SELECT 1/0").await.expect_err("a failing statement");
    tx.commit().await.expect_err("there is nothing to commit");
}

#[tokio::test]
async fn lock_is_waited_for_as_long_as_the_limit_says() {
    let url = database().await;
    let blocker = session(&url).await;
    blocker.batch_execute("CREATE TABLE t ()").await.expect("a table");
    blocker.batch_execute("BEGIN; LOCK t").await.expect("locked");
    let mut client = session(&url).await;
    let tx = Guarded::begin(&mut client, 0, &Limits::default()).await.expect("ours");
    let before = Instant::now();
    let error = tx.batch_execute("LOCK t").await.expect_err("somebody has it");
    assert_eq!(classify(&error), Class::LockNotAvailable);
    assert!((80..2000).contains(&before.elapsed().as_millis()), "{:?}", before.elapsed());
}

#[tokio::test]
async fn settings_end_with_the_transaction() {
    let mut client = session(&database().await).await;
    Guarded::begin(&mut client, 0, &Limits::default()).await.expect("ours").commit().await.expect("ours");
    assert_eq!(text(&client, "SHOW lock_timeout").await, "0");
}

/// The lexer refuses such a file; should it ever miss one, nobody is told that all went well.
#[tokio::test]
async fn transaction_that_was_ended_from_within_is_not_committed_silently() {
    let url = database().await;
    let mut client = session(&url).await;
    for end in ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "COMMIT; BEGIN; SELECT nica.guard(0)"] {
        let tx = Guarded::begin(&mut client, 0, &Limits::default()).await.expect("ours");
        tx.batch_execute(end).await.expect("Postgres does as it is told");
        let error = tx.commit().await.expect_err("it is another transaction, or none");
        assert!(matches!(error, FenceError::Torn), "{end}: {error}");
    }
}
