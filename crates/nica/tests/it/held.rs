//! A run that a person has to look at: `nica status` says how it stands, why, and the next command.

use super::place::{Place, expect};
use serde_json::Value;

async fn open_run(place: &Place) -> Value {
    place.nica(&["status"]).await.end()["open_run"].clone()
}

#[tokio::test]
async fn a_held_run_says_why_until_somebody_acts() {
    let place = Place::new().await;
    let client = place.session("test").await;
    let validate = "bake = \"50ms\", bake_max = \"300ms\", min_samples = 1000, on_inconclusive = \"hold\"";
    place.validated("serve", validate);
    let one = place.release("1", &[]).await;
    let held = place.nica(&["deploy", "--env", "dev", "--release", &one]).await;
    expect(&held, 13, "held");
    tells_only_changes(&held.told);
    let open = open_run(&place).await;
    assert_eq!(open["state"], "held", "{open:#?}");
    assert_eq!(open["reason"], held.end()["reason"]);
    assert_eq!(open["next"], "nica resume --env dev, or nica abort --env dev");

    // Somebody took the lease and died: how the one before left it says nothing any more.
    let taken = "UPDATE nica.lease SET number = number + 1";
    client.execute(taken, &[]).await.expect("the lease is there");
    let open = open_run(&place).await;
    assert_eq!((&open["state"], &open["reason"]), (&"baking".into(), &Value::Null), "{open:#?}");

    expect(&place.nica(&["resume", "--env", "dev"]).await, 13, "held");
    assert_eq!(open_run(&place).await["state"], "held");
    assert_eq!(place.nica(&["abort", "--env", "dev"]).await.exit, Some(0));
    expect(&place.nica(&["resume", "--env", "dev"]).await, 20, "absent");
    assert_eq!(open_run(&place).await, Value::Null);
}

/// What is looked at again and again is told when it changes; the seconds of a bake are no change.
fn tells_only_changes(told: &[Value]) {
    let mut all: Vec<Value> = told.iter().filter(|line| line["event"] == "bake").cloned().collect();
    all.iter_mut().for_each(|line| line["seconds"] = Value::Null);
    assert!(!all.is_empty(), "it is told: {told:#?}");
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:#?}");
}
