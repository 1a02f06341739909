//! Steps outside a transaction end at their definition, wherever an earlier try has left them.

use crate::common::{database, lone, runner, session, text, wait_until};
use nica_migrate::DbUrl;
use nica_migrate::fence::{Admission, admit};
use nica_migrate::runner::{Outcome, RunError, Session};
use std::time::Duration;
use tokio_postgres::Client;

const INDEX: &str = "CREATE INDEX CONCURRENTLY t_a ON t (a) WHERE a > 0";
const DROP: &str = "DROP INDEX CONCURRENTLY t_a";
/// Every index of t with its validity, and the row's state.
const SEEN: &str = "
    SELECT concat_ws(' ', (SELECT string_agg(indexrelid::regclass || ':' || indisvalid, ' ') FROM pg_index
        WHERE indrelid = 't'::regclass AND NOT indisprimary), (SELECT state FROM nica.migration))";

async fn table(url: &DbUrl) -> Client {
    let client = session(url).await;
    let sql = "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT i, i % 7 FROM generate_series(1, 1000) i";
    client.batch_execute(sql).await.expect("a table");
    client
}

#[tokio::test]
async fn index_is_built_once_and_goes_again() {
    let url = database().await;
    let client = table(&url).await;
    let run = runner(&url);
    let m = lone("0001_i", INDEX, Some(DROP));
    assert_eq!(run.converge_up(&m).await.expect("built"), Outcome::Done);
    assert_eq!(text(&client, SEEN).await, "t_a:true applied");
    assert_eq!(run.converge_up(&m).await.expect("there"), Outcome::Already);
    assert_eq!(run.converge_down("0001_i").await.expect("gone"), Outcome::Done);
    assert_eq!(text(&client, SEEN).await, "undone");
    assert_eq!(run.converge_down("0001_i").await.expect("gone"), Outcome::Already);
}

/// A deployer dies while its build waits for an old transaction; the next one is admitted and takes over.
#[tokio::test]
async fn half_built_index_is_built_again_by_the_next_fence() {
    let url = database().await;
    let client = table(&url).await;
    let old = session(&url).await;
    old.batch_execute("BEGIN; INSERT INTO t VALUES (0, 0)").await.expect("an old transaction");
    let first = runner(&url);
    let dying =
        tokio::spawn(async move { first.converge_up(&lone("0001_i", INDEX, Some(DROP))).await.map(drop) });
    wait_until(&client, SEEN, "t_a:false started").await;

    let mut taker = crate::common::named(&url, "nica/test/1/-").await;
    admit(&mut taker, 1, "test", Duration::from_secs(5), Admission::Plain).await.expect("admitted");
    dying.await.expect("no panic").expect_err("its session was ended");
    assert_eq!(text(&client, SEEN).await, "t_a:false started");
    old.batch_execute("COMMIT").await.expect("done");

    let second = Session { fence: 1, ..runner(&url) };
    second.converge_up(&lone("0001_i", INDEX, Some(DROP))).await.expect("converged");
    assert_eq!(text(&client, SEEN).await, "t_a:true applied");
}

/// The server finished the build after its client had died: no row says so, the catalogue does.
#[tokio::test]
async fn finished_index_without_a_finished_row_is_accepted() {
    let url = database().await;
    let client = table(&url).await;
    client.batch_execute("CREATE INDEX t_a ON public.t USING btree (a) WHERE (a > 0)").await.expect("built");
    let oid = "SELECT 't_a'::regclass::oid::text";
    let before = text(&client, oid).await;
    runner(&url).converge_up(&lone("0001_i", INDEX, None)).await.expect("accepted");
    assert_eq!(text(&client, oid).await, before, "not built twice");
    assert_eq!(text(&client, SEEN).await, "t_a:true applied");
}

