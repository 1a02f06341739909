//! What would fail later is refused before the first write, by its right cause, and nothing is left in the namespace.

use super::registry;
use super::shop::{Shop, by_digest, objects};
use serde_json::{Value, json};

/// Ids of what the gates of a deploy refused, in their order.
async fn refused(shop: &Shop, release: &str) -> Vec<String> {
    let came = shop.deploy(release).await;
    assert_eq!(came.exit, Some(10), "{came:#?}");
    assert_eq!(shop.names("Deployment").await, [""; 0], "nothing was written");
    let findings = came.end()["findings"].as_array().expect("findings").clone();
    let refused = findings.iter().filter(|finding| finding["severity"] == "refuse");
    refused.map(|finding| finding["id"].as_str().unwrap_or_default().to_string()).collect()
}

/// The shop with one thing in its pods' template changed.
fn with(pointer: &str, value: Value) -> Vec<Value> {
    let mut all = objects("info");
    let web = all.iter_mut().find(|object| object["kind"] == "Deployment").expect("the shop has one");
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    web.pointer_mut(&format!("/spec/template{parent}")).expect("it is there")[key] = value;
    all
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_would_fail_later_is_refused_before_the_first_write() {
    let shop = Shop::open().await;
    let check = async |version: &str, objects: &[Value], expected: &[&str]| {
        let release = shop.release(version, objects).await;
        assert_eq!(refused(&shop, &release).await, expected, "{version}");
    };
    check("1.0.1", &with("/spec/nodeSelector", json!({ "disk": "none-has-it" })), &["node-fit/nowhere"])
        .await;
    let huge = json!({ "requests": { "cpu": "100000" } });
    check("1.0.2", &with("/spec/containers/0/resources", huge), &["node-fit/nowhere"]).await;
    check(
        "1.0.3",
        &with("/spec/containers/0/comand", json!(["serve"])),
        &["server/refused", "server/invalid"],
    )
    .await;
    let port = json!([{ "containerPort": 70_000 }]);
    check("1.0.4", &with("/spec/containers/0/ports", port), &["server/invalid", "server/invalid"]).await;
    let other =
        json!([{ "name": "A", "valueFrom": { "secretKeyRef": { "name": "nobody-made-it", "key": "a" } } }]);
    check("1.0.5", &with("/spec/containers/0/env", other), &["config/object"]).await;

    let gone = shop.release("1.0.6", &objects("info")).await;
    registry::remove(&registry::push("1.0.6", "amd64"));
    assert_eq!(refused(&shop, &gone).await, ["image/absent"]);
    shop.close().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn an_image_for_other_machines_and_a_rule_about_pods_are_told() {
    let shop = Shop::open().await;
    let arm = registry::push("2.0.0", "riscv64");
    let release = shop
        .release_of("2.0.0", &objects("info"), &format!("{}/shop-web@sha256:{arm}", registry::host()))
        .await;
    assert_eq!(refused(&shop, &release).await, ["image/platform"]);
    shop.label_namespace("pod-security.kubernetes.io/enforce", "restricted").await;
    let release = shop.release("2.0.1", &objects("info")).await;
    assert_eq!(
        refused(&shop, &release).await,
        ["server/denied"],
        "only pods are refused, so a pod was tried"
    );
    shop.close().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn without_the_live_image_there_is_no_way_back() {
    let shop = Shop::open().await;
    let one = shop.release("3.0.0", &objects("info")).await;
    assert_eq!(shop.deploy(&one).await.exit, Some(0));
    let two = shop.release("3.0.1", &objects("info")).await;
    let live = by_digest("3.0.0");
    registry::remove(&registry::push("3.0.0", "amd64"));
    let came = shop.deploy(&two).await;
    assert_eq!((came.exit, came.end()["reason"].as_str()), (Some(10), Some("image/baseline")), "{came:#?}");
    assert!(came.end()["findings"][0]["says"].as_str().is_some_and(|says| says.contains(&live)), "{came:#?}");
    shop.close().await;
}
