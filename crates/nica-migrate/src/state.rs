//! What this database says about itself, as plain data. Reads only, one snapshot, and works where NICA never was.

use crate::connect::reason;
use crate::source::{Class, Park, Phase};
use serde::{Deserialize, Serialize};
use tokio_postgres::GenericClient;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MigrationState {
    /// Something outside a transaction began; how far it came stands in the catalogue.
    Started,
    Applied,
    Undone,
    /// Applied, and kept although its release went back.
    Retained,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMigration {
    pub id: String,
    /// Of the normalised up text.
    pub sha256: String,
    pub phase: Phase,
    pub class: Class,
    pub park: Vec<Park>,
    pub state: MigrationState,
    pub has_down: bool,
    pub run: Option<String>,
}

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("read the migration table: {}", reason(.0))]
    Sql(#[from] tokio_postgres::Error),
    #[error("read the migration table: {id} holds {what}; a newer NICA wrote it")]
    Unknown { id: String, what: String },
}

impl MigrationState {
    /// Whether the schema holds it.
    pub fn is_there(self) -> bool {
        matches!(self, MigrationState::Applied | MigrationState::Retained)
    }
}

/// Every row of the migration table by number and name; `None` where there is no schema `nica`.
///
/// # Errors
/// The connection is lost, or a newer NICA wrote what this one does not know.
pub async fn migrations(client: &impl GenericClient) -> Result<Option<Vec<AppliedMigration>>, StateError> {
    let there = client.query_one("SELECT to_regclass('nica.migration') IS NOT NULL", &[]).await?;
    if !there.get::<_, bool>(0) {
        return Ok(None);
    }
    let rows = client
        .query(
            "SELECT id, sha256, phase, class, park, state, down IS NOT NULL, run FROM nica.migration
             ORDER BY length(split_part(id, '_', 1)), id",
            &[],
        )
        .await?;
    rows.iter().map(read_row).collect::<Result<Vec<_>, _>>().map(Some)
}

fn read_row(row: &tokio_postgres::Row) -> Result<AppliedMigration, StateError> {
    let id: String = row.get(0);
    let park: serde_json::Value = row.get(4);
    Ok(AppliedMigration {
        sha256: row.get(1),
        phase: word(&id, row.get(2))?,
        class: word(&id, row.get(3))?,
        park: value(&id, park)?,
        state: word(&id, row.get(5))?,
        has_down: row.get(6),
        run: row.get(7),
        id,
    })
}

fn word<T: for<'a> Deserialize<'a>>(id: &str, text: String) -> Result<T, StateError> {
    value(id, serde_json::Value::String(text))
}

fn value<T: for<'a> Deserialize<'a>>(id: &str, value: serde_json::Value) -> Result<T, StateError> {
    let what = value.to_string();
    serde_json::from_value(value).map_err(|_| StateError::Unknown { id: id.to_string(), what })
}