#[tokio::test]
async fn other_index_of_the_same_name_is_refused_and_left_alone() {
    for other in [
        "CREATE INDEX t_a ON t (a)",
        "CREATE UNIQUE INDEX t_a ON t (id) WHERE a > 0",
        "CREATE TABLE u (a int); CREATE INDEX t_a ON u (a) WHERE a > 0",
    ] {
        let url = database().await;
        let client = table(&url).await;
        client.batch_execute(other).await.expect("another index");
        let error = runner(&url).converge_up(&lone("0001_i", INDEX, None)).await.expect_err(other);
        assert!(matches!(error, RunError::Converge { .. }), "{other}: {error}");
        let there = text(&client, "SELECT (to_regclass('t_a') IS NOT NULL)::text").await;
        assert_eq!(there, "true", "{other}");
    }
}

#[tokio::test]
async fn refused_unique_index_leaves_nothing_that_refuses_users() {
    let url = database().await;
    let client = table(&url).await;
    let m = lone("0001_i", "CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a)", Some(DROP));
    let error = runner(&url).converge_up(&m).await.expect_err("there are duplicates");
    assert!(matches!(&error, RunError::Statement { code, .. } if code == "23505"), "{error}");
    assert_eq!(text(&client, SEEN).await, "started");
    runner(&url).converge_down("0001_i").await.expect("taken back");
    assert_eq!(text(&client, SEEN).await, "undone");
}

/// A drop that waits for an old transaction of another table is done plainly.
#[tokio::test]
async fn drop_that_cannot_be_had_concurrently_is_done_plainly() {
    let url = database().await;
    let client = table(&url).await;
    let m = lone("0001_i", INDEX, Some(DROP));
    runner(&url).converge_up(&m).await.expect("built");
    let old = session(&url).await;
    old.batch_execute("BEGIN; INSERT INTO t VALUES (0, 0)").await.expect("an old transaction");
    let free = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        old.batch_execute("COMMIT").await.expect("done");
    });
    let run = Session { patience: Duration::from_millis(900), ..runner(&url) };
    run.converge_down("0001_i").await.expect("gone");
    free.await.expect("no panic");
    assert_eq!(text(&client, SEEN).await, "undone");
}

/// Red when the row says `applied` until the drop is recorded: the next way forward would trust it.
#[tokio::test]
async fn index_whose_drop_was_not_recorded_is_built_again() {
    let url = database().await;
    let client = table(&url).await;
    let m = lone("0001_i", INDEX, Some(DROP));
    runner(&url).converge_up(&m).await.expect("built");
    let old = session(&url).await;
    old.batch_execute("BEGIN; INSERT INTO t VALUES (0, 0)").await.expect("an old transaction");
    let first = runner(&url);
    let dying = tokio::spawn(async move { first.converge_down("0001_i").await.map(drop) });
    wait_until(&client, SEEN, "t_a:false started").await;
    dying.abort();
    old.batch_execute("COMMIT").await.expect("done");
    wait_until(&client, SEEN, "started").await;
    runner(&url).converge_up(&m).await.expect("built again");
    assert_eq!(text(&client, SEEN).await, "t_a:true applied");
}

/// A down that is refused: what is whole stays applied, what is half gone says so.
#[tokio::test]
async fn index_whose_drop_is_refused_is_applied_only_while_it_is_whole() {
    let check = async |blocker: &str, expected: &str| {
        let url = database().await;
        let client = table(&url).await;
        let run = Session { patience: Duration::from_millis(300), ..runner(&url) };
        run.converge_up(&lone("0001_i", INDEX, Some(DROP))).await.expect("built");
        let other = session(&url).await;
        other.batch_execute(&format!("BEGIN; {blocker}")).await.expect("somebody else");
        let refused = run.converge_down("0001_i").await.expect_err("the lock is not to be had");
        assert!(matches!(refused, RunError::Locked { .. }), "{refused}");
        assert_eq!(text(&client, SEEN).await, expected, "{blocker}");
        other.batch_execute("COMMIT").await.expect("done");
        run.converge_down("0001_i").await.expect("gone at last");
        assert_eq!(text(&client, SEEN).await, "undone");
    };
    // Nothing of it can begin.
    check("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE", "t_a:true applied").await;
    // It serves no query any more, and then waits for those that may still use it.
    check("INSERT INTO t VALUES (0, 0)", "t_a:false started").await;
}

