//! Seeds on a real server: what is written, what is left alone, what comes back.

mod edges;
mod going_back;
mod random;
mod stamp;

use crate::common::{database, session, text};
use nica_migrate::seed::{self, Changed, Differences, SeedFile, Undone, What};
use serde_json::json;
use tokio_postgres::Client;

const TABLES: &str = "
    CREATE TABLE unit (code text PRIMARY KEY, name text NOT NULL, retired_at timestamptz);
    CREATE TABLE food (id serial PRIMARY KEY, code integer NOT NULL UNIQUE, name text NOT NULL,
        kcal numeric, ratio double precision, tags text[], facts jsonb, since date, seen timestamptz, raw boolean,
        unit text REFERENCES unit (code), source text, note text, retired_at timestamptz)";

const UNITS: &str = r#"
table = "unit"
key = ["code"]
retire = "retired_at"
source = "SI"
status = "verified"
[[row]]
code = "g"
name = "grama"
[[row]]
code = "ml"
name = "mililitro"
"#;

const FOODS: &str = r#"
table = "food"
key = ["code"]
retire = "retired_at"
[[row]]
code = 1
name = "Arroz, cozido"
kcal = 124.0
ratio = 0.1
tags = ["cereal", "cozido"]
facts = { b = [1, 2.50], a = "x" }
since = 2011-01-31
seen = 2011-01-31T10:00:00-03:00
raw = false
unit = "g"
source = "TACO 1"
status = "verified"
[[row]]
code = 2
name = "Leite"
unit = "ml"
source = "TACO 2"
status = "secondary"
"#;

fn files(foods: &str) -> Vec<SeedFile> {
    SeedFile::parse_all([("0002_foods.toml", foods), ("0001_units.toml", UNITS)]).expect("good files")
}

async fn seeded() -> Client {
    let mut client = session(&database().await).await;
    client.batch_execute(TABLES).await.expect("tables");
    let changed = apply(&mut client, &files(FOODS), "first").await;
    assert_eq!(counts(&changed), [4, 0, 0, 0, 0]);
    client
}

async fn apply(client: &mut Client, files: &[SeedFile], run: &str) -> Changed {
    let tx = client.transaction().await.expect("a transaction");
    let changed = seed::apply(&tx, files, run).await.expect("applied");
    tx.commit().await.expect("committed");
    changed
}

async fn undo(client: &mut Client, run: &str) -> Undone {
    let tx = client.transaction().await.expect("a transaction");
    let undone = seed::undo(&tx, run).await.expect("undone");
    tx.commit().await.expect("committed");
    undone
}

async fn differences(client: &Client, files: &[SeedFile]) -> Differences {
    seed::differences(client, files).await.expect("compared")
}

fn counts(changed: &Changed) -> [usize; 5] {
    let all = [&changed.inserted, &changed.updated, &changed.retired, &changed.recorded, &changed.local];
    all.map(Vec::len)
}

/// Everything that a write would move: row versions, sequences, dead tuples waiting in the pages.
async fn footprint(client: &Client) -> String {
    let sql = "SELECT concat_ws(' ',
        (SELECT string_agg(ctid::text || xmin::text || xmax::text, ',' ORDER BY code) FROM food),
        (SELECT string_agg(ctid::text || xmin::text || xmax::text, ',' ORDER BY code) FROM unit),
        (SELECT string_agg(ctid::text || xmin::text || xmax::text, ',' ORDER BY key) FROM nica.seed),
        (SELECT string_agg(ctid::text || xmin::text || xmax::text, ',' ORDER BY key) FROM nica.seed_undo),
        (SELECT string_agg(ctid::text || xmin::text || xmax::text, ',' ORDER BY files) FROM nica.seed_stamp),
        (SELECT last_value::text || is_called::text FROM food_id_seq),
        pg_relation_size('food'), pg_relation_size('nica.seed'))";
    text(client, sql).await
}

#[tokio::test]
async fn second_run_moves_nothing() {
    let mut client = seeded().await;
    let before = footprint(&client).await;
    let changed = apply(&mut client, &files(FOODS), "second").await;
    assert!(changed.is_nothing(), "{changed:?}");
    assert_eq!(footprint(&client).await, before);
}

