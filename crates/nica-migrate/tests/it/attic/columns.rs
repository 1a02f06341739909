//! Parked columns.

use super::{lines, park_and_down, parking, sql, up_and_unpark};
use crate::common::{database, runner, session, text};
use nica_migrate::DbUrl;
use nica_migrate::attic::{Unparked, WaitingState, park_batch, unpark_batch, waiting};
use nica_migrate::runner::RunError;
use nica_migrate::source::Migration;
use tokio_postgres::Client;

const T: &str = "SELECT id, note FROM t ORDER BY id";

fn note() -> Migration {
    parking("0002_note", &["t.note"], "ALTER TABLE t ADD note text DEFAULT 'none'", "ALTER TABLE t DROP note")
}

async fn start(rows: u32) -> (DbUrl, Client) {
    let url = database().await;
    let client = session(&url).await;
    let table =
        format!("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, {rows})");
    sql(&client, &table).await;
    runner(&url).up(&note()).await.expect("up");
    (url, client)
}

#[tokio::test]
async fn values_come_back_by_value_and_nulls_too() {
    let (url, client) = start(4).await;
    sql(&client, "UPDATE t SET note = 'it''s' WHERE id = 1; UPDATE t SET note = NULL WHERE id = 2").await;
    park_and_down(&url, "0002_note").await;
    assert_eq!(lines(&client, "SELECT * FROM t ORDER BY id").await, "(1) (2) (3) (4)");
    // The old release works on meanwhile.
    sql(&client, "DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (5); UPDATE t SET id = 40 WHERE id = 4")
        .await;
    let done = up_and_unpark(&url, &note()).await;
    assert_eq!(lines(&client, T).await, "(1,it's) (2,) (5,none) (40,none)");
    assert_eq!(done, Unparked { moved: 3, misfits: vec![] });
    assert_eq!(lines(&client, "SELECT 1 FROM nica_attic.parcel").await, "", "an empty parcel is gone");
}

#[tokio::test]
async fn what_changed_after_the_batches_is_what_is_kept() {
    let (url, client) = start(3).await;
    sql(&client, "UPDATE t SET note = 'old'").await;
    runner(&url).park("0002_note").await.expect("batches");
    sql(&client, "UPDATE t SET note = 'new' WHERE id = 1; UPDATE t SET note = NULL WHERE id = 2").await;
    sql(&client, "DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (4, 'late')").await;
    runner(&url).down("0002_note").await.expect("down");
    up_and_unpark(&url, &note()).await;
    assert_eq!(lines(&client, T).await, "(1,new) (2,) (4,late)");
}

/// A person deleted the account and opened it again under the same key.
#[tokio::test]
async fn value_of_a_deleted_row_does_not_come_back_to_its_successor() {
    let (url, client) = start(1).await;
    sql(&client, "UPDATE t SET note = 'private'").await;
    park_and_down(&url, "0002_note").await;
    sql(&client, "DELETE FROM t; INSERT INTO t VALUES (1)").await;
    let done = up_and_unpark(&url, &note()).await;
    assert_eq!((lines(&client, T).await.as_str(), done.moved), ("(1,none)", 0));
}

#[tokio::test]
async fn what_a_person_cleared_after_the_first_return_stays_cleared() {
    let (url, client) = start(2).await;
    sql(&client, "UPDATE t SET note = 'x'").await;
    park_and_down(&url, "0002_note").await;
    up_and_unpark(&url, &note()).await;
    sql(&client, "UPDATE t SET note = NULL WHERE id = 1").await;
    park_and_down(&url, "0002_note").await;
    up_and_unpark(&url, &note()).await;
    assert_eq!(lines(&client, T).await, "(1,) (2,x)");
}

/// Red when a second down replaces what never came back by the default in its place.
#[tokio::test]
async fn values_that_were_not_moved_yet_survive_the_next_down() {
    let (url, client) = start(2).await;
    sql(&client, "UPDATE t SET note = 'x' || id").await;
    park_and_down(&url, "0002_note").await;
    for _ in 0..3 {
        runner(&url).up(&note()).await.expect("up");
        park_and_down(&url, "0002_note").await;
    }
    up_and_unpark(&url, &note()).await;
    assert_eq!(lines(&client, T).await, "(1,x1) (2,x2)");
}

