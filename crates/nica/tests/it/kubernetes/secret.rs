//! A secret's value is in the Secret that pods read, and nowhere else.

use super::shop::{CANARY, Shop, objects};
use crate::place::{expect, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nica_engine::Digest;

/// The value as it could be written down by mistake, a plain digest of it too.
fn faces() -> [String; 4] {
    [
        CANARY.to_string(),
        STANDARD.encode(CANARY),
        CANARY.bytes().map(|byte| format!("{byte:02x}")).collect(),
        Digest::of(CANARY.as_bytes()).to_string(),
    ]
}

fn is_clean(what: &str, text: &str) {
    for face in faces() {
        assert!(!text.contains(&face), "{what} has {face}: {}", around(text, &face));
    }
}

fn around<'a>(text: &'a str, face: &str) -> &'a str {
    let at = text.find(face).unwrap_or_default();
    let (from, to) = (at.saturating_sub(200), (at + 200).min(text.len()));
    text.get(from..to).unwrap_or_default()
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_in_its_secret_and_nowhere_else() {
    let mut shop = Shop::open().await;
    shop.log = "debug";
    let one = shop.release("1.0.0", &objects("info")).await;
    let plan = shop.path("one.plan");
    let named = plan.display().to_string();
    shop.nica(&["plan", "--env", "dev", "--release", &one, "--out", &named]).await;
    expect(&shop.nica(&["deploy", "--env", "dev", "--plan", &named]).await, 0, "live");
    let mut wrong = super::shop::service();
    wrong["spec"]["ports"][0]["port"] = serde_json::json!(99_999);
    let two = shop.release("2.0.0", &[super::shop::settings("x"), wrong, super::shop::web(2)]).await;
    expect(&shop.deploy_in_spite_of(&two, "server/invalid").await, 20, "back");
    shop.nica(&["status", "--env", "dev"]).await;
    shop.nica(&["history", "--env", "dev"]).await;

    let keys = shop.names("Secret").await.into_iter().find(|name| name.starts_with("shop-keys-"));
    let secret = shop.object(&format!("Secret/{}", keys.expect("it is there"))).await.expect("it was listed");
    assert_eq!(secret["data"]["password"], STANDARD.encode(CANARY), "pods read it");
    is_clean("what nica wrote", &shop.said());
    for file in [&plan, &shop.path("1.0.0.nica"), &shop.path("2.0.0.nica")] {
        is_clean("a file", &String::from_utf8_lossy(&std::fs::read(file).expect("it was written")));
    }
    let client = shop.session().await;
    let tables = text(
        &client,
        "SELECT string_agg(quote_ident(table_name), ',') FROM information_schema.tables \
                                WHERE table_schema = 'nica' AND table_type = 'BASE TABLE'",
    )
    .await;
    assert!(tables.contains("blob") && tables.contains("ledger"), "{tables}");
    for table in tables.split(',') {
        let rows =
            text(&client, &format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM nica.{table} t"))
                .await;
        is_clean(table, &rows);
    }
    let blobs = "SELECT string_agg(encode(bytes, 'escape'), ' ') FROM nica.blob";
    let blobs = text(&client, blobs).await;
    assert!(blobs.contains("shop-keys-") && blobs.contains("DEV_PASSWORD"), "names are there");
    is_clean("blobs", &blobs);
    shop.close().await;
}
