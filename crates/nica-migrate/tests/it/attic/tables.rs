//! Whole parked tables.

use super::{lines, park_and_down, parking, sql, up_and_unpark};
use crate::common::{database, runner, session};
use nica_migrate::attic::Unparked;
use nica_migrate::source::Migration;

fn diary() -> Migration {
    parking(
        "0002_diary",
        &["diary"],
        "CREATE TYPE meal AS ENUM ('lunch', 'dinner');
         CREATE TABLE diary (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            client int REFERENCES client, meal meal NOT NULL, grams numeric NOT NULL,
            kg numeric GENERATED ALWAYS AS (grams / 1000) STORED)",
        "DROP TABLE diary; DROP TYPE meal",
    )
}

const CLIENTS: &str = "CREATE TABLE client (id int PRIMARY KEY); INSERT INTO client VALUES (1), (2)";
const DIARY: &str = "SELECT id, client, meal, grams, kg FROM diary ORDER BY id";

#[tokio::test]
async fn whole_table_comes_back_with_its_numbers_and_without_the_deleted() {
    let url = database().await;
    let client = session(&url).await;
    sql(&client, CLIENTS).await;
    runner(&url).up(&diary()).await.expect("up");
    sql(&client, "INSERT INTO diary (client, meal, grams) VALUES (1, 'lunch', 100), (2, 'dinner', 50), (2, 'lunch', 1)").await;
    runner(&url).park("0002_diary").await.expect("batches");
    sql(&client, "DELETE FROM diary WHERE id = 3; UPDATE diary SET grams = 101 WHERE id = 1").await;
    runner(&url).down("0002_diary").await.expect("down");
    // The old release does not know the diary, and lets a client go.
    sql(&client, "DELETE FROM client WHERE id = 2").await;
    let done = up_and_unpark(&url, &diary()).await;
    assert_eq!(done, Unparked { moved: 1, misfits: vec![] });
    sql(&client, "INSERT INTO diary (client, meal, grams) VALUES (1, 'dinner', 7)").await;
    let expected = "(1,1,lunch,101,0.10100000000000000000) (4,1,dinner,7,0.00700000000000000000)";
    assert_eq!(lines(&client, DIARY).await, expected);
}

/// Tables that reference each other and themselves, named in the wrong order.
#[tokio::test]
async fn rows_that_reference_each_other_all_come_back() {
    let url = database().await;
    let client = session(&url).await;
    let tree = parking(
        "0001_tree",
        &["leaf", "node"],
        "CREATE TABLE node (id int PRIMARY KEY, up int REFERENCES node);
         CREATE TABLE leaf (id int PRIMARY KEY, node int NOT NULL REFERENCES node)",
        "DROP TABLE leaf; DROP TABLE node",
    );
    runner(&url).up(&tree).await.expect("up");
    // Each node hangs below one that comes after it.
    sql(
        &client,
        "INSERT INTO node SELECT i, nullif(i + 1, 2501) FROM generate_series(2500, 1, -1) i ORDER BY i DESC;
         INSERT INTO leaf SELECT i, i FROM generate_series(1, 2500) i",
    )
    .await;
    park_and_down(&url, "0001_tree").await;
    assert_eq!(up_and_unpark(&url, &tree).await, Unparked { moved: 5000, misfits: vec![] });
    let seen = "SELECT (SELECT count(*) FROM leaf), (SELECT sum(up) FROM node)";
    assert_eq!(lines(&client, seen).await, "(2500,3126249)");
}

/// One migration makes the table, a later one a column of it; both go and both come back.
#[tokio::test]
async fn column_of_a_parked_table_waits_with_it() {
    let url = database().await;
    let client = session(&url).await;
    sql(&client, CLIENTS).await;
    let note = parking(
        "0003_note",
        &["diary.note"],
        "ALTER TABLE diary ADD note text",
        "ALTER TABLE diary DROP note",
    );
    runner(&url).up(&diary()).await.expect("up");
    runner(&url).up(&note).await.expect("up");
    sql(
        &client,
        "INSERT INTO diary (client, meal, grams, note) VALUES (1, 'lunch', 1, 'one'), (2, 'lunch', 2, 'two')",
    )
    .await;
    park_and_down(&url, "0003_note").await;
    park_and_down(&url, "0002_diary").await;
    sql(&client, "DELETE FROM client WHERE id = 2").await;
    let attic = "SELECT sum((xpath('/row/n/text()', query_to_xml('SELECT count(*) n FROM nica_attic.' || quote_ident(attic), false, true, '')))[1]::text::int) FROM nica_attic.parcel";
    assert_eq!(lines(&client, attic).await, "(2)", "the note of client 2 died with the entry");
    up_and_unpark(&url, &diary()).await;
    assert_eq!(up_and_unpark(&url, &note).await, Unparked { moved: 1, misfits: vec![] });
    assert_eq!(lines(&client, "SELECT id, client, note FROM diary").await, "(1,1,one)");
}

/// The entry is deleted in the new release while its note still waits.
#[tokio::test]
async fn parked_column_follows_its_table_back_to_its_real_owner() {
    let url = database().await;
    let client = session(&url).await;
    sql(&client, CLIENTS).await;
    let note = parking(
        "0003_note",
        &["diary.note"],
        "ALTER TABLE diary ADD note text",
        "ALTER TABLE diary DROP note",
    );
    runner(&url).up(&diary()).await.expect("up");
    runner(&url).up(&note).await.expect("up");
    sql(
        &client,
        "INSERT INTO diary (client, meal, grams, note) VALUES (1, 'lunch', 1, 'one'), (1, 'lunch', 2, 'two')",
    )
    .await;
    park_and_down(&url, "0003_note").await;
    park_and_down(&url, "0002_diary").await;
    up_and_unpark(&url, &diary()).await;
    sql(&client, "DELETE FROM diary WHERE id = 1").await;
    assert_eq!(up_and_unpark(&url, &note).await.moved, 1);
    assert_eq!(lines(&client, "SELECT id, note FROM diary").await, "(2,two)");
}
