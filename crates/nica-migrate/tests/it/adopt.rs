//! Taking over what other tools have applied: sqlx and refinery themselves write the ledgers here, dbmate's and Flyway's
//! were written by them and kept (`tests/fixtures`).

mod dying;
mod fixtures;
mod refused;
mod tools;

use crate::common::{ENV, SERVICE, empty_database, session, text};
use nica_migrate::DbUrl;
use nica_migrate::adopt::{AdoptError, Report, Request, adopt};
use nica_migrate::fingerprint::Fingerprint;
use nica_migrate::foreign::{Form, read_any};
use nica_migrate::health::{self, Limits, Needs};
use nica_migrate::migrate_down::Caller;
use nica_migrate::migrate_seed::{Options, Program, migrate_seed};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const CALLER: Caller<'_> =
    Caller { service: SERVICE, env: ENV, who: "ana", host: "here", version: "0.1.0" };

pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

pub(crate) async fn take(url: &DbUrl, folder: &Path, form: Option<Form>) -> Result<Report, AdoptError> {
    let request = Request { folder, form, table: None, scratch: None, dry: false };
    adopt(url, &CALLER, &request, &Options::default()).await
}

/// The rest of the folder by NICA, then what it says of the whole.
async fn rest(url: &DbUrl, folder: &Path, form: Form) -> Vec<String> {
    let migrations = read_any(folder, Some(form)).expect("whole");
    let program = Program {
        service: SERVICE,
        env: ENV,
        who: "ana",
        host: "here",
        version: "0.1.0",
        migrations: &migrations,
        seeds: &[],
    };
    let report = migrate_seed(url, &program, &Options::default()).await.expect("migrated");
    assert_eq!(verdict(url, folder, form).await, "healthy");
    report.applied
}

async fn verdict(url: &DbUrl, folder: &Path, form: Form) -> String {
    let migrations = read_any(folder, Some(form)).expect("whole");
    let needs = Needs { owner: Some((SERVICE, ENV)), migrations: &migrations, seeds: &[] };
    // How fast it is said is judged elsewhere, on a machine that does nothing else.
    let limits = Limits { slow: Duration::from_secs(60), give_up: Duration::from_secs(60) };
    health::healthcheck(url, &needs, &limits).await.verdict.to_string()
}

/// Without the tool's own table.
async fn schema(url: &DbUrl, form: Form) -> String {
    let read = Fingerprint::read(&mut session(url).await).await.expect("a fingerprint");
    read.without_table(&format!("public.{}", form.table())).text().to_string()
}

async fn rows(url: &DbUrl, table: &str) -> String {
    let sql = format!("SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text), '') FROM {table} t");
    text(&session(url).await, &sql).await
}

