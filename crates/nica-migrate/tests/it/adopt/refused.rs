//! Everything that speaks against taking over, each by name, with the wrong value, and with nothing written.

use super::{SQLX, folder, take, tools};
use crate::common::{database, empty_database, session, text};
use nica_migrate::DbUrl;
use nica_migrate::adopt::AdoptError;
use nica_migrate::fence::{Admission, Lease, admit};
use nica_migrate::foreign::{Form, LedgerError};
use std::path::Path;
use std::time::Duration;

async fn applied_by_sqlx(files: &Path) -> DbUrl {
    let url = empty_database().await;
    tools::sqlx(&url, files, Some(20_260_103_000_000)).await;
    url
}

async fn run(url: &DbUrl, sql: &str) {
    session(url).await.batch_execute(sql).await.expect(sql);
}

/// What is wrong, and words that must be said.
async fn check(sql: &str, change: impl FnOnce(&Path), code: &str, words: &[&str]) {
    let files = folder(SQLX);
    let url = applied_by_sqlx(files.path()).await;
    run(&url, sql).await;
    change(files.path());
    let report = take(&url, files.path(), None).await.expect("looked");
    let codes: Vec<_> = report.refusals.iter().map(|r| r.code).collect();
    assert_eq!(codes, [code], "{:#?}", report.refusals);
    let said = format!("{}\n{}", report.refusals[0], report.difference.join("\n"));
    for word in words {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    assert!(!report.is_adopted());
    let there = "SELECT coalesce(to_regnamespace('nica')::text, 'none')";
    assert_eq!(text(&session(&url).await, there).await, "none", "{code}: nothing is written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_disagreement_is_named_and_nothing_is_written() {
    let nothing = |_: &Path| ();
    check(
        "UPDATE _sqlx_migrations SET success = false WHERE version = 1",
        nothing,
        "failed-row",
        &[
            "_sqlx_migrations says that version 1 `person` failed",
            "next: mend what it left behind, delete the row",
        ],
    )
    .await;
    check(
        "UPDATE _sqlx_migrations SET checksum = '\\xabcd' WHERE version = 1",
        nothing,
        "changed-checksum",
        &["1_person.up.sql has checksum ", "and abcd was applied as version 1", "next: bring back the text"],
    )
    .await;
    let edit =
        |folder: &Path| std::fs::write(folder.join("20260103000000_meal.sql"), "SELECT 1").expect("written");
    check("", edit, "changed-checksum", &["20260103000000_meal.sql has checksum"]).await;
    let delete =
        |folder: &Path| std::fs::remove_file(folder.join("20260103000000_meal.sql")).expect("deleted");
    check(
        "",
        delete,
        "missing-file",
        &["version 20260103000000 `meal` is applied, and no file has version 20260103000000"],
    )
    .await;
    check(
        "ALTER TABLE meal ADD by_hand text",
        nothing,
        "schema",
        &["+   column by_hand text", "undo what was changed by hand"],
    )
    .await;
    check("DROP INDEX person_name", nothing, "schema", &["person_name", "next: "]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_that_the_tool_would_refuse_as_late_is_refused() {
    let files = folder(&[("V2__b.sql", "CREATE TABLE b ()"), ("V3__c.sql", "CREATE TABLE c ()")]);
    let url = empty_database().await;
    tools::refinery(&url, files.path(), None).await;
    std::fs::write(files.path().join("V1__a.sql"), "CREATE TABLE a ()").expect("written");
    let report = take(&url, files.path(), None).await.expect("looked");
    let said: Vec<String> = report.refusals.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("adopt/out-of-order]: V1__a.sql is not applied, and a higher version is"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_file_of_sqlx_is_applied_by_nica_as_late() {
    let files = folder(&[("1_a.sql", "CREATE TABLE a ()"), ("3_c.sql", "CREATE TABLE c ()")]);
    let url = empty_database().await;
    tools::sqlx(&url, files.path(), None).await;
    std::fs::write(files.path().join("2_b.sql"), "CREATE TABLE b ()").expect("written");
    let report = take(&url, files.path(), None).await.expect("taken over");
    assert_eq!(
        (report.pending.as_slice(), report.late.as_slice()),
        (&["0002_b".to_string()][..], &["0002_b".to_string()][..])
    );
}

#[tokio::test]
async fn a_ledger_that_is_not_there_or_not_the_only_one_is_said() {
    let files = folder(SQLX);
    let url = empty_database().await;
    let of =
        |error: Result<_, AdoptError>| error.err().map(|e: AdoptError| e.to_string()).unwrap_or_default();
    let said = of(take(&url, files.path(), None).await.map(|_| ()));
    assert!(said.contains("there is none of _sqlx_migrations, refinery_schema_history"), "{said}");
    run(&url, "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean)").await;
    let said = of(take(&url, files.path(), None).await.map(|_| ()));
    assert!(said.contains("it has the column dirty, which dbmate's has not"), "{said}");
    run(&url, "CREATE TABLE refinery_schema_history (version int4, name varchar, applied_on varchar, checksum varchar)").await;
    let error = take(&url, files.path(), None).await.expect_err("two");
    assert!(matches!(error, AdoptError::Ledger(LedgerError::Several { .. })), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nica_knows_better_is_not_overwritten() {
    let files = folder(&[("1_a.sql", "CREATE TABLE a ()")]);
    let url = database().await;
    tools::sqlx(&url, files.path(), None).await;
    let row = "INSERT INTO nica.migration (id, sha256, phase, class, state, fence, who, version)
               VALUES ('0001_a', 'other', 'expand', 'sticky', 'applied', 0, 'w', '1')";
    run(&url, row).await;
    let codes = async || {
        let report = take(&url, files.path(), Some(Form::Sqlx)).await.expect("looked");
        report.refusals.iter().map(|r| r.code).collect::<Vec<_>>()
    };
    assert_eq!(codes().await, ["edited"]);
    run(&url, "UPDATE nica.migration SET state = 'undone'").await;
    assert_eq!(codes().await, ["two-stories"]);
    run(&url, "UPDATE nica.migration SET id = '0009_other', state = 'applied'").await;
    assert_eq!(codes().await, ["unknown"]);
    run(&url, "DELETE FROM nica.migration; UPDATE nica.control SET managed = true").await;
    assert_eq!(codes().await, ["managed"]);
    run(&url, "UPDATE nica.control SET managed = false").await;
    take(&url, files.path(), None).await.expect("taken over");
    run(&url, "UPDATE nica.control SET managed = true").await;
    assert!(
        take(&url, files.path(), None).await.expect("looked").already,
        "what is done is said on a managed one too"
    );
}

/// Taking over stands still behind a lock on the tool's table, with everything looked at.
/// The other's row is committed, or goes away again.
async fn standing_still(
    url: &DbUrl,
    files: &Path,
    commits: bool,
    meanwhile: impl AsyncFnOnce(),
) -> Result<(), AdoptError> {
    let mut blocker = session(url).await;
    let tx = blocker.transaction().await.expect("a transaction");
    let row = "INSERT INTO _sqlx_migrations VALUES (99, 'x', now(), true, '\\x00', 0)";
    tx.batch_execute(row).await.expect("written");
    let waits = "SELECT (EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'ShareLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())))::text";
    let then = async {
        let watch = session(url).await;
        // An answer may take long on a busy machine: the throw-away cluster comes first.
        super::dying::until(&watch, waits).await;
        meanwhile().await;
        let ended = if commits { tx.commit().await } else { tx.rollback().await };
        ended.expect("ended");
    };
    let (taken, ()) = tokio::join!(take(url, files, Some(Form::Sqlx)), then);
    taken.map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_that_comes_after_the_look_is_not_overlooked() {
    let files = folder(SQLX);
    let url = applied_by_sqlx(files.path()).await;
    let error = standing_still(&url, files.path(), true, async || ()).await.expect_err("it changed");
    assert!(matches!(error, AdoptError::Changed { .. }), "{error}");
    assert_eq!(text(&session(&url).await, "SELECT count(*)::text FROM nica.migration").await, "0");
}

/// Whoever comes after may be the same call again, with a number of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn superseded_number_writes_nothing() {
    let files = folder(SQLX);
    let url = applied_by_sqlx(files.path()).await;
    let mut admitted = 0;
    let _ = standing_still(&url, files.path(), false, async || {
        // What it waits for goes away again, so that nothing but the fence is in its way.
        let ttl = Duration::from_secs(15);
        let beats =
            "SELECT count(pg_terminate_backend(pid))::text FROM nica.lease JOIN pg_stat_activity USING (pid)";
        text(&session(&url).await, beats).await;
        let lease = Lease::wait(&url, &crate::common::holder("rui"), ttl, ttl).await.expect("taken");
        admitted = lease.number();
        let mut mine = crate::common::named(&url, &format!("nica/test/{admitted}/-")).await;
        admit(&mut mine, admitted, crate::common::ENV, ttl, Admission::Plain).await.expect("admitted");
    })
    .await;
    let by_older = format!("SELECT count(*)::text FROM nica.migration WHERE fence <= {admitted}");
    assert_eq!((text(&session(&url).await, &by_older).await.as_str(), admitted > 1), ("0", true));
}
