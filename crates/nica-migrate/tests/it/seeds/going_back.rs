//! Rows that leave the files, and runs that are taken back.

use super::{FOODS, TABLES, UNITS, apply, counts, differences, files, footprint, seeded, undo};
use crate::common::{database, session, text};
use nica_migrate::seed::{self, Changed, SeedFile, Undone, What};
use tokio_postgres::Client;

#[tokio::test]
async fn row_that_left_the_files_is_retired_and_may_return() {
    let mut client = seeded().await;
    let one = &FOODS[..FOODS.rfind("[[row]]").expect("two rows")];
    assert_eq!(differences(&client, &files(one)).await.rows[0].what, What::Retire);
    assert_eq!(counts(&apply(&mut client, &files(one), "second").await), [0, 0, 1, 0, 0]);
    assert_eq!(text(&client, "SELECT (retired_at = now())::text FROM food WHERE code = 2").await, "false");
    let before = footprint(&client).await;
    assert!(apply(&mut client, &files(one), "third").await.is_nothing());
    assert_eq!(footprint(&client).await, before);
    assert_eq!(counts(&apply(&mut client, &files(FOODS), "fourth").await), [0, 1, 0, 0, 0]);
    let open = "SELECT count(*)::text FROM food WHERE retired_at IS NULL";
    assert_eq!(text(&client, open).await, "2");
}

#[tokio::test]
async fn file_that_left_retires_its_rows() {
    let mut client = seeded().await;
    let units = SeedFile::parse("0001_units.toml", UNITS).expect("good");
    let changed = apply(&mut client, std::slice::from_ref(&units), "second").await;
    assert_eq!(counts(&changed), [0, 0, 2, 0, 0]);
    assert!(apply(&mut client, &[units], "third").await.is_nothing());
    assert_eq!(counts(&undo_then_apply(&mut client, "second").await), [0, 0, 0, 0, 0]);
}

async fn undo_then_apply(client: &mut Client, run: &str) -> Changed {
    undo(client, run).await;
    apply(client, &files(FOODS), "after").await
}