#[tokio::test]
async fn half_moved_values_survive_the_next_down() {
    let (url, client) = start(2500).await;
    sql(&client, "UPDATE t SET note = 'x' || id").await;
    park_and_down(&url, "0002_note").await;
    runner(&url).up(&note()).await.expect("up");
    let mut attempts = runner(&url).attempts().await.expect("a session");
    let tx = attempts.begin().await.expect("ours");
    assert_eq!(unpark_batch(&tx, "0002_note").await.expect("a batch"), (1000, true));
    tx.commit().await.expect("done");
    // Among the moved ones somebody writes.
    sql(&client, "UPDATE t SET note = 'later' WHERE note = 'x1'").await;
    park_and_down(&url, "0002_note").await;
    assert_eq!(up_and_unpark(&url, &note()).await.moved, 2500);
    let seen =
        "SELECT count(*) FILTER (WHERE note = 'x' || id) a, count(*) FILTER (WHERE note = 'later') FROM t";
    assert_eq!(lines(&client, seen).await, "(2499,1)");
}

#[tokio::test]
async fn half_parked_values_are_whole_after_the_down() {
    let (url, client) = start(2500).await;
    sql(&client, "UPDATE t SET note = 'x' || id").await;
    let mut attempts = runner(&url).attempts().await.expect("a session");
    let tx = attempts.begin().await.expect("ours");
    assert!(park_batch(&tx, "0002_note").await.expect("a batch"));
    tx.commit().await.expect("done");
    sql(&client, "UPDATE t SET note = 'changed' WHERE id = 1").await;
    runner(&url).down("0002_note").await.expect("down");
    up_and_unpark(&url, &note()).await;
    let seen =
        "SELECT count(*) FILTER (WHERE note = 'x' || id) a, count(*) FILTER (WHERE note = 'changed') FROM t";
    assert_eq!(lines(&client, seen).await, "(2499,1)");
}

#[tokio::test]
async fn what_no_longer_fits_stays_and_is_reported_without_its_value() {
    let (url, client) = start(4).await;
    sql(&client, "UPDATE t SET note = CASE WHEN id < 3 THEN 'secret long' ELSE 'ok' END").await;
    park_and_down(&url, "0002_note").await;
    let stricter = parking(
        "0002_note",
        &["t.note"],
        "ALTER TABLE t ADD note text DEFAULT 'none', ADD CONSTRAINT short CHECK (length(note) < 5)",
        "ALTER TABLE t DROP note",
    );
    let done = up_and_unpark(&url, &stricter).await;
    assert_eq!(lines(&client, T).await, "(1,none) (2,none) (3,ok) (4,ok)");
    assert_eq!(
        format!("{done:?}"),
        r#"Unparked { moved: 2, misfits: [Misfit { source: "public.t", rows: 2, why: "23514 short" }] }"#
    );
    let left = waiting(&client).await.expect("a read");
    assert_eq!(left[0].state, WaitingState::Unparked);
    // People have seen that place since: what stands there now is what counts.
    sql(&client, "UPDATE t SET note = 'mine' WHERE id = 1").await;
    park_and_down(&url, "0002_note").await;
    up_and_unpark(&url, &stricter).await;
    assert_eq!(lines(&client, T).await, "(1,mine) (2,none) (3,ok) (4,ok)");
}

#[tokio::test]
async fn retained_migration_leaves_no_copies() {
    let (url, client) = start(3).await;
    runner(&url).park("0002_note").await.expect("batches");
    assert_eq!(waiting(&client).await.expect("a read")[0].state, WaitingState::Parking);
    runner(&url).retain("0002_note").await.expect("kept");
    assert!(waiting(&client).await.expect("a read").is_empty());
    let tables =
        "SELECT relname FROM pg_class WHERE relnamespace = 'nica_attic'::regnamespace AND relkind = 'r'";
    assert_eq!(lines(&client, tables).await, "(parcel)");
}

