//! A stuck run that two people accept as it stands: real signatures over a real state.

use super::people::{PEOPLE, key, people};
use super::place::{Came, expect, text};
use super::supersede::Stuck;
use ssh_key::LineEnding;

async fn approve(stuck: &Stuck, file: &str, who: &str) -> Came {
    stuck.place.nica(&["approve", file, "--key", &stuck.place.path(who).display().to_string()]).await
}

#[tokio::test]
async fn two_people_accept_what_is_there_and_it_is_the_baseline_then() {
    let stuck = Stuck::among(&people()).await;
    for (name, seed) in PEOPLE {
        key(seed).write_openssh_file(&stuck.place.path(name), LineEnding::LF).expect("there is room");
    }
    let file = stuck.place.path("state.json").display().to_string();
    let wrote =
        ["accept-state", "--env", "dev", "--out", &file, "--reason", "the disk of the old one is lost"];
    let accept = ["accept-state", "--env", "dev", "--file", &file];
    let written = stuck.place.nica(&wrote).await;
    assert_eq!(written.exit, Some(4), "{written:#?}");
    let refused = stuck.place.nica(&accept).await;
    assert_eq!((refused.exit, refused.end()["asked"].as_u64()), (Some(11), Some(2)), "{refused:#?}");

    // One person is not two, however often; and whoever started it does not count.
    for who in ["ana", "ana", "bia"] {
        assert_eq!(approve(&stuck, &file, who).await.exit, Some(0));
    }
    let one = stuck.place.nica(&accept).await;
    assert_eq!(one.exit, Some(11), "one person");
    assert_eq!(one.end()["excluded"]["bia"], "started this run", "{one:#?}");
    assert_eq!(approve(&stuck, &file, "rui").await.exit, Some(0));

    // Whatever moves makes it void.
    let client = &stuck.client;
    client.batch_execute("ALTER TABLE note ADD COLUMN by_hand int").await.expect("a change");
    assert_eq!(stuck.place.nica(&accept).await.exit, Some(12), "the schema moved");
    client.batch_execute("ALTER TABLE note DROP COLUMN by_hand").await.expect("changed back");
    let before = stuck.stands().await;
    assert_eq!(before[2], "1", "refusals settle nothing");

    let accepted = stuck.place.nica(&accept).await;
    expect(&accepted, 0, "accepted");
    assert_eq!(accepted.end()["reason"], "accepted by hand by ana, rui: the disk of the old one is lost");
    let applied = "0000_kind applied, 0001_note applied, 0002_mood applied";
    assert_eq!(stuck.stands().await, [applied, "new", "0", "live accepted", "0"]);
    let verified = stuck.place.nica(&["ledger", "verify", "--env", "dev"]).await;
    assert_eq!(verified.exit, Some(0), "{verified:#?}");
    let signed = "SELECT string_agg(a ->> 'person', ' ' ORDER BY a ->> 'person') FROM nica.ledger, \
                  jsonb_array_elements(entry::jsonb -> 'approvals') a";
    assert_eq!(text(client, signed).await, "ana rui", "used up, and on record");
    let again = stuck.place.nica(&accept).await;
    expect(&again, 0, "accepted");
    assert_eq!(stuck.stands().await[3], "live accepted", "once");

    // What comes next goes forward from there.
    stuck.place.exec("serve");
    let three = stuck.place.release("3", &[]).await;
    expect(&stuck.deploy(&three).await, 0, "live");
    assert_eq!(text(client, "SELECT count(*)::text FROM nica.run WHERE ending = 'accepted'").await, "1");
}