#[tokio::test]
async fn row_without_retire_column_stays() {
    let mut client = session(&database().await).await;
    client.batch_execute("CREATE TABLE goal (code text PRIMARY KEY)").await.expect("sql");
    let text_of = |codes: &[&str]| {
        let row = |code| format!("[[row]]\ncode = \"{code}\"\n");
        let rows: String = codes.iter().map(row).collect();
        format!("table = \"goal\"\nkey = [\"code\"]\nsource = \"NICA\"\nstatus = \"verified\"\n{rows}")
    };
    let of = |codes: &[&str]| vec![SeedFile::parse("goals.toml", &text_of(codes)).expect("good")];
    apply(&mut client, &of(&["lose", "gain"]), "first").await;
    assert_eq!(counts(&apply(&mut client, &of(&["lose"]), "second").await), [0, 0, 1, 0, 0]);
    assert!(apply(&mut client, &of(&["lose"]), "third").await.is_nothing());
    assert_eq!(text(&client, "SELECT count(*)::text FROM goal").await, "2");
    let undone = undo(&mut client, "first").await;
    let kept: Vec<_> = undone.kept.iter().map(ToString::to_string).collect();
    assert_eq!(kept, [r#"goal {"code": "gain"}"#, r#"goal {"code": "lose"}"#]);
    assert_eq!(text(&client, "SELECT count(*)::text FROM goal").await, "2");
}

const NEWER: &str = r#"
table = "food"
key = ["code"]
retire = "retired_at"
source = "TACO"
status = "verified"
[[row]]
code = 1
name = "Arroz"
kcal = 128
[[row]]
code = 3
name = "Feijão"
"#;

#[tokio::test]
async fn going_back_restores_values_and_retires_what_came() {
    let mut client = seeded().await;
    let (digest, before) = (seed::digest(&client).await.expect("a digest"), rows(&client).await);
    let changed = apply(&mut client, &files(NEWER), "second").await;
    assert_eq!(counts(&changed), [1, 1, 1, 0, 0]);
    assert_ne!(seed::digest(&client).await.expect("a digest"), digest);
    assert!(seed::undo_open(&client, "second").await.expect("asked"));
    let undone = undo(&mut client, "second").await;
    assert_eq!([undone.restored.len(), undone.retired.len(), undone.kept.len()], [2, 1, 0]);
    assert_eq!(seed::digest(&client).await.expect("a digest"), digest);
    assert_eq!(rows(&client).await, before);
    assert!(!seed::undo_open(&client, "second").await.expect("asked"));
    assert_eq!(undo(&mut client, "second").await, Undone::default());
    assert!(differences(&client, &files(FOODS)).await.is_empty(), "the older release finds its own seeds");
    assert_eq!(counts(&apply(&mut client, &files(NEWER), "third").await), [0, 2, 1, 0, 0]);
}

/// Live rows, whole.
async fn rows(client: &Client) -> String {
    let sql = "SELECT string_agg(to_jsonb(f)::text, ' ' ORDER BY code) FROM food f WHERE retired_at IS NULL";
    text(client, sql).await
}

#[tokio::test]
async fn going_back_leaves_what_somebody_changed_since() {
    let mut client = seeded().await;
    apply(&mut client, &files(NEWER), "second").await;
    client.batch_execute("UPDATE food SET kcal = 7 WHERE code = 1").await.expect("sql");
    client.batch_execute("UPDATE food SET retired_at = '2020-01-01' WHERE code = 2").await.expect("sql");
    let undone = undo(&mut client, "second").await;
    assert_eq!(undone.changed_since.len(), 2);
    let seen = "SELECT string_agg(coalesce(kcal::text, retired_at::date::text), ' ' ORDER BY code) FROM food
                WHERE code < 3";
    assert_eq!(text(&client, seen).await, "7 2020-01-01");
}

#[tokio::test]
async fn going_back_keeps_a_row_that_was_only_lost_and_found() {
    let mut client = seeded().await;
    client.batch_execute("DELETE FROM food WHERE code = 2").await.expect("sql");
    apply(&mut client, &files(FOODS), "second").await;
    undo(&mut client, "second").await;
    assert!(differences(&client, &files(FOODS)).await.is_empty());
}

#[tokio::test]
async fn runs_are_taken_back_one_after_the_other() {
    let mut client = seeded().await;
    let digest = seed::digest(&client).await.expect("a digest");
    apply(&mut client, &files(NEWER), "second").await;
    apply(&mut client, &files(&NEWER.replace("128", "129").replace("Feijão", "Fava")), "third").await;
    undo(&mut client, "third").await;
    undo(&mut client, "second").await;
    assert_eq!(seed::digest(&client).await.expect("a digest"), digest);
    assert!(differences(&client, &files(FOODS)).await.is_empty());
}

#[tokio::test]
async fn run_that_writes_a_row_twice_goes_back_to_before_both() {
    let mut client = seeded().await;
    apply(&mut client, &files(NEWER), "second").await;
    client.batch_execute("UPDATE food SET kcal = 7 WHERE code = 1").await.expect("sql");
    apply(&mut client, &files(NEWER), "second").await;
    undo(&mut client, "second").await;
    assert_eq!(text(&client, "SELECT kcal::text FROM food WHERE code = 1").await, "124.0");
}

#[tokio::test]
async fn rows_that_were_there_before_are_recorded_not_written() {
    let mut client = session(&database().await).await;
    client.batch_execute(TABLES).await.expect("tables");
    client.batch_execute("INSERT INTO unit VALUES ('g', 'grama'), ('ml', 'mL')").await.expect("rows");
    let before = text(&client, "SELECT xmin::text FROM unit WHERE code = 'g'").await;
    let changed = apply(&mut client, &files(FOODS), "first").await;
    assert_eq!(counts(&changed), [2, 1, 0, 1, 0]);
    assert_eq!(text(&client, "SELECT xmin::text FROM unit WHERE code = 'g'").await, before);
    undo(&mut client, "first").await;
    assert_eq!(text(&client, "SELECT string_agg(name, ' ' ORDER BY code) FROM unit").await, "grama mL");
    let recorded = "SELECT coalesce(string_agg(state || key, ' ' ORDER BY key), '') FROM nica.seed";
    assert_eq!(text(&client, recorded).await, r#"retired{"code": 1} retired{"code": 2}"#);
}
