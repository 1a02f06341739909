//! The cluster that all tests share, and fresh databases cloned from a template that has the schema `nica`.

use nica_migrate::fence::{Holder, Limits};
use nica_migrate::runner::{By, Session};
use nica_migrate::scratch::ScratchCluster;
use nica_migrate::source::{Manifest, Migration};
use nica_migrate::{DbUrl, connect, schema};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

pub(crate) const SERVICE: &str = "nica";
pub(crate) const ENV: &str = "test";
static CLUSTER: OnceCell<ScratchCluster> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) async fn cluster() -> &'static ScratchCluster {
    CLUSTER.get_or_init(start).await
}

async fn start() -> ScratchCluster {
    let cluster = ScratchCluster::start().await.expect("a scratch cluster starts");
    let url = cluster.create_database("with_nica").await.expect("the template database");
    let mut client = session(&url).await;
    schema::genesis(&mut client, SERVICE, ENV).await.expect("genesis");
    cluster
}

pub(crate) async fn empty_database() -> DbUrl {
    clone("template0").await
}

/// A database with the schema `nica`, its own to this test.
pub(crate) async fn database() -> DbUrl {
    clone("with_nica").await
}

pub(crate) async fn clone(template: &str) -> DbUrl {
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    // The session that made the template may take a moment to be gone.
    for _ in 0..100 {
        match cluster().await.clone_database(template, &name).await {
            Ok(url) => return url,
            Err(error) if error.to_string().contains("55006") => {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the template {template} stays in use");
}

pub(crate) async fn session(url: &DbUrl) -> Client {
    connect(url, "nica test").await.expect("a session")
}

pub(crate) async fn text(client: &Client, sql: &str) -> String {
    client.query_one(sql, &[]).await.expect(sql).get(0)
}

pub(crate) async fn named(url: &DbUrl, name: &str) -> Client {
    connect(url, name).await.expect("a session")
}

pub(crate) fn holder(name: &str) -> Holder {
    Holder { env: ENV.to_string(), name: name.to_string(), host: "here".to_string() }
}

/// Server processes belong to another user when the tests run as root; root may signal them all the same.
pub(crate) fn signal(pid: i32, name: &str) {
    let status = std::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(status.expect("kill is there").success(), "kill -{name} {pid}");
}

/// Runs migrations under the fence that a new database has admitted.
pub(crate) fn runner(url: &DbUrl) -> Session {
    Session {
        url: url.clone(),
        env: ENV.to_string(),
        fence: 0,
        run_suffix: None,
        limits: Limits::default(),
        patience: std::time::Duration::from_secs(10),
        by: By { run: None, who: "ana".to_string(), version: "0.1.0".to_string() },
    }
}

pub(crate) fn migration(id: &str, up: &str, down: Option<&str>) -> Migration {
    let down = down.map(str::to_string);
    Migration::new(id, Manifest::default(), up.to_string(), down).expect("a good migration")
}

/// One statement outside a transaction.
pub(crate) fn lone(id: &str, up: &str, down: Option<&str>) -> Migration {
    let manifest = Manifest { transaction: false, ..Manifest::default() };
    Migration::new(id, manifest, up.to_string(), down.map(str::to_string)).expect("a good migration")
}

pub(crate) async fn wait_until(client: &Client, sql: &str, expected: &str) {
    for _ in 0..500 {
        if text(client, sql).await == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{sql} never gave {expected}, but {}", text(client, sql).await);
}
