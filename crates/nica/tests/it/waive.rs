//! What a person takes upon themselves: signed, for one plan, once, and in the ledger for whoever reviews it.

use super::people::{key, people};
use super::place::{Came, Place, expect};
use serde_json::Value;
use ssh_key::LineEnding;

/// Frozen for longer than anybody runs these tests.
const FROZEN: &str =
    "window = { allow = [\"Mon-Sun 00:00-24:00\"], freeze = [\"2000-01-01..2999-12-31\"], zone = \"UTC\" }";

/// An environment that is frozen, and the keys of ana and of somebody whom nobody knows.
async fn frozen() -> Place {
    let place = Place::new().await;
    std::fs::write(place.path("people.toml"), people()).expect("there is room");
    let config = std::fs::read_to_string(place.path("nica.toml")).expect("it is there");
    std::fs::write(place.path("nica.toml"), config.replace("limits = {", &format!("{FROZEN}\nlimits = {{")))
        .expect("there is room");
    for (name, seed) in [("ana", 1), ("stranger", 9)] {
        key(seed).write_openssh_file(&place.path(name), LineEnding::LF).expect("there is room");
    }
    place
}

fn reason(came: &Came) -> (Option<i32>, &str) {
    (came.exit, came.end()["reason"].as_str().unwrap_or_default())
}

const REFUSED: (Option<i32>, &str) = (Some(10), "window/closed");

#[tokio::test]
async fn a_closed_window_is_passed_by_a_person_with_a_reason_and_that_is_kept() {
    let place = frozen().await;
    let one = place.release("1", &[]).await;
    let deploy = ["deploy", "--env", "dev", "--release", &one];
    assert_eq!(reason(&place.nica(&deploy).await), REFUSED);

    let key_of = |who: &str| place.path(who).display().to_string();
    let (ana, stranger, plan) = (key_of("ana"), key_of("stranger"), key_of("plan"));
    let why = ["--waive", "window/closed", "--reason", "a fix for everybody", "--until", "1h", "--key"];
    let by_a_stranger = [&deploy[..], &why, &[&stranger]].concat();
    let refused = place.nica(&by_a_stranger).await;
    assert_eq!(reason(&refused), REFUSED);
    let evidence = refused.end()["findings"][0]["evidence"][0].as_str().unwrap_or_default();
    assert!(evidence.contains("belongs to nobody in people.toml"), "{refused:#?}");

    let planned = ["plan", "--env", "dev", "--release", &one, "--out", &plan];
    let planned = place.nica(&[&planned[..], &why, &[&ana]].concat()).await;
    assert_eq!(planned.exit, Some(4), "{planned:#?}");
    let live = place.nica(&["deploy", "--env", "dev", "--plan", &plan]).await;
    expect(&live, 0, "live");
    let loud = live.told.iter().find(|line| line["event"] == "waived");
    assert_eq!(loud.map(|line| &line["waiver"]["finding"]), Some(&Value::from("window/closed")), "{live:#?}");

    let ledger = place.nica(&["ledger", "show", "--env", "dev"]).await;
    let entry = &ledger.end()["entry"];
    let waiver = &entry["waivers"][0];
    let said = |field: &str| waiver[field].as_str().unwrap_or_default().to_string();
    assert_eq!((said("person"), said("reason")), ("ana".into(), "a fix for everybody".into()), "{ledger:#?}");
    assert_eq!(entry["format"], Value::from(3), "an older program does not know its nonce");
    let verified = place.nica(&["ledger", "verify", "--env", "dev"]).await;
    assert_eq!(verified.end()["verified"], Value::from(true), "{verified:#?}");

    // What was signed for one plan passes no other, wherever it lies.
    let two = place.release("2", &[]).await;
    let other = key_of("other");
    let planned = place.nica(&["plan", "--env", "dev", "--release", &two, "--out", &other]).await;
    assert_eq!(planned.exit, Some(4), "{planned:#?}");
    std::fs::rename(place.path("plan.waivers"), place.path("other.waivers")).expect("the folder is there");
    let refused = place.nica(&["deploy", "--env", "dev", "--plan", &other]).await;
    assert_eq!(reason(&refused), REFUSED);
    let evidence = refused.end()["findings"][0]["evidence"][0].as_str().unwrap_or_default();
    assert!(evidence.contains("ana waived it for plan "), "{refused:#?}");
}

#[tokio::test]
async fn a_run_that_is_open_when_the_window_closes_is_finished() {
    let place = frozen().await;
    let open = std::fs::read_to_string(place.path("nica.toml")).expect("it is there").replace(FROZEN, "");
    let frozen = std::fs::read_to_string(place.path("nica.toml")).expect("it is there");
    std::fs::write(place.path("nica.toml"), open).expect("there is room");
    place.validated("serve", "bake = \"3s\", bake_max = \"10s\", min_samples = 0, probes_per_second = 0");
    let one = place.release("1", &[]).await;
    let mut child = place.start(&["deploy", "--env", "dev", "--release", &one]);
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    child.kill().expect("it is our child");
    child.wait().expect("it is our child");
    std::fs::write(place.path("nica.toml"), frozen).expect("there is room");
    expect(&place.nica(&["resume", "--env", "dev"]).await, 0, "live");
}
