//! One migration, up or down, inside one guarded transaction, with its row in the migration table.
//!
//! Because the row is written in the transaction that changes the schema, there is no moment in which one is done and
//! the other is not. What runs outside a transaction stands in `converge`, parked values in `attic`.

mod error;
mod retry;
mod session;

pub use error::RunError;
pub use retry::{Attempts, Blocker, blockers};
pub use session::Session;

use crate::attic;
use crate::fence::{Guarded, within};
use crate::lexer::{self, Statement};
use crate::source::{Migration, Phase};
use tokio_postgres::error::ErrorPosition;

/// Who applies it; ends up in the migration's row.
#[derive(Clone, Debug, Default)]
pub struct By {
    pub run: Option<String>,
    pub who: String,
    /// NICA's own.
    pub version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It was so before; nothing was written.
    Already,
}

/// Apply one transactional migration and write its row, down text included.
///
/// # Errors
/// `Edited` when another text of the same id is applied; `Statement` with file and line; `Fence` when a lock could
/// not be had or the fence is superseded. The transaction is of no use after an error.
pub async fn up(tx: &Guarded<'_>, migration: &Migration, by: &By) -> Result<Outcome, RunError> {
    assert!(migration.transactional, "{}: runs outside a transaction, in converge", migration.id);
    if is_applied(tx, migration).await? {
        return Ok(Outcome::Already);
    }
    execute(tx, &migration.id, "up.sql", &migration.up).await?;
    write_row(tx, migration, by, "applied").await?;
    attic::place_is_back(tx, &migration.id).await?;
    if migration.phase == Phase::Contract {
        raise_floor(tx, &migration.id).await?;
    }
    Ok(Outcome::Done)
}

/// Take one migration back, from the text that was stored when it was applied.
///
/// # Errors
/// `NoDown` when there is none; else as `up`.
pub async fn down(tx: &Guarded<'_>, id: &str) -> Result<Outcome, RunError> {
    let row = stored(tx, id).await?;
    let Some(row) = row.filter(|r| r.state != "undone") else { return Ok(Outcome::Already) };
    let down = row.down.ok_or_else(|| RunError::NoDown { id: id.to_string() })?;
    if row.class == "parking" {
        attic::rest(tx, id).await?;
    }
    execute(tx, id, "down.sql", &down).await?;
    set_state(tx, id, "undone").await?;
    Ok(Outcome::Done)
}

/// Keep a migration although its release goes back: its row says so from now on.
///
/// # Errors
/// `NotApplied` when there is nothing to keep.
pub async fn retain(tx: &Guarded<'_>, id: &str) -> Result<Outcome, RunError> {
    match stored(tx, id).await?.map(|r| r.state) {
        Some(state) if state == "retained" => Ok(Outcome::Already),
        Some(state) if state == "applied" => {
            attic::discard(tx, id).await?;
            set_state(tx, id, "retained").await?;
            Ok(Outcome::Done)
        }
        other => {
            Err(RunError::NotApplied { id: id.to_string(), state: other.unwrap_or("absent".to_string()) })
        }
    }
}

pub(crate) struct Stored {
    pub(crate) state: String,
    pub(crate) sha256: String,
    class: String,
    pub(crate) down: Option<String>,
}

pub(crate) async fn stored(tx: &Guarded<'_>, id: &str) -> Result<Option<Stored>, RunError> {
    let sql = "SELECT state, sha256, class, down FROM nica.migration WHERE id = $1";
    let row = tx.query_opt(sql, &[&id]).await.map_err(|e| RunError::records(tx, &e))?;
    Ok(row.map(|row| Stored { state: row.get(0), sha256: row.get(1), class: row.get(2), down: row.get(3) }))
}

