//! `migrate-seed`: one does it, however many call; a dead one is finished by the next.

mod dying;

use crate::common::{self, ENV, SERVICE, empty_database, lone, migration, session, text};
use nica_migrate::DbUrl;
use nica_migrate::fence::Lease;
use nica_migrate::health::{self, Needs, healthcheck};
use nica_migrate::migrate_seed::{MigrateSeedError, Options, Program, Report, migrate_seed};
use nica_migrate::seed::SeedFile;
use nica_migrate::source::{Manifest, Migration, Phase};
use std::collections::BTreeMap;
use std::time::Duration;

const SEEDS: &str = r#"
table = "goal"
key = ["code"]
retire = "retired_at"
source = "NICA"
status = "verified"
[[row]]
code = "lose"
name = "Perder peso"
[[row]]
code = "gain"
name = "Ganhar massa"
"#;

/// Every kind of step, with rows enough that index builds overlap.
fn migrations() -> Vec<Migration> {
    let contract = Manifest { phase: Phase::Contract, ..Manifest::default() };
    vec![
        migration(
            "0001_tables",
            "CREATE TABLE goal (code text PRIMARY KEY, name text NOT NULL, retired_at timestamptz);
             CREATE TABLE entry (id integer PRIMARY KEY, grams integer NOT NULL, note text);
             CREATE TABLE counted (what text NOT NULL);
             INSERT INTO entry SELECT n, n % 97, NULL FROM generate_series(1, 3000) n",
            Some("DROP TABLE counted, entry, goal"),
        ),
        lone("0002_by_grams", "CREATE INDEX CONCURRENTLY entry_grams ON entry (grams)", None),
        migration(
            "0003_note",
            "ALTER TABLE entry ADD checked integer; INSERT INTO counted VALUES ('0003')",
            None,
        ),
        lone(
            "0004_fill",
            "-- nica: backfill batch=500 pause=0ms\nUPDATE entry SET checked = grams + 1 WHERE checked IS NULL",
            None,
        ),
        lone("0005_unique", "CREATE UNIQUE INDEX CONCURRENTLY entry_id_grams ON entry (id, grams)", None),
        migration(
            "0006_last",
            "CREATE VIEW light AS SELECT id FROM entry; INSERT INTO counted VALUES ('0006')",
            None,
        ),
        Migration::new("0007_drop", contract, "DROP VIEW light".to_string(), None).expect("a good contract"),
    ]
}

const EXPANDS: [&str; 6] =
    ["0001_tables", "0002_by_grams", "0003_note", "0004_fill", "0005_unique", "0006_last"];

fn seeds() -> Vec<SeedFile> {
    vec![SeedFile::parse("0001_goal.toml", SEEDS).expect("good seeds")]
}

fn options() -> Options {
    Options { turn: Duration::from_secs(120), ..Options::default() }
}

async fn run_as(url: &DbUrl, who: &str, migrations: &[Migration]) -> Result<Report, MigrateSeedError> {
    let seeds = seeds();
    let program = Program {
        service: SERVICE,
        env: ENV,
        who,
        host: "here",
        version: "0.1.0",
        migrations,
        seeds: &seeds,
    };
    migrate_seed(url, &program, &options()).await
}

async fn run(url: &DbUrl) -> Report {
    run_as(url, "ana", &migrations()).await.unwrap_or_else(|e| panic!("failed to {e}"))
}

async fn is_healthy(url: &DbUrl) {
    let (migrations, seeds) = (migrations(), seeds());
    let needs = Needs { owner: Some((SERVICE, ENV)), migrations: &migrations, seeds: &seeds };
    let health = healthcheck(url, &needs, &health::Limits::default()).await;
    assert!(health.healthy || health.verdict == "too-slow", "{health:#?}");
}

