//! Notes: what was written is what is read, before, while and after a release that adds fields.

use crate::client::{get, put};
use crate::replica::Replica;
use crate::world;
use serde_json::json;

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
