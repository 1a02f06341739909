//! Tables that are not there yet, databases without NICA, odd names, and who need not wait.

use super::{FOODS, TABLES, UNITS, apply, differences, files, seeded};
use crate::common::{database, session};
use nica_migrate::seed::{self, SeedError, SeedFile, What};

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