#[tokio::test]
async fn every_kind_of_value_is_the_same_afterwards() {
    let url = database().await;
    let client = session(&url).await;
    sql(&client, "CREATE TYPE old AS ENUM ('k', 'l'); CREATE TABLE \"Odd t\" (k old, \"k 2\" text, PRIMARY KEY (\"k 2\", k))").await;
    let columns = [
        ("j", "json", "'{\"a\":  1}'"),
        ("jb", "jsonb", "'{\"a\": 1}'"),
        ("x", "xml", "'<a/>'"),
        ("b", "bytea", "'\\xdeadbeef'"),
        ("n", "numeric(9,4)", "1.5000"),
        ("f", "float8", "0.1::float8 + 0.2"),
        ("ts", "timestamptz", "'2026-03-01 10:00:00.123456+05'"),
        ("i", "interval", "'1 mon -2 days 03:00'"),
        ("p", "point", "'(1,2)'"),
        ("a", "text[]", "ARRAY['a', NULL, 'b,c']"),
        ("e", "mood", "'so''so'"),
        ("ea", "mood[]", "ARRAY['ok', NULL]::mood[]"),
        ("d", "short", "'abc'"),
        ("c", "char(5)", "'ab'"),
        ("r", "int4range", "'[1,5)'"),
    ];
    let all =
        |one: &dyn Fn(&(&str, &str, &str)) -> String| columns.iter().map(one).collect::<Vec<_>>().join(", ");
    let add = all(&|(name, kind, _)| format!("ADD {name} {kind}"));
    let drop = all(&|(name, ..)| format!("DROP {name}"));
    let park: Vec<_> = columns.iter().map(|(name, ..)| format!("Odd t.{name}")).collect();
    let park: Vec<_> = park.iter().map(String::as_str).collect();
    // The down takes the types away too, although values of them are parked.
    let m = parking(
        "0003_odd",
        &park,
        &format!(
            "CREATE TYPE mood AS ENUM ('ok', 'so''so'); CREATE DOMAIN short AS varchar(9) CHECK (value <> ''); ALTER TABLE \"Odd t\" {add}"
        ),
        &format!("ALTER TABLE \"Odd t\" {drop}; DROP DOMAIN short; DROP TYPE mood"),
    );
    runner(&url).up(&m).await.expect("up");
    let names = all(&|(name, ..)| (*name).to_string());
    let values = all(&|(_, _, value)| (*value).to_string());
    sql(&client, &format!("INSERT INTO \"Odd t\" (k, \"k 2\", {names}) VALUES ('k', 'it''s', {values}); INSERT INTO \"Odd t\" VALUES ('l', '')")).await;
    let seen = "SELECT * FROM \"Odd t\" ORDER BY k";
    let before = lines(&client, seen).await;
    park_and_down(&url, "0003_odd").await;
    let done = up_and_unpark(&url, &m).await;
    assert_eq!(done, Unparked { moved: 2, misfits: vec![] });
    assert_eq!(lines(&client, seen).await, before);
}

#[tokio::test]
async fn place_without_key_or_column_is_named() {
    let url = database().await;
    let client = session(&url).await;
    sql(&client, "CREATE TABLE keyless (a int); CREATE TABLE t (id int PRIMARY KEY)").await;
    for (id, park, expected) in [
        ("0001_a", "keyless.a", "public.keyless has no primary key"),
        ("0002_b", "t.nothing", "public.t has no column \"nothing\""),
        ("0003_c", "nowhere", "there is no table \"nowhere\""),
    ] {
        runner(&url).up(&parking(id, &[park], "SELECT 1", "SELECT 1")).await.expect("up");
        let error = runner(&url).park(id).await.expect_err(park);
        assert!(matches!(&error, RunError::Attic { .. }) && error.to_string().contains(expected), "{error}");
    }
}

/// A table that another migration drops for good takes what was parked of it along, and can be dropped at all.
#[tokio::test]
async fn dropped_table_takes_its_parked_values_along() {
    let (url, client) = start(2).await;
    park_and_down(&url, "0002_note").await;
    runner(&url)
        .up(&crate::common::migration("0004_gone", "DROP TABLE IF EXISTS t", None))
        .await
        .expect("dropped");
    assert_eq!(lines(&client, "SELECT 1 FROM nica_attic.parcel").await, "");
    let tables = "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'nica_attic'::regnamespace AND relkind = 'r'";
    assert_eq!(text(&client, tables).await, "1");
}
