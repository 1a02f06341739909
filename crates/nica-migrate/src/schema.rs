//! The schema `nica`: whether it is there, and its creation in one transaction. The tables stand in `schema.sql`.

use crate::connect::reason;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, Transaction};

/// Raised only in the transaction that opens a run, and only by adding.
pub const SCHEMA_FORMAT: i32 = 1;

const DDL: &str = include_str!("schema.sql");
/// Any constant does, as long as every version of NICA takes the same: "nica" in bytes.
const GENESIS_LOCK: i64 = 0x6e69_6361;
const GENESIS_POLL: Duration = Duration::from_millis(50);
const GENESIS_LIMIT: Duration = Duration::from_secs(30);
const ANSWER_GRACE: Duration = Duration::from_secs(5);

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error(
        "create schema nica: another session has been creating it for {secs} s; look at pg_stat_activity"
    )]
    Busy { secs: u64 },
    #[error(
        "open this database: it belongs to {found_service}/{found_env}, not to {service}/{env}; check the url"
    )]
    Foreign { found_service: String, found_env: String, service: String, env: String },
    #[error(
        "create schema nica: tables of the service made by role `{role}` would land in it; use a role of another \
         name, or ALTER ROLE {role} SET search_path = public"
    )]
    SearchPath { role: String },
    #[error("create schema nica: {0}")]
    Sql(String),
    #[error("create schema nica: {0}; look at the server's load")]
    Lost(String),
}

impl From<tokio_postgres::Error> for SchemaError {
    fn from(error: tokio_postgres::Error) -> Self {
        SchemaError::Sql(reason(&error))
    }
}

/// Whether NICA has been here. Reads only.
///
/// # Errors
/// The connection is lost.
pub async fn exists(client: &Client) -> Result<bool, SchemaError> {
    let row = client.query_one("SELECT to_regclass('nica.control') IS NOT NULL", &[]).await?;
    Ok(row.get(0))
}

/// Create the schema unless it is there; true when this call made it.
///
/// Waiters poll for the lock and hold no transaction meanwhile: a snapshot that waits here would keep a concurrent
/// index build waiting for it.
///
/// # Errors
/// `Foreign` when the schema of another service or environment is there; `Busy` after 30 s; `Lost` when no answer came.
pub async fn genesis(client: &mut Client, service: &str, env: &str) -> Result<bool, SchemaError> {
    let limit = GENESIS_LIMIT + ANSWER_GRACE;
    let late = |_| SchemaError::Lost(format!("no answer came within {} s", limit.as_secs()));
    tokio::time::timeout(limit, poll_genesis(client, service, env)).await.map_err(late)?
}

async fn poll_genesis(client: &mut Client, service: &str, env: &str) -> Result<bool, SchemaError> {
    let deadline = Instant::now() + GENESIS_LIMIT;
    loop {
        if exists(client).await? {
            return check_owner(client, service, env).await.map(|()| false);
        }
        if let Some(made) = try_genesis(client, service, env).await? {
            return Ok(made);
        }
        if Instant::now() > deadline {
            return Err(SchemaError::Busy { secs: GENESIS_LIMIT.as_secs() });
        }
        sleep(GENESIS_POLL).await;
    }
}

/// None when somebody else holds the lock.
async fn try_genesis(client: &mut Client, service: &str, env: &str) -> Result<Option<bool>, SchemaError> {
    let tx = client.transaction().await?;
    let locked: bool = tx.query_one("SELECT pg_try_advisory_xact_lock($1)", &[&GENESIS_LOCK]).await?.get(0);
    if !locked {
        return Ok(None);
    }
    // The lock may have become free because its holder had just committed the schema.
    // Asked of the table itself: to_regclass may answer from a cache that nothing has refreshed since we looked.
    let there = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'nica')";
    let there: bool = tx.query_one(there, &[]).await?.get(0);
    if there {
        return Ok(None);
    }
    tx.batch_execute(DDL).await?;
    refuse_own_name(&tx).await?;
    tx.execute(
        "INSERT INTO nica.control (service, env, system_id, format)
         SELECT $1, $2, system_identifier::text, $3 FROM pg_control_system()",
        &[&service, &env, &SCHEMA_FORMAT],
    )
    .await?;
    tx.commit().await?;
    Ok(Some(true))
}

/// The default search path begins with the role's own name.
async fn refuse_own_name(tx: &Transaction<'_>) -> Result<(), SchemaError> {
    let sql = "SELECT current_user::text, current_schemas(false) && ARRAY['nica', 'nica_attic']::name[]";
    let row = tx.query_one(sql, &[]).await?;
    if row.get(1) { Err(SchemaError::SearchPath { role: row.get(0) }) } else { Ok(()) }
}

/// Whether the schema that is there is this environment's.
///
/// # Errors
/// `Foreign` when it is not.
pub async fn check_owner(client: &Client, service: &str, env: &str) -> Result<(), SchemaError> {
    let row = client.query_one("SELECT service, env FROM nica.control", &[]).await?;
    let (found_service, found_env): (String, String) = (row.get(0), row.get(1));
    if found_service == service && found_env == env {
        return Ok(());
    }
    Err(SchemaError::Foreign { found_service, found_env, service: service.to_string(), env: env.to_string() })
}
