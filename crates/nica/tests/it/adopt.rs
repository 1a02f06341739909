//! A database that another tool has migrated: looked at, taken over, and then delivered to with the folder as it was.

use super::place::{Place, expect, text};

const PERSON: &str =
    "-- migrate:up\nCREATE TABLE person (id int PRIMARY KEY);\n\n-- migrate:down\nDROP TABLE person;\n";
const NAME: &str =
    "-- migrate:up\nALTER TABLE person ADD name text;\n\n-- migrate:down\nALTER TABLE person DROP name;\n";
/// As dbmate leaves it after the first file.
const LEFT: &str = "CREATE TABLE person (id int PRIMARY KEY);
    CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY);
    INSERT INTO schema_migrations VALUES ('20260101090000');";

#[tokio::test]
async fn a_ledger_is_taken_over_and_the_next_release_brings_only_the_rest() {
    let place = Place::new().await;
    let client = place.session("test").await;
    client.batch_execute(LEFT).await.expect("written");
    let file = |name: &str, text: &str| {
        std::fs::write(place.path("migrations").join(name), text).expect("there is room")
    };
    file("20260101090000_person.sql", PERSON);
    file("20260102090000_name.sql", NAME);

    client.batch_execute("ALTER TABLE person ADD by_hand text").await.expect("altered");
    let refused = place.nica(&["db", "adopt", "--env", "dev"]).await;
    assert_eq!(
        (refused.exit, &refused.end()["refusals"][0]["code"]),
        (Some(1), &"schema".into()),
        "{refused:#?}"
    );
    client.batch_execute("ALTER TABLE person DROP by_hand").await.expect("altered");

    let dry = place.nica(&["db", "adopt", "--env", "dev", "--dry-run"]).await;
    assert_eq!((dry.exit, &dry.end()["adopted"][0]), (Some(4), &"20260101090000_person".into()), "{dry:#?}");
    assert_eq!(text(&client, "SELECT to_regnamespace('nica')::text").await, "", "a dry run writes nothing");
    for already in [false, true] {
        let taken = place.nica(&["db", "adopt", "--env", "dev", "--from", "dbmate"]).await;
        assert_eq!((taken.exit, &taken.end()["already"]), (Some(0), &already.into()), "{taken:#?}");
    }

    // A new one in NICA's own form, beside the old files.
    let one = place.release("1", &[("20260103090000_born", "ALTER TABLE person ADD born date;", "")]).await;
    let deployed = place.nica(&["deploy", "--env", "dev", "--release", &one]).await;
    expect(&deployed, 0, "live");
    let rows =
        "SELECT string_agg(id || ' ' || state || ' ' || (run IS NULL), ', ' ORDER BY id) FROM nica.migration";
    assert_eq!(
        text(&client, rows).await,
        "20260101090000_person applied true, 20260102090000_name applied false, 20260103090000_born applied false"
    );
    let again = place.nica(&["db", "adopt", "--env", "dev"]).await;
    assert_eq!((again.exit, &again.end()["already"]), (Some(0), &true.into()), "{again:#?}");

    // The old tool is run once more.
    client.batch_execute("INSERT INTO schema_migrations VALUES ('20260102090000')").await.expect("written");
    let diff = place.nica(&["db", "diff", "--env", "dev"]).await;
    assert_eq!(
        (diff.exit, &diff.end()["moved"]["rows"][0]),
        (Some(1), &"+ version 20260102090000".into()),
        "{diff:#?}"
    );
    let managed = place.nica(&["db", "adopt", "--env", "dev"]).await;
    assert_eq!(
        (managed.exit, &managed.end()["refusals"][0]["code"]),
        (Some(1), &"managed".into()),
        "{managed:#?}"
    );
}
