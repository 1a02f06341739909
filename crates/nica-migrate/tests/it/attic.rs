//! What people wrote survives down and up again, by value; what they deleted or cleared does not come back.

mod columns;
mod tables;

use crate::common::{runner, text};
use nica_migrate::DbUrl;
use nica_migrate::attic::Unparked;
use nica_migrate::source::{Class, Manifest, Migration};
use tokio_postgres::Client;

pub(crate) fn parking(id: &str, park: &[&str], up: &str, down: &str) -> Migration {
    let park = park.iter().map(ToString::to_string).collect();
    let manifest = Manifest { class: Class::Parking, park, ..Manifest::default() };
    Migration::new(id, manifest, up.to_string(), Some(down.to_string())).expect("a good migration")
}

/// As a run does it: batches, then the down with the rest.
pub(crate) async fn park_and_down(url: &DbUrl, id: &str) {
    runner(url).park(id).await.expect("batches");
    runner(url).down(id).await.expect("down");
}

pub(crate) async fn up_and_unpark(url: &DbUrl, m: &Migration) -> Unparked {
    runner(url).up(m).await.expect("up");
    runner(url).unpark(&m.id).await.expect("unpark")
}

/// Every row of the query as one line.
pub(crate) async fn lines(client: &Client, query: &str) -> String {
    text(client, &format!("SELECT coalesce(string_agg(q::text, ' '), '') FROM ({query}) q")).await
}

pub(crate) async fn sql(client: &Client, sql: &str) {
    client.batch_execute(sql).await.expect(sql);
}
