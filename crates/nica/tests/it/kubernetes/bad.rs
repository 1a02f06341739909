//! Releases that cannot work: refused before the first write where that can be known, taken back whole where not.

use super::shop::{ORDERS, Shop, objects, service, settings, web};
use crate::place::{Came, expect, text};
use serde_json::{Value, json};

/// With a migration that goes back; somebody takes upon themselves what a gate has against it.
async fn second(shop: &Shop, objects: &[Value], waived: &str) -> Came {
    let one = shop.release("1.0.0", &super::shop::objects("info")).await;
    expect(&shop.deploy(&one).await, 0, "live");
    shop.migration("0001_orders", "orders", ORDERS);
    let two = shop.release("2.0.0", objects).await;
    let refused = shop.deploy(&two).await;
    expect(&refused, 10, "refused");
    assert!(refused.end()["reason"].as_str().is_some_and(|reason| reason.contains(waived)), "{refused:#?}");
    shop.deploy_in_spite_of(&two, waived).await
}

/// Everything as 1.0.0 left it.
async fn is_back(shop: &Shop, before: &[Vec<String>; 3]) {
    assert_eq!(names(shop).await, *before);
    let client = shop.session().await;
    assert_eq!(text(&client, "SELECT coalesce(to_regclass('orders')::text, 'none')").await, "none");
    let status = shop.nica(&["status", "--env", "dev"]).await;
    assert_eq!(
        (&status.end()["live"], &status.end()["target"]["drift"]),
        (&json!("1.0.0"), &Value::Null),
        "{status:#?}"
    );
}

async fn names(shop: &Shop) -> [Vec<String>; 3] {
    [shop.names("ConfigMap").await, shop.names("Secret").await, shop.names("Deployment").await]
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_server_refuses_goes_back() {
    let shop = Shop::open().await;
    let mut wrong = service();
    wrong["spec"]["ports"][0]["port"] = json!(99_999);
    let came = second(&shop, &[settings("debug"), wrong, web(2)], "server/invalid").await;
    expect(&came, 20, "back");
    let reason = came.end()["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("Service/web") && reason.contains("99999"), "{reason}");
    let one = shop.path("1.0.0.nica").display().to_string();
    let again = shop.deploy(&one).await;
    assert_eq!(again.end()["changed"], false, "what is live is what was: {again:#?}");
    let before = names(&shop).await;
    is_back(&shop, &before).await;
    shop.close().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn pods_that_no_node_takes_go_back() {
    let shop = Shop::open().await;
    let mut nowhere = web(2);
    nowhere["spec"]["template"]["spec"]["nodeSelector"] = json!({ "disk": "golden" });
    let came = second(&shop, &[settings("debug"), service(), nowhere], "node-fit/nowhere").await;
    expect(&came, 20, "back");
    let reason = came.end()["reason"].as_str().unwrap_or_default().to_string();
    assert!(reason.starts_with("unschedulable: no node takes pod web-"), "{reason}");
    let before = names(&shop).await;
    assert_eq!(before[0].iter().filter(|name| name.starts_with("shop-settings-")).count(), 1, "{before:?}");
    is_back(&shop, &before).await;
    shop.close().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_known_before_is_told_before_the_first_write() {
    let mut shop = Shop::open().await;
    let one = shop.release("1.0.0", &objects("info")).await;
    let password = shop.password.take();
    let refused = shop.deploy(&one).await;
    expect(&refused, 10, "refused");
    assert_eq!(refused.end()["reason"], "config/secret");
    assert!(
        refused.end()["findings"].to_string().contains("set DEV_PASSWORD where the deploy runs"),
        "{refused:#?}"
    );
    shop.password = password;

    let mut theirs = web(2);
    let container = &mut theirs["spec"]["template"]["spec"]["containers"][0];
    container["envFrom"] = json!([{ "secretRef": { "name": "theirs" } }]);
    let zero = shop.release("0.9.0", &[theirs]).await;
    let refused = shop.deploy(&zero).await;
    expect(&refused, 10, "refused");
    assert_eq!(refused.end()["reason"], "config/object");
    assert!(refused.end()["findings"].to_string().contains("refer to Secret/theirs"), "{refused:#?}");

    let toml = std::fs::read_to_string(shop.path("nica.toml")).expect("it was written");
    let told = async |change: (&str, &str), exit: i32, says: &str| {
        shop.write("nica.toml", &toml.replace(change.0, change.1));
        let came = shop.deploy(&one).await;
        assert!(came.exit == Some(exit) && came.errors.contains(says), "{says}: {came:#?}");
    };
    let elsewhere = format!("{}-b", shop.namespace);
    let says = format!("it was made for the namespace {}, and nica.toml says {elsewhere}", shop.namespace);
    told((&format!("\"{}\"", shop.namespace), &format!("\"{elsewhere}\"")), 2, &says).await;
    let context =
        toml.split("context = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a context");
    told((&format!("\"{context}\""), "\"nowhere\""), 40, "read the kubeconfig: ").await;
    assert_eq!(names(&shop).await[2], [""; 0], "nothing was written");
    shop.close().await;
}
