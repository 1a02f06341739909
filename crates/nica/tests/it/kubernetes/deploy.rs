//! A release goes live, the next one rolls, a bad one goes back; and what people see of it.

use super::shop::{Shop, objects};
use crate::place::{expect, text};

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_live_and_the_next_one_rolls() {
    let shop = Shop::open().await;
    shop.migration("0001_order", "CREATE TABLE orders (id int PRIMARY KEY);", "DROP TABLE orders;");
    let one = shop.release("1.0.0", &objects("info")).await;
    let plan = shop.path("one.plan").display().to_string();
    let planned = shop.nica(&["plan", "--env", "dev", "--release", &one, "--out", &plan]).await;
    assert_eq!(planned.exit, Some(4), "{planned:#?}");
    expect(&shop.nica(&["deploy", "--env", "dev", "--plan", &plan]).await, 0, "live");
    let web = shop.object("Deployment/web").await.expect("it is live");
    assert_eq!(web["status"]["readyReplicas"], 2, "{web}");
    let client = shop.session().await;
    assert_eq!(text(&client, "SELECT count(*)::text FROM orders").await, "0");
    let two = shop.release("2.0.0", &objects("debug")).await;
    expect(&shop.deploy(&two).await, 0, "live");
    shop.close().await;
}
