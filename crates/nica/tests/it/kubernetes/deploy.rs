//! A release goes live, the next one rolls, what a person changes is drift, and going back needs no file.

use super::shop::{ORDERS, Shop, by_digest, objects};
use crate::place::{Came, expect, text};
use serde_json::{Value, json};
use std::process::Stdio;

/// What the containers of the Deployment run.
fn image(web: &Value) -> &str {
    web["spec"]["template"]["spec"]["containers"][0]["image"].as_str().expect("an image")
}

async fn drift(shop: &Shop) -> (Came, Value) {
    let came = shop.nica(&["status", "--env", "dev"]).await;
    assert_eq!(came.exit, Some(0), "{came:#?}");
    let drift = came.end()["target"]["drift"].clone();
    (came, drift)
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_live_and_the_next_one_rolls_and_back_needs_no_file() {
    let shop = Shop::open().await;
    shop.migration("0001_orders", "orders", ORDERS);
    let one = shop.release("1.0.0", &objects("info")).await;
    let plan = shop.path("one.plan").display().to_string();
    let planned = shop.nica(&["plan", "--env", "dev", "--release", &one, "--out", &plan]).await;
    assert_eq!(planned.exit, Some(4), "{planned:#?}");
    assert_eq!(shop.names("Deployment").await, [""; 0], "a plan changes nothing");
    expect(&shop.nica(&["deploy", "--env", "dev", "--plan", &plan]).await, 0, "live");
    let web = shop.object("Deployment/web").await.expect("it is live");
    assert_eq!((&web["status"]["readyReplicas"], image(&web)), (&json!(2), by_digest("1.0.0").as_str()));
    let client = shop.session().await;
    assert_eq!(text(&client, "SELECT count(*)::text FROM orders").await, "0");
    let again = shop.deploy(&one).await;
    expect(&again, 0, "live");
    assert_eq!(again.end()["changed"], false, "{again:#?}");

    let two = shop.release("2.0.0", &objects("debug")).await;
    let planned = shop.nica(&["plan", "--env", "dev", "--release", &two, "--out", &plan]).await;
    assert_eq!(planned.exit, Some(4), "{planned:#?}");
    expect(&shop.nica(&["deploy", "--env", "dev", "--plan", &plan]).await, 0, "live");
    let web = shop.object("Deployment/web").await.expect("it is live");
    assert_eq!((&web["status"]["readyReplicas"], image(&web)), (&json!(2), by_digest("2.0.0").as_str()));
    let (status, none) = drift(&shop).await;
    let components = &status.end()["target"]["components"];
    assert_eq!(
        (&components["Deployment/web"]["ready"], &components["Service/web"]["ready"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(none, Value::Null, "{status:#?}");

    std::fs::remove_file(&one).expect("it was there");
    expect(&shop.nica(&["rollback", "--env", "dev"]).await, 0, "live");
    let web = shop.object("Deployment/web").await.expect("it is live");
    assert_eq!(image(&web), by_digest("1.0.0"));
    assert_eq!(drift(&shop).await.1, Value::Null);
    let anchors: Vec<String> =
        shop.names("ConfigMap").await.into_iter().filter(|name| name.starts_with("nica-run-")).collect();
    assert_eq!(anchors, [""; 0], "no run left its anchor");
    shop.close().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_changes_is_drift_and_the_live_release_puts_it_back() {
    let shop = Shop::open().await;
    let one = shop.release("1.0.0", &objects("info")).await;
    expect(&shop.deploy(&one).await, 0, "live");
    shop.edit("Service/web", &json!({ "spec": { "ports": [{ "name": "http", "port": 99 }] } })).await;
    let settings = shop.names("ConfigMap").await.into_iter().find(|name| name.starts_with("shop-settings-"));
    let settings = format!("ConfigMap/{}", settings.expect("named by its content"));
    shop.delete(&settings).await;
    let (status, found) = drift(&shop).await;
    let expected = json!({ "Service/web": "was changed by somebody: a field of it is no longer ours", &settings: "is gone" });
    assert_eq!(found, expected, "{status:#?}");
    let next = status.end()["next"].as_str().unwrap_or_default();
    assert!(next.starts_with("nica deploy --env dev with the release file of 1.0.0"), "{status:#?}");
    expect(&shop.deploy(&one).await, 0, "live");
    assert_eq!(drift(&shop).await.1, Value::Null);
    let service = shop.object("Service/web").await.expect("it is live");
    assert_eq!(service["spec"]["ports"][0]["port"], 80);

    let mut blind = shop.command(&["status", "--env", "dev", "--json"]);
    blind.env("KUBECONFIG", shop.path("nowhere")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let blind = shop.came(blind.spawn().expect("nica starts")).await;
    let seen = (blind.exit, &blind.end()["live"]);
    assert_eq!(seen, (Some(40), &json!("1.0.0")), "the records answer, the cluster does not: {blind:#?}");
    shop.close().await;
}