/// Who acted how often: changes with every lease that is taken and every fence that is admitted.
async fn acted(url: &DbUrl) -> String {
    let sql = "SELECT concat(number, ' ', (SELECT number FROM nica.fence)) FROM nica.lease";
    text(&session(url).await, sql).await
}

#[tokio::test]
async fn new_database_gets_everything_but_the_contract() {
    let url = empty_database().await;
    let report = run(&url).await;
    assert_eq!(report.applied, EXPANDS);
    assert_eq!(report.contracts_pending, ["0007_drop"]);
    assert_eq!(report.seeds.inserted.len(), 2);
    assert!(report.schema_created && report.wrote() && report.is_complete(), "{report:?}");
    let filled = "SELECT concat(count(*), ' ', sum(checked - grams)) FROM entry";
    assert_eq!(text(&session(&url).await, filled).await, "3000 3000");
    is_healthy(&url).await;
}

#[tokio::test]
async fn second_pass_reads_only_and_takes_neither_lease_nor_admission() {
    let url = empty_database().await;
    run(&url).await;
    let before = acted(&url).await;
    let forbid = format!("ALTER DATABASE {} SET default_transaction_read_only = on", url.database());
    session(&url).await.batch_execute(&forbid).await.expect("sql");
    let report = run(&url).await;
    assert!(!report.wrote() && report.is_complete(), "{report:?}");
    assert_eq!(acted(&url).await, before);
}

#[tokio::test]
async fn altered_and_lost_seeds_come_back() {
    let url = empty_database().await;
    run(&url).await;
    let client = session(&url).await;
    client
        .batch_execute("DELETE FROM goal WHERE code = 'gain'; UPDATE goal SET name = 'x'")
        .await
        .expect("sql");
    let report = run(&url).await;
    assert_eq!((report.seeds.inserted.len(), report.seeds.updated.len()), (1, 1));
    is_healthy(&url).await;
}

#[tokio::test]
async fn managed_database_is_only_verified() {
    let url = empty_database().await;
    let all = migrations();
    run_as(&url, "ana", &all[..4]).await.expect("applied");
    let client = session(&url).await;
    client.batch_execute("UPDATE nica.control SET managed = true; DELETE FROM goal").await.expect("sql");
    let before = acted(&url).await;
    let report = run(&url).await;
    assert!(report.managed && !report.wrote() && !report.is_complete(), "{report:?}");
    assert_eq!(report.pending, ["0005_unique", "0006_last"]);
    assert_eq!(report.seeds_pending.len(), 2);
    assert_eq!(acted(&url).await, before);
}

/// A deployer takes the database over while somebody waits for the lease by hand.
#[tokio::test]
async fn database_that_becomes_managed_meanwhile_is_only_verified() {
    let url = common::database().await;
    let ttl = Duration::from_secs(15);
    let lease = Lease::take(&url, &common::holder("deployer"), ttl).await.expect("asked").expect("free");
    let waiting = tokio::spawn({
        let url = url.clone();
        async move { run(&url).await }
    });
    let client = session(&url).await;
    let polls = "SELECT (count(*) > 0)::text FROM pg_stat_activity
                 WHERE application_name = 'nica/waiting' AND datname = current_database()";
    common::wait_until(&client, polls, "true").await;
    client.batch_execute("UPDATE nica.control SET managed = true").await.expect("sql");
    lease.release().await.expect("released");
    let report = waiting.await.expect("no panic");
    assert!(report.managed && !report.wrote(), "{report:?}");
    assert_eq!(report.pending, EXPANDS);
}