const SQLX: &[(&str, &str)] = &[
    ("1_person.up.sql", "CREATE TABLE person (id bigint PRIMARY KEY, name text NOT NULL);\n"),
    ("1_person.down.sql", "DROP TABLE person;\n"),
    (
        "20260102030405_Name-Index.sql",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY person_name ON person (name);",
    ),
    (
        "20260103000000_meal.sql",
        "CREATE TABLE meal (id bigint PRIMARY KEY, person bigint REFERENCES person);",
    ),
    ("20260104000000_note.sql", "ALTER TABLE meal ADD note text DEFAULT 'it''s; none';"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlx_is_taken_over_and_the_rest_is_applied_by_nica() {
    let (url, golden) = (empty_database().await, empty_database().await);
    let files = folder(SQLX);
    tools::sqlx(&golden, files.path(), None).await;
    tools::sqlx(&url, files.path(), Some(20_260_103_000_000)).await;
    let before = rows(&url, "_sqlx_migrations").await;
    let report = take(&url, files.path(), None).await.expect("taken over");
    assert_eq!(report.refusals, [], "{:#?}", report.difference);
    assert_eq!(report.from, Form::Sqlx);
    assert_eq!(report.adopted, ["0001_person", "20260102030405_name_index", "20260103000000_meal"]);
    assert_eq!(report.pending, ["20260104000000_note"]);
    assert_eq!(rows(&url, "_sqlx_migrations").await, before, "their table is not written");
    let kept = "SELECT string_agg(concat_ws(' ', id, state, class, who, down), ';' ORDER BY applied_at) FROM nica.migration";
    assert_eq!(
        text(&session(&url).await, kept).await,
        "0001_person applied sticky ana DROP TABLE person;\n;20260102030405_name_index applied sticky ana;\
         20260103000000_meal applied sticky ana"
    );
    let again = take(&url, files.path(), Some(Form::Sqlx)).await.expect("looked");
    assert!(again.already && again.adopted.is_empty(), "{again:?}");
    assert_eq!(rest(&url, files.path(), Form::Sqlx).await, ["20260104000000_note"]);
    assert_eq!(schema(&url, Form::Sqlx).await, schema(&golden, Form::Sqlx).await);
    assert!(take(&url, files.path(), None).await.expect("looked").already, "NICA's own steps change nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refinery_is_taken_over_with_either_size_of_version() {
    let files = folder(&[
        ("V1__person.sql", "CREATE TABLE person (id bigint PRIMARY KEY, name text);"),
        ("U2__Name_Index.sql", "CREATE INDEX person_name ON person (name);\n"),
        ("V3__later.sql", "ALTER TABLE person ADD born date;"),
    ]);
    let (url, golden) = (empty_database().await, empty_database().await);
    tools::refinery(&golden, files.path(), None).await;
    tools::refinery(&url, files.path(), Some(2)).await;
    let report = take(&url, files.path(), None).await.expect("taken over");
    assert_eq!((report.refusals.as_slice(), report.from), (&[][..], Form::Refinery));
    assert_eq!(report.adopted, ["0001_person", "0002_name_index"]);
    assert_eq!(rest(&url, files.path(), Form::Refinery).await, ["0003_later"]);
    assert_eq!(schema(&url, Form::Refinery).await, schema(&golden, Form::Refinery).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dry_run_says_what_would_be_done_and_writes_nothing() {
    let url = empty_database().await;
    let files = folder(SQLX);
    tools::sqlx(&url, files.path(), Some(1)).await;
    let request = Request { folder: files.path(), form: None, table: None, scratch: None, dry: true };
    let report = adopt(&url, &CALLER, &request, &Options::default()).await.expect("looked");
    assert_eq!(
        (report.adopted.as_slice(), report.already, report.is_adopted()),
        (&["0001_person".to_string()][..], false, false)
    );
    let there = "SELECT coalesce(to_regnamespace('nica')::text, 'none')";
    assert_eq!(text(&session(&url).await, there).await, "none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_tool_writes_later_is_said_and_can_be_taken_over() {
    let url = empty_database().await;
    let files = folder(SQLX);
    tools::sqlx(&url, files.path(), Some(1)).await;
    take(&url, files.path(), None).await.expect("taken over");
    tools::sqlx(&url, files.path(), Some(20_260_102_030_405)).await;
    assert_eq!(verdict(&url, files.path(), Form::Sqlx).await, "migrations-behind");
    let moved =
        nica_migrate::adopt::moved(&session(&url).await).await.expect("looked").expect("it has moved");
    assert_eq!(moved.rows, ["+ version 20260102030405 Name-Index"]);
    let report = take(&url, files.path(), None).await.expect("taken over");
    assert_eq!(
        (report.adopted.as_slice(), report.refusals.len()),
        (&["20260102030405_name_index".to_string()][..], 0)
    );
    assert!(nica_migrate::adopt::moved(&session(&url).await).await.expect("looked").is_none());
    // Its first one is taken back by hand, as the tool would.
    let back = "DELETE FROM _sqlx_migrations WHERE version = 1";
    session(&url).await.batch_execute(back).await.expect("deleted");
    assert_eq!(verdict(&url, &only(&files, "1_person"), Form::Sqlx).await, "ledger-moved");
    let report = take(&url, files.path(), None).await.expect("looked");
    assert_eq!(report.refusals.iter().map(|r| r.code).collect::<Vec<_>>(), ["taken-back"]);
    session(&url).await.batch_execute("DROP TABLE _sqlx_migrations").await.expect("dropped");
    assert!(
        nica_migrate::adopt::moved(&session(&url).await).await.expect("looked").is_none(),
        "nobody needs it any more"
    );
}

/// Of the files only those that begin so stay.
fn only(files: &TempDir, begin: &str) -> std::path::PathBuf {
    let folder = files.path().join("only");
    std::fs::create_dir(&folder).expect("a folder");
    for (name, text) in SQLX.iter().filter(|(name, _)| name.starts_with(begin)) {
        std::fs::write(folder.join(name), text).expect("a file");
    }
    folder
}

/// A folder by chance, a prefix of it applied by sqlx, the rest by NICA: as if sqlx had applied all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_prefix_by_sqlx_and_the_rest_by_nica_make_the_same_schema() {
    for seed in 0..4 {
        let mut dice = StdRng::seed_from_u64(seed);
        let files = tempfile::tempdir().expect("a folder");
        let versions = random(&mut dice, files.path());
        let (url, golden) = (empty_database().await, empty_database().await);
        tools::sqlx(&golden, files.path(), None).await;
        let prefix = dice.random_range(1..=versions.len());
        tools::sqlx(&url, files.path(), Some(versions[prefix - 1])).await;
        let report = take(&url, files.path(), None).await.expect("taken over");
        assert_eq!(report.refusals, [], "seed {seed}: {:#?}", report.difference);
        assert_eq!(
            (report.adopted.len(), report.pending.len()),
            (prefix, versions.len() - prefix),
            "seed {seed}"
        );
        assert_eq!(rest(&url, files.path(), Form::Sqlx).await, report.pending, "seed {seed}");
        assert_eq!(schema(&url, Form::Sqlx).await, schema(&golden, Form::Sqlx).await, "seed {seed}");
    }
}

/// Tables, columns, indexes (some built concurrently), views and functions; each needs only what came before.
fn random(dice: &mut StdRng, folder: &Path) -> Vec<i64> {
    let (mut version, mut tables, mut versions) = (0, 0, Vec::new());
    for n in 0..dice.random_range(4..12) {
        version += dice.random_range(1..1_000_000);
        let of = dice.random_range(0..tables.max(1));
        let sql = match dice.random_range(0..6) {
            _ if tables == 0 => "CREATE TABLE t0 (id bigint PRIMARY KEY, a text);".to_string(),
            0 => format!(
                "CREATE TABLE t{tables} (id bigint PRIMARY KEY, a text, other bigint REFERENCES t{of});"
            ),
            1 => format!("ALTER TABLE t{of} ADD c{n} integer DEFAULT {n};"),
            2 => format!("-- no-transaction\nCREATE INDEX CONCURRENTLY i{n} ON t{of} (a);"),
            3 => format!("BEGIN;\nCREATE VIEW v{n} AS SELECT a FROM t{of}; -- a view\nCOMMIT;\n"),
            4 => format!(
                "CREATE FUNCTION f{n}() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM t{of}; $$;"
            ),
            _ => format!(
                "INSERT INTO t{of} (id, a) VALUES ({n}, 'a;b');\nALTER TABLE t{of} ADD CONSTRAINT k{n} CHECK (id < {n}00000);"
            ),
        };
        tables += usize::from(sql.starts_with("CREATE TABLE"));
        let name = if dice.random_bool(0.5) {
            format!("{version}_step_{n}.sql")
        } else {
            format!("{version:020}_Step {n}.up.sql")
        };
        std::fs::write(folder.join(name), sql).expect("a file");
        versions.push(version);
    }
    versions
}
