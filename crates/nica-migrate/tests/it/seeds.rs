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

async fn stamps(client: &Client) -> String {
    let sql = "SELECT coalesce(string_agg(\"table\", ' ' ORDER BY \"table\"), '') FROM nica.seed_stamp";
    text(client, sql).await
}

/// The stamp spares the comparison, so it must not outlive anything that it does not say.
#[tokio::test]
async fn stamp_is_made_only_of_a_table_that_is_right() {
    let mut client = seeded().await;
    assert_eq!(stamps(&client).await, "food unit");
    client.batch_execute("INSERT INTO food (code, name) VALUES (77, 'a user''s own')").await.expect("sql");
    let before = footprint(&client).await;
    assert!(apply(&mut client, &files(FOODS), "second").await.is_nothing());
    assert_eq!(footprint(&client).await, before, "a stamp that holds no longer is not renewed by a look");
    seed::mark_local(&client, "food", &json!({"code": 1}), true).await.expect("marked");
    assert_eq!(stamps(&client).await, "unit");
    client.batch_execute("DELETE FROM food WHERE code = 2").await.expect("sql");
    apply(&mut client, &files(FOODS), "third").await;
    assert_eq!(stamps(&client).await, "unit", "a table with a row of an operator is always compared");
    undo(&mut client, "first").await;
    assert_eq!(stamps(&client).await, "");
}

#[tokio::test]
async fn row_that_the_server_changes_on_its_way_is_never_stamped_as_right() {
    let mut client = session(&database().await).await;
    client.batch_execute(TABLES).await.expect("tables");
    let trigger = "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.name := lower(NEW.name); RETURN NEW; END';
        CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON food FOR EACH ROW EXECUTE FUNCTION spoil()";
    client.batch_execute(trigger).await.expect("a trigger");
    apply(&mut client, &files(FOODS), "first").await;
    assert_eq!(stamps(&client).await, "unit");
    assert_eq!(differences(&client, &files(FOODS)).await.rows.len(), 2);
}

