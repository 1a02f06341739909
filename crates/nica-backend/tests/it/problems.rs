//! Every error has the same shape, whoever made it.

use crate::client::{Answer, At, Connection, ask, get, put, request};
use crate::replica::Replica;
use crate::world;
use nica_migrate::DbUrl;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;
use tokio_postgres::Client;

fn check(answer: &Answer, status: u16, code: &str) {
    let text = &answer.text;
    assert_eq!(answer.status, status, "{text}");
    let trace_id = answer.header("x-trace-id");
    assert!(trace_id.len() == 32 && trace_id.bytes().all(|b| b.is_ascii_hexdigit()), "{trace_id}");
    if status < 400 {
        return;
    }
    assert_eq!(answer.header("content-type"), "application/problem+json", "{text}");
    let problem = answer.json();
    assert_eq!(problem["code"], code, "{text}");
    assert_eq!(problem["trace_id"], trace_id);
    assert_eq!(problem["status"], status);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 5), "{text}");
}

#[tokio::test]
async fn each_refusal_is_a_problem_document_with_a_trace_id() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[("BODY_MAX", "2048")]).ready().await;
    let long = format!(r#"{{"body":"{}"}}"#, "x".repeat(3_000));
    let note = "/api/v1/notes/a";
    let cases = [
        ("GET", "/healthcheck", "", 200, ""),
        ("GET", "/api/v1/foods", "", 200, ""),
        ("HEAD", "/healthcheck", "", 200, ""),
        ("GET", "/nothing", "", 404, "not_found"),
        ("GET", "/api/v1/foods/x", "", 404, "food_not_found"),
        ("GET", "/api/v1/foods?limit=0", "", 422, "invalid_fields"),
        ("GET", "/api/v1/notes/%FF", "", 400, "bad_request"),
        ("DELETE", note, "", 405, "method_not_allowed"),
        ("POST", "/healthcheck", "{}", 405, "method_not_allowed"),
        ("BREW", "/healthcheck", "", 405, "method_not_allowed"),
        ("PUT", note, "", 415, "unsupported_media_type"),
        ("PUT", note, "{", 400, "malformed_json"),
        ("PUT", note, "[]", 422, "invalid_fields"),
        ("PUT", note, "{}", 422, "invalid_fields"),
        ("PUT", note, r#"{"body":"\u0000"}"#, 422, "invalid_fields"),
        ("PUT", note, &long, 413, "body_too_large"),
    ];
    for (method, path, body, status, code) in cases {
        let answer = ask(&replica.service, method, path, body).await.expect(path);
        check(&answer, status, code);
        assert_eq!(answer.header("allow").is_empty(), status != 405, "{method} {path}");
    }
}

#[tokio::test]
async fn long_headers_are_refused_with_a_problem_document() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[]).ready().await;
    let mut long = request("GET", "/api/v1/foods", "");
    long.headers_mut().insert("cookie", "x".repeat(20_000).parse().expect("a header"));
    let mut connection = Connection::open(&replica.service).await.expect("open");
    check(&connection.send(long).await.expect("an answer"), 431, "headers_too_large");
}

#[tokio::test]
async fn each_request_has_a_trace_id_of_its_own_and_a_line_under_it() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[]).ready().await;
    let first = get(&replica.service, "/api/v1/foods").await;
    let second = get(&replica.service, "/api/v1/foods").await;
    assert_ne!(first.header("x-trace-id"), second.header("x-trace-id"));
    sleep(Duration::from_millis(100)).await;
    let log = replica.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect();
    let line = lines.iter().find(|line| line["trace_id"] == first.header("x-trace-id")).expect("a line");
    assert_eq!(line["scope"], "clinical");
    assert_eq!(line["http.route"], "/api/v1/foods");
    assert_eq!(line["generation"], "0a1b2c3d4e5f");
}

#[tokio::test]
async fn an_unknown_failure_of_the_database_is_a_500_that_tells_nothing() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[]).ready().await;
    world::session(&url).await.batch_execute("DROP TABLE food").await.expect("dropped");
    let answer = get(&replica.service, "/api/v1/foods/x").await;
    check(&answer, 500, "internal");
    assert!(!answer.text.contains("food\\\"") && !answer.text.contains("42P01"), "{}", answer.text);
    sleep(Duration::from_millis(100)).await;
    assert!(replica.log().contains("42P01"), "{}", replica.log());
}