#[tokio::test]
async fn constraint_is_validated() {
    let url = database().await;
    let client = table(&url).await;
    client
        .batch_execute("ALTER TABLE t ADD CONSTRAINT c CHECK (a >= 0) NOT VALID")
        .await
        .expect("a constraint");
    let m = lone("0001_v", "ALTER TABLE t VALIDATE CONSTRAINT c", None);
    runner(&url).converge_up(&m).await.expect("validated");
    let valid = "SELECT convalidated::text FROM pg_constraint WHERE conname = 'c'";
    assert_eq!(text(&client, valid).await, "true");
}

const FILL: &str =
    "-- nica: backfill batch=100 pause=0ms\nUPDATE t AS x SET b = 'n' || x.a WHERE b IS NULL OR b = ''";

#[tokio::test]
async fn backfill_fills_every_row_and_continues_at_its_cursor() {
    let url = database().await;
    let client = table(&url).await;
    client.batch_execute("UPDATE t SET b = 'own' WHERE id = 500").await.expect("a value of a user");
    runner(&url).converge_up(&lone("0001_f", FILL, None)).await.expect("filled");
    let seen =
        "SELECT concat(count(*) FILTER (WHERE b = 'n' || a), ' ', count(*) FILTER (WHERE b = 'own')) FROM t";
    assert_eq!(text(&client, seen).await, "999 1");
    let class = nica_migrate::source::Class::Sticky;
    let state = nica_migrate::state::migrations(&client).await.expect("a read").expect("a schema");
    assert_eq!((state[0].class, state[0].has_down), (class, true), "nothing is needed to take it back");
    runner(&url).converge_down("0001_f").await.expect("nothing to do");
}

#[tokio::test]
async fn backfill_of_a_dead_deployer_does_no_batch_twice() {
    let url = database().await;
    let client = table(&url).await;
    // Every row notes how often it was written.
    let counted = "-- nica: backfill batch=50 pause=20ms\nUPDATE t SET b = coalesce(b, '') || 'x'";
    let first = runner(&url);
    let dying =
        tokio::spawn(async move { first.converge_up(&lone("0001_f", counted, None)).await.map(drop) });
    wait_until(&client, "SELECT (count(*) > 100)::text FROM t WHERE b IS NOT NULL", "true").await;
    let mut taker = crate::common::named(&url, "nica/test/1/-").await;
    admit(&mut taker, 1, "test", Duration::from_secs(5), Admission::Plain).await.expect("admitted");
    dying.await.expect("no panic").expect_err("its session was ended");
    let second = Session { fence: 1, ..runner(&url) };
    second.converge_up(&lone("0001_f", counted, None)).await.expect("continued");
    assert_eq!(text(&client, "SELECT string_agg(DISTINCT b, ',') FROM t").await, "x");
}

#[tokio::test]
async fn backfill_walks_along_a_key_of_several_columns() {
    let url = database().await;
    let client = session(&url).await;
    client
        .batch_execute(
            "CREATE TABLE \"T t\" (\"k 1\" text, d date, v int, PRIMARY KEY (d, \"k 1\"));
             INSERT INTO \"T t\" SELECT 'it''s ' || i, date '2026-01-01' + i / 10 FROM generate_series(1, 95) i",
        )
        .await
        .expect("a table");
    let fill = "-- nica: backfill batch=7 pause=0ms\nUPDATE public.\"T t\" SET v = 1 WHERE v IS NULL";
    runner(&url).converge_up(&lone("0001_f", fill, None)).await.expect("filled");
    assert_eq!(text(&client, "SELECT count(*)::text FROM \"T t\" WHERE v = 1").await, "95");
}

#[tokio::test]
async fn table_without_a_key_is_no_table_for_a_backfill() {
    let url = database().await;
    session(&url).await.batch_execute("CREATE TABLE t (a int)").await.expect("a table");
    let fill = "-- nica: backfill batch=7 pause=0ms\nUPDATE t SET a = 1";
    let error = runner(&url).converge_up(&lone("0001_f", fill, None)).await.expect_err("no key");
    assert!(error.to_string().contains("has no primary key"), "{error}");
}
