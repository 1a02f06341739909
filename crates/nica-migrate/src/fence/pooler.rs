//! Poolers in transaction mode are refused: the guard's lock, the session's name and a heartbeat all need one server
//! session that stays ours.

use super::{FenceError, within};
use crate::connect::{DbUrl, connect};
use std::time::Duration;
use tokio_postgres::Client;

const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// Two clients, one of them inside a transaction. Behind such a pooler the other's next statement goes to another
/// server session (or, with a pool of one, to none at all); at a server it stays where it was.
///
/// # Errors
/// `Pooler` when the statements of one client do not share a server session.
pub async fn refuse_pooler(url: &DbUrl) -> Result<(), FenceError> {
    let first = connect(url, "nica/probe").await?;
    let mut second = connect(url, "nica/probe").await?;
    let refused = || FenceError::Pooler { url: url.to_string() };
    match within(PROBE_LIMIT, same_session(&first, &mut second)).await {
        Ok(true) => Ok(()),
        Ok(false) | Err(FenceError::LostAnswer { .. }) => Err(refused()),
        Err(error) => Err(error),
    }
}

async fn same_session(first: &Client, second: &mut Client) -> Result<bool, FenceError> {
    let sql = |e: tokio_postgres::Error| FenceError::of(0, &e);
    let before = backend(first).await?;
    let tx = second.transaction().await.map_err(sql)?;
    tx.simple_query("SELECT 1").await.map_err(sql)?;
    let after = backend(first).await?;
    tx.rollback().await.map_err(sql)?;
    Ok(before == after)
}

/// By simple query: a prepared statement would not even survive on such a pooler, with an error of its own.
async fn backend(client: &Client) -> Result<Option<String>, FenceError> {
    let messages = client.simple_query("SELECT pg_backend_pid()").await.map_err(|e| FenceError::of(0, &e))?;
    Ok(messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_string),
        _ => None,
    }))
}