/// A session that holds the notes: whoever writes waits.
async fn locked(url: &DbUrl) -> Client {
    let session = world::session(url).await;
    session.batch_execute("BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE").await.expect("locks");
    session
}

fn write_in_background(at: &At) -> tokio::task::JoinHandle<Answer> {
    let at = at.clone();
    tokio::spawn(async move { put(&at, "/api/v1/notes/a", r#"{"body":"x"}"#).await })
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_and_health_still_is() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[("REQUEST_TIMEOUT_MS", "300")]).ready().await;
    let _lock = locked(&url).await;
    check(&put(&replica.service, "/api/v1/notes/a", r#"{"body":"x"}"#).await, 503, "timed_out");
    check(&get(&replica.service, "/healthcheck").await, 200, "");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[("DB_STATEMENT_TIMEOUT_MS", "200")]).ready().await;
    let _lock = locked(&url).await;
    check(&put(&replica.service, "/api/v1/notes/a", r#"{"body":"x"}"#).await, 503, "database_busy");
}

#[tokio::test]
async fn more_requests_than_places_are_shed_at_once_and_health_is_not() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[("IN_FLIGHT_MAX", "1")]).ready().await;
    let lock = locked(&url).await;
    let waiting = write_in_background(&replica.service);
    sleep(Duration::from_millis(300)).await;
    let shed = get(&replica.service, "/api/v1/foods").await;
    check(&shed, 503, "overloaded");
    assert_eq!(shed.header("retry-after"), "1");
    check(&get(&replica.service, "/healthcheck").await, 200, "");
    lock.batch_execute("ROLLBACK").await.expect("unlock");
    check(&waiting.await.expect("no panic"), 200, "");
}

#[tokio::test]
async fn a_used_up_pool_is_a_503_within_the_wait() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[("DB_POOL_MAX", "1"), ("DB_POOL_WAIT_MS", "50")]).ready().await;
    let lock = locked(&url).await;
    let waiting = write_in_background(&replica.service);
    sleep(Duration::from_millis(300)).await;
    let started = std::time::Instant::now();
    check(&get(&replica.service, "/api/v1/notes/a").await, 503, "pool_exhausted");
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    assert_eq!(get(&replica.admin, "/readyz").await.status, 200, "readiness has a connection of its own");
    let page = get(&replica.admin, "/metrics").await.text;
    assert!(page.contains("db_client_connections_timeouts_total{generation=\"0a1b2c3d4e5f\"} 1"), "{page}");
    lock.batch_execute("ROLLBACK").await.expect("unlock");
    check(&waiting.await.expect("no panic"), 200, "");
}

#[tokio::test]
async fn a_killed_database_session_costs_no_request() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[("DB_POOL_MAX", "2")]).ready().await;
    let session = world::session(&url).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE application_name = 'nica/backend/0a1b2c3d4e5f' AND datname = current_database()";
    for n in 0..20 {
        let body = format!(r#"{{"body":"{n}"}}"#);
        check(&put(&replica.service, "/api/v1/notes/a", &body).await, 200, "");
        session.query(end, &[]).await.expect("a superuser");
        check(&get(&replica.service, "/api/v1/notes/a").await, 200, "");
    }
}

/// Bytes as they are, and the first line of what comes back.
async fn raw(at: &At, bytes: &[u8]) -> String {
    let At::Tcp(address) = at else { panic!("a TCP socket") };
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("open");
    // The other side may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_string()
}

#[tokio::test]
async fn what_is_no_request_is_refused_as_docs_http_md_says() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[]).ready().await;
    let many: String = (0..150).map(|n| format!("x-{n}: 1\r\n")).collect();
    let cases = [
        ("no HTTP at all\r\n\r\n".to_string(), "HTTP/1.1 400 Bad Request"),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), "HTTP/1.1 431 Request Header Fields Too Large"),
        (
            format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(100_000)),
            "HTTP/1.1 431 Request Header Fields Too Large",
        ),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(65_600)), "HTTP/1.1 414 URI Too Long"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(raw(&replica.service, bytes.as_bytes()).await, expected, "{bytes:.30}");
    }
}
