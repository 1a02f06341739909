//! What was taken over, kept as it was then: so that what the tool writes later is seen.
//!
//! One blob for each taking over, named by its content as all blobs; the highest `n` counts.

use super::AdoptError;
use crate::fence::Guarded;
use crate::foreign::{Form, Ledger, LedgerError, Row};
use crate::runner::RunError;
use crate::source::sha256_hex;
use serde::{Deserialize, Serialize};
use std::fmt;
use tokio_postgres::{Client, GenericClient};

const KIND: &str = "adopted-ledger";
const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    format: u32,
    /// From 1: how often was taken over here.
    pub(super) n: u32,
    pub(super) ledger: Ledger,
    /// Every id that was taken over, now and before.
    pub(super) ids: Vec<String>,
}

/// A ledger that its tool has written to after it was taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    pub form: Form,
    pub table: String,
    /// `+ version 7 `add x``, `- version 3 …`: rows that came and rows that went.
    pub rows: Vec<String>,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moved { form, table, rows } = self;
        write!(
            f,
            "{form} has written to {table} after it was taken over: {}; take it back with {form}, or take it over with nica \
             db adopt where no deployer manages the database",
            rows.join(", ")
        )
    }
}

impl Record {
    pub(super) fn of(before: Option<&Record>, ledger: &Ledger, ids: Vec<String>) -> Record {
        let n = before.map_or(0, |record| record.n) + 1;
        let ids =
            before.map(|record| record.ids.clone()).unwrap_or_default().into_iter().chain(ids).collect();
        Record { format: FORMAT, n, ledger: ledger.clone(), ids }
    }

    pub(super) async fn latest(client: &impl GenericClient) -> Result<Option<Record>, AdoptError> {
        let sql = "SELECT bytes FROM nica.blob WHERE kind = $1";
        let rows = client.query(sql, &[&KIND]).await.map_err(LedgerError::from)?;
        let mut records = Vec::new();
        for row in rows {
            let read = serde_json::from_slice::<Record>(row.get(0)).map_err(|e| e.to_string());
            records.push(read.map_err(AdoptError::Record)?);
        }
        Ok(records.into_iter().max_by_key(|record| record.n))
    }

    pub(super) async fn write(&self, tx: &Guarded<'_>) -> Result<(), RunError> {
        let bytes = serde_json::to_vec(self).expect("texts and numbers can be written");
        let sql = "INSERT INTO nica.blob (sha256, kind, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let done = tx.execute(sql, &[&sha256_hex(&bytes), &KIND, &bytes]).await;
        done.map_err(|e| RunError::records(tx, &e)).map(|_| ())
    }
}

/// What a tool has written to its ledger after it was taken over; none where nothing was taken over, nothing has
/// changed, or the table was dropped.
///
/// # Errors
/// The connection is lost, or a permission is missing.
pub async fn moved(client: &Client) -> Result<Option<Moved>, AdoptError> {
    let there = client.query_one("SELECT to_regclass('nica.blob') IS NOT NULL", &[]).await;
    if !there.map_err(LedgerError::from)?.get::<_, bool>(0) {
        return Ok(None);
    }
    let Some(record) = Record::latest(client).await? else { return Ok(None) };
    let then = record.ledger;
    let Some(now) = then.again(client).await? else { return Ok(None) };
    let rows = difference(&then.rows, &now.rows);
    let moved = Moved { form: then.form, table: then.table, rows };
    Ok(Some(moved).filter(|moved| !moved.rows.is_empty()))
}

fn difference(then: &[Row], now: &[Row]) -> Vec<String> {
    let line = |sign: char, row: &Row| {
        let version = row.version.as_deref().unwrap_or("-");
        let failed = if row.success { "" } else { ", failed" };
        format!("{sign} version {version} {}{failed}", row.name.as_deref().unwrap_or_default())
            .trim_end()
            .to_string()
    };
    let gone = then.iter().filter(|row| !now.contains(row)).map(|row| line('-', row));
    let come = now.iter().filter(|row| !then.contains(row)).map(|row| line('+', row));
    gone.chain(come).collect()
}