/// A retained migration is there, so it counts as applied.
pub(crate) async fn is_applied(tx: &Guarded<'_>, migration: &Migration) -> Result<bool, RunError> {
    let Some(row) = stored(tx, &migration.id).await? else { return Ok(false) };
    let there = row.state == "applied" || row.state == "retained";
    if there && row.sha256 != migration.sha256 {
        return Err(RunError::Edited { id: migration.id.clone() });
    }
    Ok(there)
}

/// Statement by statement, so that an error has a line.
pub(crate) async fn execute(tx: &Guarded<'_>, id: &str, file: &str, sql: &str) -> Result<(), RunError> {
    for statement in lexer::split(sql)? {
        attic::release_dropped(tx, id, &statement).await?;
        execute_one(tx, &format!("{id}/{file}"), &statement).await?;
    }
    Ok(())
}

/// By the extended protocol, in which the server itself refuses a text of two statements: no COMMIT gets past the
/// lexer unseen.
pub(crate) async fn execute_one(
    tx: &Guarded<'_>,
    file: &str,
    statement: &Statement<'_>,
) -> Result<(), RunError> {
    let answer = async { Ok(tx.execute_typed(statement.text, &[]).await) };
    let answer = within(tx.limits().answer(), answer).await?;
    answer.map_err(|e| RunError::statement(tx.fence(), place(file, statement, &e), &e)).map(|_| ())
}

/// `0042_x/up.sql:7`, at the character that the server points to where it does.
pub(crate) fn place(file: &str, statement: &Statement<'_>, error: &tokio_postgres::Error) -> String {
    let position = error.as_db_error().and_then(|e| e.position());
    let before = match position {
        Some(ErrorPosition::Original(at)) => (*at as usize).saturating_sub(1),
        _ => 0,
    };
    let lines = statement.text.chars().take(before).filter(|c| *c == '\n').count();
    format!("{file}:{}", statement.line + lines)
}

pub(crate) async fn write_row(
    tx: &Guarded<'_>,
    migration: &Migration,
    by: &By,
    state: &str,
) -> Result<(), RunError> {
    let park = serde_json::to_value(&migration.park).expect("park names are strings");
    let (phase, class) = (migration.phase.to_string(), migration.class.to_string());
    let sql = "
        INSERT INTO nica.migration (id, sha256, phase, class, park, down, state, run, fence, who, version, applied_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, CASE $7 WHEN 'applied' THEN clock_timestamp() END)
        ON CONFLICT (id) DO UPDATE SET sha256 = excluded.sha256, phase = excluded.phase, class = excluded.class,
            park = excluded.park, down = excluded.down, state = excluded.state, run = excluded.run,
            fence = excluded.fence, who = excluded.who, version = excluded.version,
            started_at = excluded.started_at, applied_at = excluded.applied_at";
    let (id, sha256, down, run) = (&migration.id, &migration.sha256, &migration.down, &by.run);
    tx.execute(
        sql,
        &[id, sha256, &phase, &class, &park, down, &state, run, &tx.fence(), &by.who, &by.version],
    )
    .await
    .map_err(|e| RunError::records(tx, &e))?;
    Ok(())
}

pub(crate) async fn set_state(tx: &Guarded<'_>, id: &str, state: &str) -> Result<(), RunError> {
    let sql = "UPDATE nica.migration SET state = $2, fence = $3, cursor = NULL WHERE id = $1";
    tx.execute(sql, &[&id, &state, &tx.fence()]).await.map_err(|e| RunError::records(tx, &e))?;
    Ok(())
}

/// A release whose highest contract is below the floor can no longer run here.
pub(crate) async fn raise_floor(tx: &Guarded<'_>, id: &str) -> Result<(), RunError> {
    let sql = "
        UPDATE nica.control SET compat_floor = $1
        WHERE compat_floor IS NULL
           OR split_part(compat_floor, '_', 1)::bigint < split_part($1, '_', 1)::bigint";
    tx.execute(sql, &[&id]).await.map_err(|e| RunError::records(tx, &e))?;
    Ok(())
}
