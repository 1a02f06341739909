//! What an outsider sees of an environment: served version, schema, records. Read with `curl`-like means and `psql`.

use super::http::{Client, Request};
use super::postgres::Postgres;
use super::writer::FIELDS;
use anyhow::{Context as _, Result, anyhow};
use std::net::SocketAddr;

/// What must not change when an old deployer wakes up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    versions: Vec<String>,
    /// Columns of all tables that are the service's.
    schema: Vec<String>,
    migrations: Vec<String>,
    ledger: Vec<String>,
}

impl State {
    pub(crate) fn read(postgres: &Postgres, database: &str, components: &[SocketAddr]) -> Result<State> {
        let ask = |sql: &str| postgres.ask(database, sql);
        Ok(State {
            versions: components.iter().map(|address| version(*address)).collect::<Result<_>>()?,
            schema: ask(
                "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns \
                 WHERE table_schema = 'public' ORDER BY 1, 2",
            )?,
            migrations: ask("SELECT id, state FROM nica.migration ORDER BY 1")?,
            ledger: ask("SELECT n, run FROM nica.ledger ORDER BY 1")?,
        })
    }
}

/// Which release answers at this address.
pub(crate) fn version(address: SocketAddr) -> Result<String> {
    let asked = Client::new(address, false).send(&Request { method: "GET", path: "/version", body: "" });
    let answer = asked.with_context(|| format!("ask {address} for its version"))?;
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let found =
        body.get("version").or_else(|| body.get("data")?.get("version")).and_then(|version| version.as_str());
    found
        .map(str::to_string)
        .ok_or_else(|| anyhow!("ask {address} for its version: it answered {}", answer.body))
}

pub(crate) fn is_ready(address: SocketAddr) -> bool {
    let asked = Client::new(address, false).send(&Request { method: "GET", path: "/readyz", body: "" });
    asked.is_ok_and(|answer| answer.status == 200)
}

/// Everything that people wrote and that is there now, as `note TAB field TAB value`.
pub(crate) fn notes(postgres: &Postgres, database: &str) -> Result<Vec<String>> {
    let columns = postgres
        .ask(database, "SELECT column_name FROM information_schema.columns WHERE table_name = 'note'")?;
    let there = FIELDS.iter().filter(|field| columns.iter().any(|column| column == *field));
    let each: Vec<String> = there
        .map(|field| format!("SELECT client_id, '{field}', {field} FROM note WHERE {field} IS NOT NULL"))
        .collect();
    postgres.ask(database, &each.join(" UNION ALL "))
}

/// Steps of the open run that are done, and the fence that is admitted.
pub(crate) fn progress(postgres: &Postgres, database: &str) -> Result<(u64, u64)> {
    let sql = "SELECT count(*) FILTER (WHERE s.status = 'done'), (SELECT max(number) FROM nica.fence) \
               FROM nica.step s JOIN nica.run r ON r.id = s.run WHERE r.settled_at IS NULL";
    let rows = postgres.ask(database, sql)?;
    let numbers: Vec<u64> =
        rows.first().map(|row| row.split('\t').filter_map(|n| n.parse().ok()).collect()).unwrap_or_default();
    Ok((numbers.first().copied().unwrap_or(0), numbers.get(1).copied().unwrap_or(0)))
}

pub(crate) fn ledger_entries(postgres: &Postgres, database: &str) -> Result<u64> {
    let rows = postgres.ask(database, "SELECT count(*) FROM nica.ledger")?;
    rows.first().and_then(|count| count.parse().ok()).ok_or_else(|| anyhow!("count the ledger of {database}"))
}
