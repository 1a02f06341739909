//! The orphan backend: its client is dead, its statement was sent, the server works on.

use crate::common::{ENV, database, named, session, text, wait_until};
use nica_migrate::connect::connect_with_task;
use nica_migrate::fence::{Admission, Guarded, Limits, admit};
use std::time::Duration;

/// The worst client: it sent its COMMIT in the same message. The lock it waits for comes free only after the second
/// taker has admitted; from then on nothing of the first may appear.
#[tokio::test]
async fn nothing_of_a_killed_client_appears_after_the_next_admission() {
    let url = database().await;
    let blocker = session(&url).await;
    blocker.batch_execute("CREATE TABLE t ()").await.expect("a table");
    blocker.batch_execute("BEGIN; LOCK t IN ACCESS SHARE MODE").await.expect("locked");

    let mut first = named(&url, &format!("nica/{ENV}/1/-")).await;
    admit(&mut first, 1, ENV, Duration::from_secs(5), Admission::Plain).await.expect("admitted");
    let (mut client, connection) =
        connect_with_task(&url, &format!("nica/{ENV}/1/a1b2c3d4")).await.expect("in");
    let limits =
        Limits { lock: Duration::from_secs(60), statement: Duration::from_secs(60), ..Limits::default() };
    let killed = tokio::spawn(async move {
        let tx = Guarded::begin(&mut client, 1, &limits).await.expect("ours");
        let _ = tx.batch_execute("ALTER TABLE t ADD COLUMN late int; COMMIT").await;
    });
    wait_until(&blocker, "SELECT count(*)::text FROM pg_locks WHERE NOT granted", "1").await;
    connection.abort();
    killed.abort();

    let mut second = named(&url, &format!("nica/{ENV}/2/-")).await;
    admit(&mut second, 2, ENV, Duration::from_secs(5), Admission::Plain).await.expect("admitted");
    blocker.batch_execute("COMMIT").await.expect("the lock is free");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let columns =
        "SELECT count(*)::text FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'late'";
    assert_eq!(text(&second, columns).await, "0");
}
