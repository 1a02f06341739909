//! One Postgres for all tests, and a database of its own for each.

use nica_backend::embedded::Bundle;
use nica_migrate::scratch::ScratchCluster;
use nica_migrate::{DbUrl, connect, schema};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

/// What the program under test was built with.
pub(crate) const BUNDLE: Bundle = include!(env!("NICA_EMBEDDED"));

static CLUSTER: OnceCell<ScratchCluster> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

async fn cluster() -> &'static ScratchCluster {
    CLUSTER.get_or_init(async || ScratchCluster::start().await.expect("a scratch cluster starts")).await
}

pub(crate) async fn empty() -> DbUrl {
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    cluster().await.create_database(&name).await.expect("a database")
}

/// A database with the schema `nica` and nothing else.
pub(crate) async fn bare() -> DbUrl {
    let url = empty().await;
    let mut client = session(&url).await;
    schema::genesis(&mut client, "nica", "test").await.expect("genesis");
    url
}

/// A database that has what this program needs.
pub(crate) async fn migrated() -> DbUrl {
    let url = bare().await;
    let client = session(&url).await;
    for id in BUNDLE.migration_ids() {
        apply(&client, id).await;
    }
    url
}

/// Applies one migration of the program, or one of those that later releases bring.
pub(crate) async fn apply(client: &Client, id: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("../../migrations"), root.join("../xtask/demo/migrations")];
    let texts = folders.map(|folder| std::fs::read_to_string(folder.join(id).join("up.sql")));
    let up = texts.into_iter().find_map(Result::ok).expect(id);
    client.batch_execute(&up).await.expect(id);
    mark(client, id, "expand", "applied").await;
}

/// Writes a row of the migration table.
pub(crate) async fn mark(client: &Client, id: &str, phase: &str, state: &str) {
    let sql = "INSERT INTO nica.migration (id, sha256, phase, class, state, fence, who, version)
               VALUES ($1, 'x', $2, 'sticky', $3, 1, 'test', '0')
               ON CONFLICT (id) DO UPDATE SET state = excluded.state";
    client.execute(sql, &[&id, &phase, &state]).await.expect(id);
}

pub(crate) async fn session(url: &DbUrl) -> Client {
    connect(url, "nica test").await.expect("a session")
}