#[tokio::test]
async fn edited_and_foreign_are_refused_before_anything_is_written() {
    let url = empty_database().await;
    run(&url).await;
    let before = acted(&url).await;
    let mut edited = migrations();
    edited[2] = migration("0003_note", "ALTER TABLE entry ADD other integer", None);
    edited.push(migration("0008_new", "CREATE TABLE more (x int)", None));
    let error = run_as(&url, "ana", &edited).await.expect_err("0003 was edited");
    assert!(matches!(&error, MigrateSeedError::Edited { ids } if ids == &["0003_note"]), "{error}");
    let program = Program {
        service: SERVICE,
        env: "prod",
        who: "ana",
        host: "here",
        version: "0.1.0",
        migrations: &migrations(),
        seeds: &[],
    };
    let error = migrate_seed(&url, &program, &options()).await.expect_err("it is test's");
    assert_eq!(
        error.to_string(),
        "open this database: it belongs to nica/test, not to nica/prod; check the url"
    );
    assert_eq!(acted(&url).await, before);
}

#[tokio::test]
async fn late_number_is_applied_and_named() {
    let url = empty_database().await;
    let mut all = migrations();
    let late = all.remove(2);
    let fill = all.remove(2);
    run_as(&url, "ana", &all).await.expect("applied");
    all.extend([late, fill]);
    let report = run_as(&url, "ana", &all).await.expect("applied");
    assert_eq!(report.applied, ["0003_note", "0004_fill"]);
    assert_eq!(report.late, report.applied);
}

#[tokio::test]
async fn expand_behind_a_contract_waits_for_it() {
    let url = empty_database().await;
    let after = Manifest { after: Some("0007_drop".to_string()), ..Manifest::default() };
    let mut all = migrations();
    let text = "CREATE VIEW light AS SELECT 1 AS x".to_string();
    all.push(Migration::new("0008_again", after, text, None).expect("a good migration"));
    all.push(migration("0009_on_it", "CREATE VIEW on_it AS SELECT x FROM light", None));
    let report = run_as(&url, "ana", &all).await.expect("applied");
    assert_eq!(report.pending, ["0008_again", "0009_on_it"]);
    assert!(!report.is_complete());
    assert!(!run_as(&url, "ana", &all).await.expect("looked").wrote());
}

#[tokio::test]
async fn failing_migration_names_its_line_and_leaves_what_was_before_it() {
    let url = empty_database().await;
    let mut all = migrations();
    all.push(migration("0008_bad", "CREATE TABLE more (x int);\nALTER TABLE nothing ADD y int", None));
    let error = run_as(&url, "ana", &all).await.expect_err("there is no such table");
    assert!(error.to_string().starts_with("run 0008_bad/up.sql:2: relation \"nothing\""), "{error}");
    let client = session(&url).await;
    assert_eq!(text(&client, "SELECT coalesce(to_regclass('more')::text, 'none')").await, "none");
    all.pop();
    let report = run_as(&url, "ana", &all).await.expect("goes on");
    assert!(report.applied.is_empty() && report.seeds.inserted.len() == 2, "{report:?}");
}

/// Whoever calls, however many: each step once, nobody fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_at_once_do_each_step_once() {
    for round in 0..3 {
        let url = empty_database().await;
        let callers: Vec<_> = (0..64)
            .map(|n| {
                let url = url.clone();
                tokio::spawn(async move { run_as(&url, &format!("pod-{n}"), &migrations()).await })
            })
            .collect();
        let mut applied: BTreeMap<String, u32> = BTreeMap::new();
        let (mut seeded, mut created) = (0, 0);
        for caller in callers {
            let report = caller.await.expect("no panic").unwrap_or_else(|e| panic!("round {round}: {e}"));
            report.applied.into_iter().for_each(|id| *applied.entry(id).or_default() += 1);
            seeded += report.seeds.inserted.len();
            created += u32::from(report.schema_created);
        }
        let once: Vec<_> = applied.iter().map(|(id, times)| (id.as_str(), *times)).collect();
        assert_eq!(once, EXPANDS.map(|id| (id, 1)));
        assert_eq!((seeded, created), (2, 1));
        let client = session(&url).await;
        let counted = "SELECT string_agg(what, ' ' ORDER BY what) FROM counted";
        assert_eq!(text(&client, counted).await, "0003 0006");
        is_healthy(&url).await;
    }
}
