//! Contract runs on a real database and a real target: what they wait for, what they refuse afterwards, and that a
//! deployer that dies or stands still at any record of one leaves nothing half-done.

use super::gate::Gate;
use super::place::{Migration, Place, came_of, expect, signal, text};
use rustix::process::Signal;
use std::time::Duration;
use tokio_postgres::Client;

const TABLE: Migration<'_> =
    ("0001_note", "CREATE TABLE note (id int PRIMARY KEY, body text, old text, older text);", "");
const EXPAND: Migration<'_> = ("0002_new", "ALTER TABLE note ADD COLUMN new text;", "");
const FIRST: Migration<'_> = ("0003_drop_old", "ALTER TABLE note DROP COLUMN old;", "phase = \"contract\"\n");
const SECOND: Migration<'_> =
    ("0004_drop_older", "ALTER TABLE note DROP COLUMN older;", "phase = \"contract\"\n");

/// Release 1, then release 2 with two contracts pending.
async fn two_releases(place: &Place) -> (String, String) {
    let one = place.release("1", &[TABLE]).await;
    expect(&place.nica(&["deploy", "--env", "dev", "--release", &one]).await, 0, "live");
    let two = place.release("2", &[EXPAND, FIRST, SECOND]).await;
    (one, two)
}

async fn columns(client: &Client) -> String {
    let sql = "SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute \
               WHERE attrelid = 'note'::regclass AND attnum > 0 AND NOT attisdropped";
    text(client, sql).await
}

async fn floor(client: &Client) -> String {
    text(client, "SELECT compat_floor FROM nica.control").await
}

async fn contracted_entries(client: &Client) -> String {
    text(client, "SELECT count(*)::text FROM nica.ledger WHERE entry::jsonb ->> 'ending' = 'contracted'")
        .await
}

#[tokio::test]
async fn a_contract_run_waits_for_older_sessions_and_nothing_goes_below_it() {
    let place = Place::new().await;
    let (one, two) = two_releases(&place).await;
    let client = place.session("test").await;
    // The generation of release 1, as its own sessions would carry it.
    let live = "SELECT convert_from(b.bytes, 'UTF8')::jsonb #> '{components,api}' FROM nica.control c \
                JOIN nica.blob b ON b.sha256 = c.baseline";
    let desired: serde_json::Value = client.query_one(live, &[]).await.expect("release 1 is live").get(0);
    let desired: nica_engine::Desired = serde_json::from_value(desired).expect("as it was written");
    let older = place.session(&format!("tiny/api/{}", desired.generation())).await;

    let planned = place.nica(&["plan", "--env", "dev", "--release", &two]).await;
    let pending = planned.end()["contracts_pending"].to_string();
    assert_eq!(pending, "[\"0003_drop_old\",\"0004_drop_older\"]");
    expect(&place.nica(&["deploy", "--env", "dev", "--release", &two]).await, 0, "live");
    assert_eq!(
        (floor(&client).await.as_str(), columns(&client).await.as_str()),
        ("", "body id new old older")
    );

    let replicas = place.replicas();
    assert_eq!(replicas.len(), 1);
    let waits = place.start(&["contract", "--env", "dev"]);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(columns(&client).await, "body id new old older", "an older program is still connected");
    drop(older);
    let done = came_of(waits).await;
    expect(&done, 0, "contracted");
    assert_eq!(done.end()["reason"], "2 of 2 contracts applied");
    assert!(done.told.iter().any(|e| e["what"].as_str().is_some_and(|w| w.contains("older"))), "{done:#?}");
    assert_eq!(
        (floor(&client).await.as_str(), columns(&client).await.as_str()),
        ("0004_drop_older", "body id new")
    );
    assert_eq!(place.replicas(), replicas, "code is untouched");

    let entries = || async { text(&client, "SELECT count(*)::text FROM nica.ledger").await };
    let before = entries().await;
    let refused = place.nica(&["rollback", "--env", "dev", "--to", &one]).await;
    expect(&refused, 10, "refused");
    assert_eq!(refused.end()["reason"], "migration/below-floor");
    assert_eq!(entries().await, before, "refused before the first write");
    let again = place.nica(&["contract", "--env", "dev"]).await;
    expect(&again, 0, "contracted");
    assert_eq!(again.end()["changed"], false);
    let verified = place.nica(&["ledger", "verify", "--env", "dev"]).await;
    assert_eq!((verified.exit, verified.end()["verified"].as_bool()), (Some(0), Some(true)));
}

