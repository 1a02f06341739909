//! Seeds on a real server: what is written, what is left alone, what comes back.

use crate::common::{database, session, text};
use nica_migrate::seed::{self, Changed, Differences, SeedError, SeedFile, Undone, What};
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
