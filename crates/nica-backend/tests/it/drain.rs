//! Replicas come and go under load, and nobody notices.

use crate::client::{At, Connection, request};
use crate::replica::{Replica, Shared};
use crate::world;
use rustix::process::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::sleep;

const RESTARTS: usize = 6;
const CLIENTS: usize = 8;

#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicU64,
}

/// Half of the clients open a connection for each request, half keep theirs until they are told to close it.
async fn client(at: At, n: usize, load: Arc<Load>) -> Vec<String> {
    let mut failures = Vec::new();
    let mut kept = None;
    while !load.stop.load(Ordering::Relaxed) {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => match Connection::open(&at).await {
                Ok(connection) => connection,
                Err(error) => {
                    failures.push(format!("open: {error}"));
                    continue;
                }
            },
        };
        let (method, body) = if n.is_multiple_of(4) { ("PUT", r#"{"body":"x"}"#) } else { ("GET", "") };
        let path = if n.is_multiple_of(4) { "/api/v1/notes/load" } else { "/api/v1/foods?q=feijao" };
        match connection.send(request(method, path, body)).await {
            Ok(answer) if answer.status == 200 => {
                load.answered.fetch_add(1, Ordering::Relaxed);
                if n.is_multiple_of(2) && answer.header("connection") != "close" {
                    kept = Some(connection);
                }
            }
            Ok(answer) => failures.push(format!("{}: {}", answer.status, answer.text)),
            Err(error) => failures.push(error),
        }
    }
    failures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_loses_no_request() {
    let url = world::migrated().await;
    let shared = Shared::bind();
    let settings = [("DRAIN_MS", "300"), ("LOG_LEVEL", "warn")];
    let mut replicas = Vec::new();
    for _ in 0..2 {
        replicas.push(Replica::on(&shared, &url, &[], &settings).ready().await);
    }
    let load = Arc::new(Load::default());
    let clients: Vec<_> = (0..CLIENTS).map(|n| tokio::spawn(client(shared.at(), n, load.clone()))).collect();
    for _ in 0..RESTARTS {
        let before = load.answered.load(Ordering::Relaxed);
        replicas.push(Replica::on(&shared, &url, &[], &settings).ready().await);
        let mut old = replicas.remove(0);
        old.signal(Signal::TERM);
        let status = old.ended().await;
        assert!(status.success(), "{status}: {}", old.log());
        assert!(load.answered.load(Ordering::Relaxed) > before, "no load while restarting");
    }
    load.stop.store(true, Ordering::Relaxed);
    let mut failures = Vec::new();
    for client in clients {
        failures.extend(client.await.expect("no panic"));
    }
    let answered = load.answered.load(Ordering::Relaxed);
    assert!(failures.is_empty(), "{} of {answered} lost, first: {:?}", failures.len(), failures.first());
    assert!(answered > 500, "only {answered} requests");
}

#[tokio::test]
async fn sigterm_flips_readiness_first_and_waits_for_a_request_in_flight() {
    let url = world::migrated().await;
    let shared = Shared::bind();
    let mut replica = Replica::on(&shared, &url, &[], &[("DRAIN_MS", "400")]).ready().await;
    let lock = world::session(&url).await;
    lock.batch_execute("BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE").await.expect("locks");
    let mut writer = Connection::open(&shared.at()).await.expect("open");
    let writing = tokio::spawn(async move {
        writer.send(request("PUT", "/api/v1/notes/a", r#"{"body":"x"}"#)).await.expect("an answer")
    });
    sleep(Duration::from_millis(300)).await;
    replica.signal(Signal::TERM);
    sleep(Duration::from_millis(100)).await;
    let ready = crate::client::get(&replica.admin, "/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.text);
    assert!(ready.text.contains("this process is ending"));
    let mut late = Connection::open(&shared.at()).await.expect("the parent listens");
    let late =
        tokio::time::timeout(Duration::from_millis(100), late.send(request("GET", "/healthcheck", ""))).await;
    assert!(late.is_err(), "accepted after SIGTERM");
    sleep(Duration::from_millis(500)).await;
    lock.batch_execute("ROLLBACK").await.expect("unlock");
    let written = writing.await.expect("no panic");
    assert_eq!(written.status, 200, "{}", written.text);
    assert_eq!(written.header("connection"), "close");
    assert!(replica.ended().await.success());
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_at_the_deadline() {
    let url = world::migrated().await;
    let shared = Shared::bind();
    let settings = [("DRAIN_MS", "50"), ("SHUTDOWN_MS", "300")];
    let mut replica = Replica::on(&shared, &url, &[], &settings).ready().await;
    let lock = world::session(&url).await;
    lock.batch_execute("BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE").await.expect("locks");
    let mut writer = Connection::open(&shared.at()).await.expect("open");
    let writing =
        tokio::spawn(async move { writer.send(request("PUT", "/api/v1/notes/a", r#"{"body":"x"}"#)).await });
    sleep(Duration::from_millis(200)).await;
    let started = std::time::Instant::now();
    replica.signal(Signal::TERM);
    assert!(replica.ended().await.success());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(writing.await.expect("no panic").is_err());
}