#[tokio::test]
async fn a_contract_that_the_data_refuse_ends_the_run_with_what_was_done() {
    let place = Place::new().await;
    let one = place.release("1", &[TABLE]).await;
    expect(&place.nica(&["deploy", "--env", "dev", "--release", &one]).await, 0, "live");
    // The throw-away database has other rows than this one.
    let check = "ALTER TABLE note ADD CONSTRAINT small CHECK (id <> 777777);";
    let narrow: Migration<'_> = ("0004_narrow", check, "phase = \"contract\"\n");
    let expand: Migration<'_> =
        ("0005_after", "ALTER TABLE note ADD COLUMN after text;", "after = \"0004_narrow\"\n");
    let two = place.release("2", &[FIRST, narrow]).await;
    expect(&place.nica(&["deploy", "--env", "dev", "--release", &two]).await, 0, "live");
    let client = place.session("test").await;
    client.execute("INSERT INTO note (id) VALUES (777777)", &[]).await.expect("a row");

    let half = place.nica(&["contract", "--env", "dev"]).await;
    expect(&half, 0, "contracted");
    let reason = half.end()["reason"].as_str().expect("it says how far it came");
    assert!(
        reason.starts_with("1 of 2 contracts applied; stopped: ") && reason.contains("small"),
        "{reason}"
    );
    assert_eq!(floor(&client).await, "0003_drop_old");
    let three = place.release("3", &[expand]).await;
    let refused = place.nica(&["deploy", "--env", "dev", "--release", &three]).await;
    expect(&refused, 10, "refused");
    assert_eq!(refused.end()["reason"], "migration/after");

    client.execute("DELETE FROM note", &[]).await.expect("the row is gone");
    let rest = place.nica(&["contract", "--env", "dev"]).await;
    expect(&rest, 0, "contracted");
    assert_eq!(rest.end()["reason"], "1 of 1 contracts applied");
    expect(&place.nica(&["deploy", "--env", "dev", "--release", &three]).await, 0, "live");
}

/// Contracts pending again: only a test can do that.
async fn back_to_pending(client: &Client) {
    let sql = "ALTER TABLE note ADD COLUMN IF NOT EXISTS old text, ADD COLUMN IF NOT EXISTS older text;
               DELETE FROM nica.migration WHERE phase = 'contract';
               UPDATE nica.control SET compat_floor = NULL";
    client.batch_execute(sql).await.expect("pending again");
}

#[tokio::test]
async fn a_deployer_that_dies_or_stops_at_any_record_of_a_contract_run_is_made_up_for() {
    let place = Place::new().await;
    let (_, two) = two_releases(&place).await;
    expect(&place.nica(&["deploy", "--env", "dev", "--release", &two]).await, 0, "live");
    let (client, gate, replicas) = (place.session("test").await, Gate::new(&place).await, place.replicas());
    let contract = ["contract", "--env", "dev"];
    gate.set(0).await;
    expect(&place.nica(&contract).await, 0, "contracted");
    let records = gate.counted().await;
    assert!(records >= 9, "a contract run of two steps writes at least nine records, not {records}");
    gate.open().await;

    let mut entries = 1;
    for at in 1..=records {
        // Killed, its orphan left to the next one; killed, its orphan let go first; stopped and continued at the end.
        for how in ["killed", "orphan goes first", "stopped"] {
            back_to_pending(&client).await;
            gate.set(at).await;
            let mut first = place.start(&contract);
            gate.caught().await;
            let stops = how == "stopped";
            signal(first.id().cast_signed(), if stops { Signal::STOP } else { Signal::KILL });
            if how == "orphan goes first" {
                gate.open().await;
            }
            let second = place.nica(&contract).await;
            gate.open().await;
            if stops {
                expect(&second, 0, "contracted");
                let seen = (columns(&client).await, floor(&client).await, contracted_entries(&client).await);
                signal(first.id().cast_signed(), Signal::CONT);
                let late = came_of(first).await;
                assert_ne!(late.exit, Some(0), "record {at}: {late:#?}");
                let now = (columns(&client).await, floor(&client).await, contracted_entries(&client).await);
                assert_eq!(now, seen, "record {at}: whoever wakes late changes nothing");
            } else {
                first.wait().expect("it is our child");
                expect(&second, 0, "contracted");
            }
            entries += 1;
            let ended = (columns(&client).await, floor(&client).await, contracted_entries(&client).await);
            let wanted = ("body id new".to_string(), SECOND.0.to_string(), entries.to_string());
            assert_eq!(ended, wanted, "record {at}, {how}");
        }
    }
    assert_eq!(place.replicas(), replicas, "code is untouched");
    let verified = place.nica(&["ledger", "verify", "--env", "dev"]).await;
    assert_eq!(verified.exit, Some(0), "{verified:#?}");
    println!("{records} records, each killed twice and stopped once");
}
