//! The database does what it was asked and its answer never comes: the run is found and ends as if nobody had noticed.

use super::place::{Came, Migration, Place, expect, text};
use super::proxy::{Lost, Then};
use tokio_postgres::Client;

const TABLE: Migration<'_> = ("0001_note", "CREATE TABLE note (id int PRIMARY KEY);", "");
const OPENING: Lost = Lost::CommitAfter("INSERT INTO nica.run ");
const SETTLING: Lost = Lost::CommitAfter("UPDATE nica.run SET settled_at");

/// A deploy that loses this answer.
async fn deploy(place: &mut Place, release: &str, lost: Lost, then: Then) -> Came {
    let proxy = place.loses(lost, then);
    let came = place.nica(&["deploy", "--env", "dev", "--release", release]).await;
    assert!(proxy.has_swallowed(), "nobody asked for {lost:?}: {came:#?}");
    let readmitted = came.told.iter().filter(|line| line["event"] == "readmitted").count();
    assert_eq!(readmitted, 1, "{came:#?}");
    came
}

/// Runs, entries of the ledger, which run the last entry is about.
async fn stands(client: &Client) -> [String; 3] {
    [
        text(client, "SELECT count(*)::text FROM nica.run").await,
        text(client, "SELECT count(*)::text FROM nica.ledger").await,
        text(client, "SELECT run FROM nica.ledger ORDER BY n DESC LIMIT 1").await,
    ]
}

/// One run, live, and told to be this deployer's own.
async fn check(lost: Lost, then: Then) {
    check_with(&[TABLE], lost, then).await;
}

async fn check_with(migrations: &[Migration<'_>], lost: Lost, then: Then) {
    let mut place = Place::new().await;
    let client = place.session("test").await;
    let one = place.release("1", migrations).await;
    let came = deploy(&mut place, &one, lost, then).await;
    expect(&came, 0, "live");
    let run = came.end()["run"].as_str().unwrap_or_default().to_string();
    assert_eq!(stands(&client).await, ["1".to_string(), "1".to_string(), run], "{came:#?}");
    assert_eq!(text(&client, "SELECT ending FROM nica.run").await, "live");
    assert_eq!(place.replicas().len(), 1);
}

#[tokio::test]
async fn a_lost_opening_ends_as_one_run() {
    check(OPENING, Then::Cut).await;
}

#[tokio::test]
async fn a_lost_settling_ends_as_one_run() {
    check(SETTLING, Then::Cut).await;
}

#[tokio::test]
async fn a_silent_network_is_given_up_at_the_opening() {
    check(OPENING, Then::Silent).await;
}

#[tokio::test]
async fn a_silent_network_is_given_up_at_the_settling() {
    check(SETTLING, Then::Silent).await;
}

/// Whatever is asked, silence ends at a limit of ours, and the next number asks again.
#[tokio::test]
async fn no_question_waits_for_ever() {
    let table = [
        // Planning.
        Lost::Answer("SELECT migration, source, state FROM nica_attic.parcel"),
        Lost::Answer("SELECT n, entry, prev, hash FROM nica.ledger ORDER BY n"),
        Lost::Answer("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"),
        // Inside the transaction that opens.
        Lost::Answer("INSERT INTO nica.step"),
        // The loop.
        Lost::Holding("CREATE TABLE note"),
        Lost::Answer("SELECT started_fence = $3"),
        Lost::Answer("UPDATE nica.step SET status"),
        Lost::Answer("INSERT INTO nica.ledger"),
    ];
    let mut cases = tokio::task::JoinSet::new();
    table.into_iter().for_each(|lost| drop(cases.spawn(check(lost, Then::Silent))));
    cases.join_all().await;
}

/// Its statement may take an hour; what is said before it may not.
#[tokio::test]
async fn the_settings_of_a_lone_statement_have_a_limit_of_their_own() {
    let index: Migration<'_> =
        ("0002_i", "CREATE INDEX CONCURRENTLY note_i ON note (id)", "transaction = false\n");
    let settings = Lost::Answer("SET standard_conforming_strings = on; SET client_connection");
    check_with(&[TABLE, index], settings, Then::Silent).await;
}

/// Who only reads has nobody to ask again.
#[tokio::test]
async fn a_command_that_reads_gives_up_and_says_so() {
    let table: [(&[&str], &str); 5] = [
        (&["status"], "SELECT to_regclass('nica.control')"),
        (&["history"], "SET default_transaction_read_only"),
        (&["ledger", "verify"], "SELECT to_regclass('nica.control')"),
        (&["db", "status"], "SELECT to_regclass('nica.migration')"),
        (&["db", "diff"], "SET LOCAL search_path"),
    ];
    let mut cases = tokio::task::JoinSet::new();
    for (command, question) in table {
        cases.spawn(async move {
            let mut place = Place::new().await;
            let proxy = place.loses(Lost::Answer(question), Then::Silent);
            let came = place.nica(&[command, &["--env", "dev"]].concat()).await;
            assert!(proxy.has_swallowed(), "nobody asked {question}: {came:#?}");
            assert_eq!(came.exit, Some(40), "{command:?}: {came:#?}");
        });
    }
    cases.join_all().await;
}

/// Were the run not known to be our own, the release would be deployed and undone a second time.
#[tokio::test]
async fn a_run_whose_opening_was_not_heard_of_goes_back_once() {
    let mut place = Place::new().await;
    let client = place.session("test").await;
    let flag = place.path("broken");
    std::fs::write(&flag, "").expect("there is room");
    place.exec(&format!("serve {}", flag.display()));
    let one = place.release("1", &[TABLE]).await;
    let came = deploy(&mut place, &one, OPENING, Then::Cut).await;
    expect(&came, 20, "absent");
    let run = came.end()["run"].as_str().unwrap_or_default().to_string();
    assert_eq!(stands(&client).await, ["1".to_string(), "1".to_string(), run], "{came:#?}");
}
