//! NICA needs no superuser: the owner of a database that is nobody else does everything.

use crate::attic::{lines, park_and_down, parking, sql, up_and_unpark};
use crate::common::{ENV, SERVICE, cluster, empty_database, holder, lone, named, runner, session};
use nica_migrate::fence::{Admission, Guarded, Lease, Limits, admit, peek};
use nica_migrate::schema;
use std::time::Duration;

#[tokio::test]
async fn plain_owner_of_the_database_can_do_everything() {
    let url = empty_database().await;
    let admin = session(&cluster().await.url("postgres")).await;
    let own = format!(
        "CREATE ROLE plain LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
         ALTER DATABASE {} OWNER TO plain",
        url.database()
    );
    sql(&admin, &own).await;
    let url = url.with_user("plain", None);
    let mut client = session(&url).await;
    assert!(schema::genesis(&mut client, SERVICE, ENV).await.expect("genesis"));

    let ttl = Duration::from_secs(3);
    let first = Lease::take(&url, &holder("ana"), ttl).await.expect("an answer").expect("free");
    // Whoever reads as another role sees no start times; the pid must do.
    let other = session(&url.with_user("scratch", None)).await;
    assert!(!peek(&other, ttl).await.expect("a read").lapsed);
    drop(first);
    let second = Lease::wait(&url, &holder("bia"), ttl, ttl).await.expect("lapsed");

    let old = named(&url, "nica/test/1/-").await;
    let mut taker = named(&url, "nica/test/2/-").await;
    admit(&mut taker, second.number(), ENV, ttl, Admission::SetManaged).await.expect("admitted");
    old.simple_query("SELECT 1").await.expect_err("ended");
    Guarded::begin(&mut taker, 2, &Limits::default()).await.expect("ours").commit().await.expect("ours");

    let run = nica_migrate::runner::Session { fence: 2, ..runner(&url) };
    sql(&client, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    let note = parking("0001_note", &["t.note"], "ALTER TABLE t ADD note text", "ALTER TABLE t DROP note");
    run.up(&note).await.expect("up");
    run.park("0001_note").await.expect("parked");
    run.down("0001_note").await.expect("down");
    run.up(&note).await.expect("up");
    run.unpark("0001_note").await.expect("unparked");
    run.converge_up(&lone("0002_i", "CREATE INDEX CONCURRENTLY t_id ON t (id)", None)).await.expect("built");
    assert_eq!(lines(&client, "SELECT * FROM t").await, "(1,)");
}

/// The service's own role writes rows whose parked values belong to NICA.
#[tokio::test]
async fn row_that_the_service_deletes_takes_its_parked_value_along() {
    let url = crate::common::database().await;
    let client = session(&url).await;
    sql(&client, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)").await;
    let note = parking("0001_note", &["t.note"], "ALTER TABLE t ADD note text", "ALTER TABLE t DROP note");
    runner(&url).up(&note).await.expect("up");
    sql(
        &client,
        "UPDATE t SET note = 'x'; CREATE ROLE service LOGIN; GRANT SELECT, INSERT, DELETE ON t TO service",
    )
    .await;
    park_and_down(&url, "0001_note").await;
    let service = session(&url.with_user("service", None)).await;
    sql(&service, "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (3)").await;
    service
        .batch_execute("SELECT * FROM nica_attic.parcel")
        .await
        .expect_err("the attic is not the service's");
    assert_eq!(up_and_unpark(&url, &note).await.moved, 1);
}
