//! A second service, without a database of its own: a StatefulSet that works off a queue and a Job that prepares it.

use super::shop::{ORDERS, Shop, pods, settings};
use crate::place::{Came, expect};
use serde_json::{Value, json};

fn objects(step: &str) -> Vec<Value> {
    let mut job = pods("prepare");
    job["spec"]["restartPolicy"] = json!("Never");
    job["spec"]["containers"][0]["args"] = json!([step]);
    let queue = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "queue" },
        "spec": { "replicas": 2, "serviceName": "queue", "selector": { "matchLabels": { "app": "queue" } }, "template": pods("queue") },
    });
    let prepare = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "prepare" }, "spec": { "template": job },
    });
    vec![settings("info"), prepare, queue]
}

async fn jobs(shop: &Shop) -> Vec<String> {
    shop.names("Job").await
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_database_is_delivered_too() {
    let shop = Shop::open().await;
    shop.configure("records_url = { env = \"DEV_DATABASE_URL\" }\n");
    for folder in ["migrations", "seeds"] {
        std::fs::remove_dir(shop.path(folder)).expect("it is empty");
    }
    let one = shop.release("1.0.0", &objects("one")).await;
    expect(&shop.deploy(&one).await, 0, "live");
    let queue = shop.object("StatefulSet/queue").await.expect("it is live");
    assert_eq!(queue["status"]["readyReplicas"], 2, "{queue}");
    let first = jobs(&shop).await;
    let job = shop.object(&format!("Job/{}", first[0])).await.expect("it was listed");
    assert_eq!((first.len(), &job["status"]["succeeded"]), (1, &json!(1)), "{job}");

    let two = shop.release("2.0.0", &objects("two")).await;
    expect(&shop.deploy(&two).await, 0, "live");
    let second = jobs(&shop).await;
    assert!(second.len() == 1 && second != first, "another Job took its place: {second:?}");
    expect(&shop.nica(&["rollback", "--env", "dev"]).await, 0, "live");
    assert_eq!(jobs(&shop).await, first, "named by what it does");
    let status = shop.nica(&["status", "--env", "dev"]).await;
    assert_eq!((&status.end()["live"], &status.end()["target"]["drift"]), (&json!("1.0.0"), &Value::Null));

    refuses_migrations(&shop).await;
    shop.close().await;
}

/// There is no database of the service that they could be for.
async fn refuses_migrations(shop: &Shop) {
    std::fs::create_dir(shop.path("migrations")).expect("there is room");
    shop.migration("0001_orders", "orders", ORDERS);
    let three = shop.release("3.0.0", &objects("three")).await;
    let came: Came = shop.deploy(&three).await;
    let says = "it has migrations or seeds, and [env.dev] names only where records stand";
    assert!(came.exit == Some(2) && came.errors.contains(says), "{came:#?}");
}