#[tokio::test]
async fn stamp_of_one_release_says_nothing_about_another() {
    let mut client = seeded().await;
    for other in [FOODS.replace("Leite", "Leite integral"), FOODS.replace("[\"cereal\", ", "[")] {
        assert_eq!(differences(&client, &files(&other)).await.rows.len(), 1, "{other}");
    }
    client.batch_execute("ALTER TABLE food ADD status text").await.expect("sql");
    assert_eq!(
        differences(&client, &files(FOODS)).await.rows.len(),
        2,
        "the table has room for one more column"
    );
    assert_eq!(counts(&apply(&mut client, &files(FOODS), "second").await), [0, 2, 0, 0, 0]);
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

#[tokio::test]
async fn plan_looks_before_the_migrations_have_run() {
    let client = session(&database().await).await;
    let found = differences(&client, &files(FOODS)).await;
    assert_eq!(found.rows.len(), 4);
    assert!(found.rows.iter().all(|row| row.what == What::Missing));
    client.batch_execute("CREATE TABLE unit (code text PRIMARY KEY)").await.expect("sql");
    client.batch_execute("INSERT INTO unit VALUES ('g')").await.expect("sql");
    let found = differences(&client, &files(FOODS)).await;
    let said: Vec<_> = found.rows.iter().map(ToString::to_string).collect();
    let expected = r#"unit {"code": "g"}: name altered"#;
    assert!(said.iter().any(|line| line == expected), "{said:?}");
}

#[tokio::test]
async fn digest_and_comparison_work_where_nica_has_never_been() {
    let client = session(&crate::common::empty_database().await).await;
    client.batch_execute(TABLES).await.expect("tables");
    client.batch_execute("INSERT INTO unit VALUES ('g', 'grama')").await.expect("sql");
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(seed::digest(&client).await.expect("a digest"), nothing);
    let found = differences(&client, &files(FOODS)).await;
    assert_eq!(found.rows.iter().filter(|row| row.what == What::Missing).count(), 3);
    assert!(!seed::undo_open(&client, "any").await.expect("asked"));
}

#[tokio::test]
async fn digest_does_not_depend_on_session_order_or_scale() {
    let mut one = seeded().await;
    let mut other = session(&database().await).await;
    other.batch_execute("SET timezone = 'America/Sao_Paulo'; SET bytea_output = escape").await.expect("sql");
    other.batch_execute(TABLES).await.expect("tables");
    other.batch_execute("INSERT INTO food (code, name, kcal) VALUES (1, 'x', 124.000)").await.expect("sql");
    apply(&mut other, &files(FOODS), "elsewhere").await;
    let (a, b) = (seed::digest(&one).await.expect("one"), seed::digest(&other).await.expect("other"));
    assert_eq!(a, b);
    one.batch_execute("UPDATE food SET kcal = 1 WHERE code = 1").await.expect("sql");
    assert_ne!(seed::digest(&one).await.expect("one"), b);
    apply(&mut one, &files(FOODS), "repair").await;
    one.batch_execute("DELETE FROM food WHERE code = 1").await.expect("sql");
    assert_ne!(seed::digest(&one).await.expect("one"), b);
}

#[tokio::test]
async fn apply_names_what_is_missing() {
    let cases = [
        ("CREATE TABLE other (x int)", "there is no such table"),
        ("CREATE TABLE unit (code text PRIMARY KEY)", r#"no column ["name", "retired_at"]"#),
        (
            "CREATE TABLE unit (code text, name text, retired_at timestamptz)",
            r#"no unique index covers the key ["code"]"#,
        ),
        ("CREATE TABLE unit (code text PRIMARY KEY, name text, retired_at boolean)", "retired_at is boolean"),
        ("CREATE TABLE unit (code text PRIMARY KEY, name varchar(3), retired_at date)", "too long"),
        ("CREATE TABLE unit (code integer PRIMARY KEY, name text, retired_at date)", "invalid input syntax"),
    ];
    for (ddl, expected) in cases {
        let mut client = session(&database().await).await;
        client.batch_execute(ddl).await.expect(ddl);
        let files = [SeedFile::parse("0001_units.toml", UNITS).expect("good")];
        let tx = client.transaction().await.expect("a transaction");
        let error = seed::apply(&tx, &files, "first").await.expect_err(ddl);
        assert!(error.to_string().contains(expected), "{ddl}: {error}");
        let is_sql = matches!(error, SeedError::Sql { .. });
        assert_eq!(error.postgres().is_some(), is_sql);
    }
}

#[tokio::test]
async fn users_who_refer_to_a_row_do_not_wait_for_its_repair() {
    let url = database().await;
    let (mut client, user) = (session(&url).await, session(&url).await);
    client.batch_execute(TABLES).await.expect("tables");
    apply(&mut client, &files(FOODS), "first").await;
    client.batch_execute("UPDATE unit SET name = 'x'").await.expect("sql");
    let tx = client.transaction().await.expect("a transaction");
    seed::apply(&tx, &files(FOODS), "second").await.expect("applied");
    let refer = "SET lock_timeout = '100ms'; INSERT INTO food (code, name, unit) VALUES (50, 'mine', 'g')";
    user.batch_execute(refer).await.expect("no waiting");
}

#[tokio::test]
async fn wide_tables_and_odd_names_work() {
    let mut client = session(&database().await).await;
    let columns: Vec<_> = (0..120).map(|n| format!("\"c{n}\" integer")).collect();
    let ddl = format!(
        "CREATE SCHEMA \"Dados\"; CREATE TABLE \"Dados\".\"Limites\" (\"Código\" numeric PRIMARY KEY, {})",
        columns.join(", ")
    );
    client.batch_execute(&ddl).await.expect("a table");
    let values: String = (0..120).map(|n| format!("c{n} = {n}\n")).collect();
    let text = format!(
        "table = \"Dados.Limites\"\nkey = [\"Código\"]\nsource = \"x\"\nstatus = \"verified\"\n[[row]]\n\
         \"Código\" = 1.50\n{values}"
    );
    let files = [SeedFile::parse("w.toml", &text).expect("good")];
    assert_eq!(apply(&mut client, &files, "first").await.inserted[0].key, r#"{"Código": 1.5}"#);
    assert!(apply(&mut client, &files, "second").await.is_nothing());
}
