//! Notes: what was written is what is read, before, while and after a release that adds fields.

use crate::client::{get, put, request};
use crate::replica::{Replica, SECRET};
use crate::world::{self, BUNDLE};
use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use nica_backend::api::{self, App, Metrics};
use nica_backend::cli::Build;
use nica_backend::orchestrator::search_foods::Foods;
use nica_backend::readiness::{Needs, Readiness, State};
use nica_backend::store::Store;
use nica_backend::{config, server};
use nica_migrate::DbUrl;
use nica_telemetry::logs::Dropped;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;
use tower::ServiceExt as _;

#[tokio::test]
async fn a_note_comes_back_as_it_was_written() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[]).ready().await;
    let at = &replica.service;
    assert_eq!(get(at, "/api/v1/notes/a-1").await.json()["code"], "note_not_found");
    let longest = "ç".repeat(4_000);
    for (n, text) in ["Feijão às 12h 🫘\n\"quote\" \\ ' ;--", "", &longest].into_iter().enumerate() {
        let stored = put(at, "/api/v1/notes/a-1", &json!({ "body": text }).to_string()).await;
        assert_eq!(stored.status, 200, "{}", stored.text);
        let read = get(at, "/api/v1/notes/a-1").await.json();
        assert_eq!(stored.json()["data"], read["data"]);
        assert_eq!(read["data"]["body"], text);
        assert_eq!(read["data"]["rev"], n + 1);
        assert_eq!(read["data"]["client_id"], "a-1");
    }
    assert_eq!(get(at, "/api/v1/notes/b").await.status, 404);
}

#[tokio::test]
async fn a_late_revision_is_refused_with_what_is_stored() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[]).ready().await;
    let at = &replica.service;
    let cases =
        [(json!(5), "five", 200), (json!(5), "again", 200), (json!(4), "late", 409), (json!(6), "six", 200)];
    for (rev, body, status) in cases {
        let answer = put(at, "/api/v1/notes/n", &json!({ "body": body, "rev": rev }).to_string()).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        if status == 409 {
            assert_eq!(answer.json()["current"]["body"], "again");
        }
    }
    assert_eq!(get(at, "/api/v1/notes/n").await.json()["data"]["body"], "six");
}

#[tokio::test]
async fn every_mistake_of_a_note_is_named_at_once() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[]).ready().await;
    let body = json!({ "body": 1, "rev": 0, "weight": 80 }).to_string();
    let answer = put(&replica.service, "/api/v1/notes/a%20b", &body).await;
    assert_eq!(answer.status, 422);
    let answer = answer.json();
    let errors = answer["errors"].as_array().expect("errors");
    let fields: Vec<&str> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
    assert_eq!(fields, ["client_id", "body", "rev", "weight"]);
    let log = replica.log();
    assert!(!log.contains("a%20b") && !log.contains("weight"), "the log holds what somebody sent: {log}");
}

#[tokio::test]
async fn a_field_of_a_later_release_is_named_as_not_stored_and_its_column_is_left_alone() {
    let url = world::migrated().await;
    let session = world::session(&url).await;
    let replica = Replica::start(&url, &[], &[]).ready().await;
    let at = &replica.service;
    put(at, "/api/v1/notes/n", r#"{"body":"one"}"#).await;
    // Prepared statements of running connections must survive the new column.
    world::apply(&session, "0003_note_tag").await;
    session.execute("UPDATE note SET tag = 'sono'", &[]).await.expect("the newer release wrote a tag");
    let answer = put(at, "/api/v1/notes/n", r#"{"body":"two","tag":"x"}"#).await.json();
    assert_eq!(answer["meta"]["not_stored"], json!(["tag"]));
    assert_eq!(answer["data"]["body"], "two");
    assert!(answer["data"].get("tag").is_none());
    let tag: String = session.query_one("SELECT tag FROM note", &[]).await.expect("a row").get(0);
    assert_eq!(tag, "sono");
}

#[tokio::test]
async fn a_read_only_service_reads_and_refuses_writes() {
    let url = world::migrated().await;
    let writer = Replica::start(&url, &[], &[]).ready().await;
    let reader = Replica::start(&url, &["--read-only"], &[("AUTH_SECRET", "")]).ready().await;
    put(&writer.service, "/api/v1/notes/n", r#"{"body":"one"}"#).await;
    assert_eq!(get(&reader.service, "/api/v1/notes/n").await.json()["data"]["body"], "one");
    let refused = put(&reader.service, "/api/v1/notes/n", r#"{"body":"two"}"#).await;
    assert_eq!((refused.status.as_u16(), refused.json()["code"].as_str()), (403, Some("read_only")));
}

/// The routes of a program that was built with these migrations, before a database that has those.
fn built_with(url: &DbUrl, needs: &[&str], applied: &[&str]) -> Router {
    let (url, secret) = (url.to_secret_string(), SECRET.to_string());
    let lookup = |name: &str| match name {
        "DATABASE_URL" => Some(url.clone()),
        "AUTH_SECRET" => Some(secret.clone()),
        _ => None,
    };
    let config = config::serve(&lookup, false).expect("good");
    let applied = applied.iter().map(ToString::to_string).collect();
    let state = State { readiness: Readiness::Ready, was_ready: true, applied, misses: 0 };
    api::service(Arc::new(App {
        build: Build { version: "2", commit: "c", bundle: BUNDLE },
        store: Store::new(&config.database, false).expect("nothing is opened yet"),
        foods: Foods::default(),
        needs: Needs::new(needs.iter().copied()),
        readiness: watch::channel(state).1,
        phase: server::phases().1,
        metrics: Metrics::new("g", Dropped::default()),
        config,
    }))
}

async fn exchange(router: &Router, method: &str, body: &str) -> Value {
    let request = request(method, "/api/v1/notes/n", body).map(Body::new);
    let answer = router.clone().oneshot(request).await.expect("infallible");
    assert!(answer.status().is_success(), "{}", answer.status());
    let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test]
async fn a_release_with_a_field_writes_it_only_while_the_database_has_its_migration() {
    let url = world::migrated().await;
    let session = world::session(&url).await;
    let tag = "0003_note_tag";
    let old = built_with(&url, &[], &[]);
    let early = built_with(&url, &[tag], &[]);
    let answer = exchange(&early, "PUT", r#"{"body":"one","tag":"x"}"#).await;
    assert_eq!(answer["meta"]["not_stored"], json!(["tag"]));

    world::apply(&session, tag).await;
    let new = built_with(&url, &[tag], &[tag]);
    assert_eq!(exchange(&new, "PUT", r#"{"body":"two","tag":"sono"}"#).await["data"]["tag"], "sono");
    // The older release stands beside it during the roll, and must not take the field away.
    assert!(exchange(&old, "PUT", r#"{"body":"three"}"#).await["data"].get("tag").is_none());
    let read = exchange(&new, "GET", "").await;
    assert_eq!((read["data"]["body"].as_str(), read["data"]["tag"].as_str()), (Some("three"), Some("sono")));
    assert_eq!(exchange(&new, "PUT", r#"{"body":"four","tag":null}"#).await["data"]["tag"], Value::Null);

    world::apply(&session, "0004_note_mood").await;
    let newest = built_with(&url, &[tag, "0004_note_mood"], &[tag, "0004_note_mood"]);
    let answer = exchange(&newest, "PUT", r#"{"body":"five","mood":"bem","tag":"a"}"#).await;
    assert_eq!((answer["data"]["mood"].as_str(), answer["data"]["tag"].as_str()), (Some("bem"), Some("a")));
}
