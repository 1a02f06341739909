//! `nica rollback` without a file: what was live before, from the records and the target's store, by the same rules.

use super::place::{Migration, Place, expect, text};

const TABLE: Migration<'_> = ("0001_note", "CREATE TABLE note (id int PRIMARY KEY);", "");
const MORE: Migration<'_> = ("0002_more", "ALTER TABLE note ADD COLUMN more text;", "");

#[tokio::test]
async fn what_was_live_before_is_found_without_its_file() {
    let place = Place::new().await;
    let client = place.session("test").await;
    let flag = place.path("broken");
    let rollback = ["rollback", "--env", "dev"];
    let version = async || {
        text(
            &client,
            "SELECT convert_from(bytes, 'UTF8')::jsonb ->> 'version' FROM nica.blob \
                                          JOIN nica.control ON sha256 = baseline",
        )
        .await
    };
    let one = place.release("1", &[TABLE]).await;
    expect(&place.nica(&["deploy", "--env", "dev", "--release", &one]).await, 0, "live");
    let none = place.nica(&rollback).await;
    assert!(none.exit == Some(2) && none.told.iter().all(|line| line["end"].is_null()), "{none:#?}");

    let two = place.release("2", &[MORE]).await;
    expect(&place.nica(&["deploy", "--env", "dev", "--release", &two]).await, 0, "live");
    // A release that fails in between changes nothing about what was live before.
    place.exec(&format!("serve {}", flag.display()));
    std::fs::write(&flag, "").expect("there is room");
    let three = place.release("3", &[]).await;
    expect(&place.nica(&["deploy", "--env", "dev", "--release", &three]).await, 20, "back");
    for file in [&one, &two, &three] {
        std::fs::remove_file(file).expect("it was there");
    }
    expect(&place.nica(&rollback).await, 0, "live");
    assert_eq!(version().await, "1");
    let kept = "SELECT state FROM nica.migration WHERE id = '0002_more'";
    assert_eq!(text(&client, kept).await, "applied", "code goes back, the additive schema stays");
    expect(&place.nica(&rollback).await, 0, "live");
    assert_eq!(version().await, "2", "what was live before 1 is live now is 2");

    // Executables that are gone are named, before the first write.
    let store = std::fs::read_dir(place.state().join("store")).expect("the store");
    let live = text(
        &client,
        "SELECT convert_from(bytes, 'UTF8')::jsonb #>> '{components,api,digest}' FROM nica.blob \
                              JOIN nica.control ON sha256 = baseline",
    )
    .await;
    for entry in store.flatten().filter(|entry| entry.file_name().to_str() != Some(live.as_str())) {
        std::fs::remove_file(entry.path()).expect("it was there");
    }
    let refused = place.nica(&rollback).await;
    expect(&refused, 10, "refused");
    assert_eq!(refused.end()["reason"], "release-complete/missing");
}
