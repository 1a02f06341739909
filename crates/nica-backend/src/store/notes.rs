//! Table `note`: one text per client id, and fields that later migrations add.
//!
//! Each added field is a nullable text column. Which of them a statement names is decided per request by what the
//! database has, so one program runs before and after the migration.

use super::{Failed, Store, StoreError};
use deadpool_postgres::Object;
use jiff::Timestamp;
use std::collections::BTreeMap;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// A field of a note that a migration adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extra {
    /// Column and field have the same name.
    pub name: &'static str,
    /// The migration that makes the column.
    pub migration: &'static str,
}

/// All that any release of this source tree knows.
pub const EXTRAS: [Extra; 2] =
    [Extra { name: "tag", migration: "0003_note_tag" }, Extra { name: "mood", migration: "0004_note_mood" }];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub client_id: String,
    pub body: String,
    pub rev: i32,
    pub updated_at: Timestamp,
    /// By field name; only fields whose column was asked for.
    pub extras: BTreeMap<&'static str, Option<String>>,
}

/// A note as somebody wants it to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub client_id: String,
    pub body: String,
    /// The revision the client gives it; without one it is the stored one plus one.
    pub rev: Option<i32>,
    pub extras: BTreeMap<&'static str, Option<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    Stored(Note),
    /// The stored revision is higher; nothing was changed.
    Stale(Note),
}

impl Store {
    /// Writes a note in one transaction. Fields that the draft does not name keep their value.
    ///
    /// # Errors
    /// `StoreError`; then nothing was written, or all of it was and the answer was lost.
    pub async fn save_note(&self, draft: &Draft, extras: &[Extra]) -> Result<Saved, StoreError> {
        self.with(|connection| save(connection, draft, extras)).await
    }

    /// The note, when there is one.
    ///
    /// # Errors
    /// `StoreError`.
    pub async fn note(&self, client_id: &str, extras: &[Extra]) -> Result<Option<Note>, StoreError> {
        self.with(|connection| read(connection, client_id, extras)).await
    }
}

async fn save(mut connection: Object, draft: &Draft, extras: &[Extra]) -> Result<Saved, Failed> {
    let transaction = connection.transaction().await?;
    let upsert = transaction.prepare_cached(&upsert_sql(draft, extras)).await?;
    if let Some(row) = transaction.query_opt(&upsert, &values(draft)).await? {
        let stored = note(&row, extras)?;
        transaction.commit().await?;
        return Ok(Saved::Stored(stored));
    }
    let select = transaction.prepare_cached(&select_sql(extras)).await?;
    let row = transaction.query_one(&select, &[&draft.client_id]).await?;
    Ok(Saved::Stale(note(&row, extras)?))
}

async fn read(connection: Object, client_id: &str, extras: &[Extra]) -> Result<Option<Note>, Failed> {
    let select = connection.prepare_cached(&select_sql(extras)).await?;
    let row = connection.query_opt(&select, &[&client_id]).await?;
    row.map(|row| note(&row, extras)).transpose()
}

fn columns(extras: &[Extra]) -> String {
    let extras: String = extras.iter().map(|extra| format!(", n.{}", extra.name)).collect();
    format!("n.client_id, n.body, n.rev, n.updated_at{extras}")
}

fn select_sql(extras: &[Extra]) -> String {
    format!("SELECT {} FROM note AS n WHERE n.client_id = $1", columns(extras))
}

/// Parameters: client id, body, revision, then the draft's own fields in their order. Column names come from
/// `EXTRAS` alone, never from a request.
fn upsert_sql(draft: &Draft, extras: &[Extra]) -> String {
    let names: Vec<&str> = draft.extras.keys().copied().collect();
    let into: String = names.iter().map(|name| format!(", {name}")).collect();
    let places: String = (0..names.len()).map(|n| format!(", ${}", n + 4)).collect();
    let set: String = names.iter().map(|name| format!(", {name} = excluded.{name}")).collect();
    format!(
        "INSERT INTO note AS n (client_id, body, rev, updated_at{into})
         VALUES ($1, $2, coalesce($3::int, 1), clock_timestamp(){places})
         ON CONFLICT (client_id) DO UPDATE
         SET body = excluded.body, rev = coalesce($3::int, n.rev + 1), updated_at = excluded.updated_at{set}
         WHERE $3::int IS NULL OR $3::int >= n.rev
         RETURNING {}",
        columns(extras)
    )
}

fn values(draft: &Draft) -> Vec<&(dyn ToSql + Sync)> {
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![&draft.client_id, &draft.body, &draft.rev];
    values.extend(draft.extras.values().map(|value| value as &(dyn ToSql + Sync)));
    values
}

fn note(row: &Row, extras: &[Extra]) -> Result<Note, Failed> {
    let fields = extras.iter().enumerate().map(|(n, extra)| Ok((extra.name, row.try_get(n + 4)?)));
    Ok(Note {
        client_id: row.try_get(0)?,
        body: row.try_get(1)?,
        rev: row.try_get(2)?,
        updated_at: row.try_get(3)?,
        extras: fields.collect::<Result<_, tokio_postgres::Error>>()?,
    })
}