#[tokio::test]
async fn equal_by_value_is_equal() {
    let mut client = seeded().await;
    client.batch_execute("UPDATE food SET kcal = 124.000, seen = '2011-01-31T13:00:00Z'").await.expect("sql");
    client.batch_execute("UPDATE food SET kcal = NULL, seen = NULL WHERE code = 2").await.expect("sql");
    assert_eq!(differences(&client, &files(FOODS)).await, Differences::default());
    let same = FOODS.replace("124.0", "124").replace("2.50", "2.5").replace("10:00:00-03:00", "13:00:00Z");
    assert!(apply(&mut client, &files(&same), "second").await.is_nothing());
}

/// Each line: what somebody does to a row, and what is said about it.
#[tokio::test]
async fn each_kind_of_column_is_compared() {
    let cases = [
        ("name = 'arroz, cozido'", "name"),
        ("kcal = 124.01", "kcal"),
        ("kcal = NULL", "kcal"),
        ("ratio = 0.1000000001", "ratio"),
        ("tags = '{cozido,cereal}'", "tags"),
        ("facts = '{\"a\": \"x\", \"b\": [1, 2.51]}'", "facts"),
        ("since = '2011-02-01'", "since"),
        ("seen = '2011-01-31T13:00:01Z'", "seen"),
        ("raw = true", "raw"),
        ("raw = NULL", "raw"),
        ("unit = 'ml'", "unit"),
        ("source = 'elsewhere'", "source"),
        ("retired_at = now()", "retired_at"),
        ("kcal = 1, raw = true", "kcal, raw"),
    ];
    let mut client = seeded().await;
    for (set, expected) in cases {
        client.batch_execute(&format!("UPDATE food SET {set} WHERE code = 1")).await.expect(set);
        let found = differences(&client, &files(FOODS)).await;
        let said: Vec<_> = found.rows.iter().map(ToString::to_string).collect();
        assert_eq!(said, [format!(r#"food {{"code": 1}}: {expected} altered"#)], "{set}");
        let changed = apply(&mut client, &files(FOODS), set).await;
        assert_eq!(counts(&changed), [0, 1, 0, 0, 0], "{set}");
        assert!(differences(&client, &files(FOODS)).await.is_empty(), "{set}");
    }
}

#[tokio::test]
async fn columns_that_no_file_fills_are_nobodys_business() {
    let mut client = seeded().await;
    client.batch_execute("UPDATE food SET note = 'mine'").await.expect("sql");
    client.batch_execute("INSERT INTO food (code, name) VALUES (99, 'a user''s own')").await.expect("sql");
    assert!(apply(&mut client, &files(FOODS), "second").await.is_nothing());
    client.batch_execute("UPDATE food SET name = 'x' WHERE code = 1").await.expect("sql");
    apply(&mut client, &files(FOODS), "third").await;
    assert_eq!(text(&client, "SELECT note || name FROM food WHERE code = 1").await, "mineArroz, cozido");
}

#[tokio::test]
async fn lost_row_comes_back() {
    let mut client = seeded().await;
    client.batch_execute("DELETE FROM food WHERE code = 2").await.expect("sql");
    let found = differences(&client, &files(FOODS)).await;
    assert_eq!(found.rows[0].what, What::Missing);
    assert_eq!(found.rows[0].file, Some(("0002_foods.toml".to_string(), 18)));
    assert_eq!(counts(&apply(&mut client, &files(FOODS), "second").await), [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn row_of_an_operator_is_kept_and_named() {
    let mut client = seeded().await;
    let key = json!({"code": 1});
    assert!(seed::mark_local(&client, "food", &key, true).await.expect("marked"));
    assert!(!seed::mark_local(&client, "food", &json!({"code": 7}), true).await.expect("asked"));
    client.batch_execute("UPDATE food SET kcal = 1 WHERE code = 1").await.expect("sql");
    let before = footprint(&client).await;
    let found = differences(&client, &files(FOODS)).await;
    assert!(found.is_empty());
    assert_eq!(found.local[0].to_string(), r#"food {"code": 1}"#);
    let without = FOODS.replace("code = 1", "code = 3");
    for files in [files(FOODS), files(&without)] {
        let changed = apply(&mut client, &files, "second").await;
        assert_eq!(changed.local.len(), 1);
        assert!(!changed.updated.iter().chain(&changed.retired).any(|row| row.key.contains('1')));
        client.batch_execute("DELETE FROM food WHERE code = 3").await.expect("sql");
    }
    assert_eq!(text(&client, "SELECT kcal::text FROM food WHERE code = 1").await, "1");
    assert_ne!(footprint(&client).await, before, "the footprint sees the row that came and went");
    seed::mark_local(&client, "food", &key, false).await.expect("unmarked");
    assert_eq!(counts(&apply(&mut client, &files(FOODS), "third").await)[1], 1);
}
