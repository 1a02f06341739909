//! Take migrations back by hand, from their stored text, in the reverse of the order in which they were applied.
//!
//! For a database that no deployer manages: development, a throw-away copy. Where one manages it a run goes back, which
//! knows what is served meanwhile. Each down is one commit, so whoever calls again goes on where it stopped.

use crate::connect::{ConnectError, DbUrl, connect, reason};
use crate::fence::{Admission, FenceError, Holder, Lease, admit};
use crate::lexer;
use crate::migrate_seed::Options;
use crate::runner::{By, Outcome, RunError, Session};
use crate::schema::{self, SchemaError};
use crate::source::lone;
use tokio_postgres::Client;

/// Whose database it must be, and who acts.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub service: &'a str,
    pub env: &'a str,
    pub who: &'a str,
    pub host: &'a str,
    /// NICA's own.
    pub version: &'a str,
}

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum MigrateDownError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Fence(#[from] FenceError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("read the migration table: {0}")]
    Read(String),
    #[error("find {to} among the applied migrations: {known}; name one of them, which stays")]
    Unknown { to: String, known: String },
    #[error("take back {id}: it is a contract, and there is no way back below it")]
    Contract { id: String },
    #[error("take back {id}: it was applied without a down text")]
    NoDown { id: String },
}

/// A row of the migration table, as far as going back needs it.
struct Row {
    id: String,
    contract: bool,
    parking: bool,
    down: Option<String>,
}

/// Take back everything that was applied after `to`, which stays; all of it where `to` is none. What was taken back, in
/// that order. Nothing is touched when one of them cannot be taken back.
///
/// # Errors
/// A deployer manages the database, or something that an operator has to look at; what was taken back before stays so.
pub async fn migrate_down(
    url: &DbUrl,
    caller: &Caller<'_>,
    to: Option<&str>,
    options: &Options,
) -> Result<Vec<String>, MigrateDownError> {
    let look = connect(url, "nica/look").await?;
    if !schema::exists(&look).await? {
        return Ok(Vec::new());
    }
    schema::check_owner(&look, caller.service, caller.env).await?;
    drop(look);
    let holder = Holder { env: caller.env.into(), name: caller.who.into(), host: caller.host.into() };
    let lease = Lease::wait(url, &holder, options.lease_ttl, options.lease_ttl.mul_f64(1.5)).await?;
    let done = work(url, caller, to, options, &lease).await;
    // The answer of the work matters more than that of giving back: a session that ends gives back as well.
    let _ = lease.release().await;
    done
}

async fn work(
    url: &DbUrl,
    caller: &Caller<'_>,
    to: Option<&str>,
    options: &Options,
    lease: &Lease,
) -> Result<Vec<String>, MigrateDownError> {
    let session = Session {
        url: url.clone(),
        env: caller.env.to_string(),
        fence: lease.number(),
        run_suffix: None,
        limits: options.limits,
        patience: options.lock,
        by: By { run: None, who: caller.who.to_string(), version: caller.version.to_string() },
    };
    let mut client = session.open().await?;
    admit(&mut client, session.fence, caller.env, options.admit, Admission::DemandUnmanaged).await?;
    let rows = after(applied(&client).await?, to)?;
    let mut done = Vec::new();
    for row in &rows {
        if !lease.is_held() {
            return Err(FenceError::Superseded { fence: session.fence }.into());
        }
        take_back(&session, row).await?;
        done.push(row.id.clone());
    }
    Ok(done)
}

/// Latest first. One that was begun again counts from then.
async fn applied(client: &Client) -> Result<Vec<Row>, MigrateDownError> {
    let sql = "SELECT id, phase = 'contract', class = 'parking', down FROM nica.migration WHERE state <> 'undone' \
               ORDER BY coalesce(applied_at, started_at) DESC, length(split_part(id, '_', 1)) DESC, id DESC";
    let rows = client.query(sql, &[]).await.map_err(|e| MigrateDownError::Read(reason(&e)))?;
    let read = |row: &tokio_postgres::Row| Row {
        id: row.get(0),
        contract: row.get(1),
        parking: row.get(2),
        down: row.get(3),
    };
    Ok(rows.iter().map(read).collect())
}

/// Those that go, when all of them can.
fn after(mut rows: Vec<Row>, to: Option<&str>) -> Result<Vec<Row>, MigrateDownError> {
    if let Some(to) = to {
        let Some(at) = rows.iter().position(|row| row.id == to) else {
            let known = rows.iter().rev().map(|row| row.id.as_str()).collect::<Vec<_>>().join(", ");
            return Err(MigrateDownError::Unknown { to: to.to_string(), known });
        };
        rows.truncate(at);
    }
    for Row { id, contract, down, .. } in &rows {
        match down {
            _ if *contract => return Err(MigrateDownError::Contract { id: id.clone() }),
            None => return Err(MigrateDownError::NoDown { id: id.clone() }),
            Some(_) => {}
        }
    }
    Ok(rows)
}

async fn take_back(session: &Session, row: &Row) -> Result<Outcome, RunError> {
    if row.parking {
        // Most values are copied beside the traffic; the down itself copies the rest under its lock.
        session.park(&row.id).await?;
    }
    if is_outside_a_transaction(row.down.as_deref().unwrap_or_default())? {
        session.converge_down(&row.id).await
    } else {
        session.down(&row.id).await
    }
}

/// As its text says: the table does not keep it.
fn is_outside_a_transaction(down: &str) -> Result<bool, RunError> {
    let statements = lexer::split(down)?;
    Ok(matches!(&statements[..], [one] if lone(one).is_ok()))
}
