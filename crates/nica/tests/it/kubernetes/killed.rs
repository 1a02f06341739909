//! The deployer dies in the middle, and somebody else finishes: with the values of its secrets, and without.

use super::shop::{CANARY, ORDERS, Shop, objects, until};
use crate::place::{Came, expect, text};
use nica_effects::process::SecretValue;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

impl Shop {
    async fn one_is_live(&self) {
        let one = self.release("1.0.0", &objects("info")).await;
        expect(&self.deploy(&one).await, 0, "live");
    }

    /// The deployer of 2.0.0, which has another password, dies as soon as this holds in the database.
    async fn dies_when(&mut self, holds: &str) {
        self.password = Some(SecretValue::new(format!("{CANARY}-2")));
        let two = self.release("2.0.0", &objects("debug")).await;
        let client = self.session().await;
        let mut child = self.start(&["deploy", "--env", "dev", "--release", &two]);
        let question = format!("SELECT ({holds})::text");
        until(holds, SOON, async || text(&client, &question).await == "true").await;
        child.kill().expect("it is our child");
        let came = self.came(child).await;
        assert!(came.exit.is_none(), "it was killed before it ended: {came:#?}");
    }

    async fn resume(&self) -> Came {
        self.nica(&["resume", "--env", "dev"]).await
    }

    async fn live(&self) -> Value {
        let status = self.nica(&["status", "--env", "dev"]).await;
        let target = &status.end()["target"];
        assert_eq!(target["drift"], Value::Null, "{status:#?}");
        status.end()["live"].clone()
    }
}

/// A step whose effect names this is in one of these states, of the open run.
fn step(what: &str, status: &str) -> String {
    format!(
        "EXISTS (SELECT FROM nica.step JOIN nica.run r ON r.id = run WHERE r.settled_at IS NULL AND \"do\"::text LIKE '%{what}%' \
         AND status = '{status}')"
    )
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn whoever_resumes_needs_no_value_once_the_secret_is_there() {
    let mut shop = Shop::open().await;
    shop.one_is_live().await;
    shop.dies_when(&step("Secret/shop-keys", "done")).await;
    shop.password = None;
    expect(&shop.resume().await, 0, "live");
    assert_eq!(shop.live().await, "2.0.0");
    shop.close().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn whoever_resumes_without_the_value_goes_back_and_says_which_variable() {
    let mut shop = Shop::open().await;
    shop.waits_at_its_migration().await;
    shop.password = None;
    let came = shop.resume().await;
    expect(&came, 20, "back");
    let reason = came.end()["reason"].as_str().unwrap_or_default();
    assert!(
        reason.contains("does not have the value of `password`; set DEV_PASSWORD where nica runs"),
        "{reason}"
    );
    assert_eq!(shop.live().await, "1.0.0");
    shop.close().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn whoever_resumes_with_another_value_goes_back_and_says_so() {
    let mut shop = Shop::open().await;
    shop.waits_at_its_migration().await;
    shop.password = Some(SecretValue::new("a third one".to_string()));
    let came = shop.resume().await;
    expect(&came, 20, "back");
    let reason = came.end()["reason"].as_str().unwrap_or_default();
    assert!(
        reason.contains("DEV_PASSWORD holds another value of `password` than the run was opened with"),
        "{reason}"
    );
    shop.close().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn whoever_resumes_with_the_value_goes_on() {
    let mut shop = Shop::open().await;
    shop.waits_at_its_migration().await;
    expect(&shop.resume().await, 0, "live");
    assert_eq!(shop.live().await, "2.0.0");
    let keys = shop.names("Secret").await;
    let mut held = Vec::new();
    for name in keys.iter().filter(|name| name.starts_with("shop-keys-")) {
        let secret = shop.object(&format!("Secret/{name}")).await.expect("it was listed");
        assert_eq!(secret["immutable"], json!(true), "{secret}");
        held.push(secret["data"]["password"].clone());
    }
    assert_eq!(held.len(), 2, "the live one's and the one before's: {keys:?}");
    assert_ne!(held[0], held[1]);
    shop.close().await;
}

impl Shop {
    /// Killed while its migration waits for a lock, before any object was written.
    async fn waits_at_its_migration(&mut self) {
        self.migration("0001_orders", "orders", ORDERS);
        self.one_is_live().await;
        let holder = self.session().await;
        holder.batch_execute("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE").await.expect("a lock");
        self.migration(
            "0002_note",
            "orders.note",
            ("ALTER TABLE orders ADD COLUMN note text;", "ALTER TABLE orders DROP COLUMN note;"),
        );
        self.dies_when(&step("0002_note", "started")).await;
        holder.batch_execute("ROLLBACK").await.expect("the lock goes");
    }
}
