//! Databases as dbmate 2.36.0 and Flyway 10.22.0 left them, with the folders that they applied.
//!
//! Made once by the tools themselves on PostgreSQL 15 and kept as plain dumps; `later` came to the folder afterwards.

use super::{rest, take};
use crate::common::{empty_database, session};
use nica_migrate::DbUrl;
use nica_migrate::foreign::Form;
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

async fn left_by(tool: &str) -> DbUrl {
    let url = empty_database().await;
    let dump = std::fs::read_to_string(fixture(tool).join("database.sql")).expect("a dump");
    session(&url).await.batch_execute(&dump).await.expect("a good dump");
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dbmate_is_taken_over_by_the_schema_alone() {
    let (url, files) = (left_by("dbmate").await, fixture("dbmate/folder"));
    let report = take(&url, &files, None).await.expect("taken over");
    assert_eq!(
        (report.refusals.as_slice(), report.from),
        (&[][..], Form::Dbmate),
        "{:#?}",
        report.difference
    );
    assert_eq!(
        report.adopted,
        ["20260101090000_create_person", "20260102090000_person_index", "20260103090000_add_meal"]
    );
    assert!(report.notes[0].contains("dbmate keeps no checksums"), "{:?}", report.notes);
    assert_eq!(rest(&url, &files, Form::Dbmate).await, ["20260104090000_later"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flyway_is_taken_over_by_its_checksums() {
    let (url, files) = (left_by("flyway").await, fixture("flyway/folder"));
    let report = take(&url, &files, None).await.expect("taken over");
    assert_eq!(
        (report.refusals.as_slice(), report.from),
        (&[][..], Form::Flyway),
        "{:#?}",
        report.difference
    );
    assert_eq!(
        report.adopted,
        ["10000_create_person", "10100_create_meal", "10200_person_index", "20000_note"]
    );
    assert_eq!(rest(&url, &files, Form::Flyway).await, ["30000_later"]);
}

/// What rows of other kinds mean; the ledger is Flyway's, the rows are as it writes them.
async fn check(row: &str, codes: &[&str], adopted: usize, note: &str) {
    let url = left_by("flyway").await;
    session(&url).await.batch_execute(row).await.expect(row);
    let report = take(&url, &fixture("flyway/folder"), Some(Form::Flyway)).await.expect("looked");
    assert_eq!(report.refusals.iter().map(|r| r.code).collect::<Vec<_>>(), codes, "{row}");
    assert_eq!(report.adopted.len(), adopted, "{row}");
    assert!(report.notes.join("\n").contains(note), "{row}: {:?}", report.notes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_every_kind_are_understood_or_refused() {
    let insert = |values: &str| {
        format!("INSERT INTO flyway_schema_history VALUES ({values}, 'x', 'postgres', now(), 1, true)")
    };
    let undone = "INSERT INTO flyway_schema_history VALUES (5, '2', 'note', 'UNDO_SQL', 'U2__note.sql', 1, 'p', now(), 1, true);
                  ALTER TABLE meal DROP note";
    check(undone, &[], 3, "").await;
    let failed = "UPDATE flyway_schema_history SET success = false WHERE version = '2'";
    check(failed, &["failed-row"], 3, "").await;
    let changed = "UPDATE flyway_schema_history SET checksum = 7 WHERE version = '1.1'";
    check(changed, &["changed-checksum"], 4, "").await;
    let renamed = "UPDATE flyway_schema_history SET description = 'other' WHERE version = '1'";
    check(renamed, &["renamed"], 4, "").await;
    let baseline = "DELETE FROM flyway_schema_history WHERE version IN ('1', '1.1');
        INSERT INTO flyway_schema_history VALUES (0, '1.1', '<< Flyway Baseline >>', 'BASELINE', '<< Flyway Baseline >>', NULL, 'p', now(), 0, true)";
    check(baseline, &[], 4, "files up to version 1.1 count as applied").await;
    let java = insert("5, '4', 'in java', 'JDBC'").replace("'x'", "'V4__in_java', NULL");
    check(&java, &["unreadable"], 4, "").await;
    let repeatable = "INSERT INTO flyway_schema_history VALUES (5, NULL, 'people', 'SQL', 'R__people.sql', 9, 'p', now(), 1, true)";
    check(repeatable, &[], 4, "`people` was applied as a repeatable").await;
}
