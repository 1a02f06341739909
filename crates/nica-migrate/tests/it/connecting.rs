//! Getting in, and being told why not.

use crate::common::{cluster, empty_database, session, text};
use nica_migrate::{ConnectError, DbUrl, connect};

#[tokio::test]
async fn session_carries_its_name_and_database() {
    let url = empty_database().await;
    let client = connect(&url, "nica/test/7/-").await.expect("a session");
    assert_eq!(text(&client, "SHOW application_name").await, "nica/test/7/-");
    assert_eq!(text(&client, "SELECT current_database()::text").await, url.database());
}

#[tokio::test]
async fn unknown_database_is_told_apart() {
    let url = cluster().await.url("nowhere");
    let error = connect(&url, "x").await.expect_err("there is no such database");
    assert!(matches!(error, ConnectError::WrongDatabase { .. }), "{error}");
}

#[tokio::test]
async fn silent_port_is_unreachable() {
    let url = DbUrl::parse("postgres://a@127.0.0.1:1/n").expect("a plain url");
    let error = connect(&url, "x").await.expect_err("nobody listens");
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn unknown_user_is_refused() {
    let url = cluster().await.url("postgres").with_user("nobody_here", None);
    let error = connect(&url, "x").await.expect_err("there is no such role");
    assert!(matches!(error, ConnectError::AuthRefused { .. }), "{error}");
}

#[tokio::test]
async fn listener_that_never_answers_is_too_slow() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let text = format!("postgres://a@127.0.0.1:{port}/n?connect_timeout=1&sslmode=disable");
    let error = connect(&DbUrl::parse(&text).expect("a url"), "x").await.expect_err("no answer");
    assert!(matches!(error, ConnectError::TooSlow { .. }), "{error}");
}

#[tokio::test]
async fn session_of_a_dropped_client_is_gone() {
    let url = empty_database().await;
    let watcher = session(&url).await;
    drop(connect(&url, "shortlived").await.expect("a session"));
    let count = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'shortlived'
                 AND datname = current_database()";
    for _ in 0..200 {
        if text(&watcher, count).await == "0" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the session outlives its client");
}
