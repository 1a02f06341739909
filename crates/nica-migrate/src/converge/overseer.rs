//! Looks from beside whether the server is at a long statement at all.
//!
//! A concurrent build may take an hour, and nothing comes from it until it ends. A request that was lost on its way
//! looks the same from here; so another session asks, and what nobody works at is not waited for.

use crate::fence::{BEGIN_LIMIT, FenceError, bounded};
use crate::runner::{RunError, Session};
use std::time::Duration;
use tokio::time::sleep;
use tokio_postgres::Client;

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// In a row: between two of them even a slow request arrives, and the answer of a statement that ended.
const IDLE_LOOKS: u32 = 2;

/// Returns only when the server process `pid` was idle, or gone, at several looks in a row. Who cannot look knows
/// nothing, and goes on trying.
pub(super) async fn nobody_works(session: &Session, pid: i32) -> FenceError {
    let (mut observer, mut idle) = (None, 0);
    while idle < IDLE_LOOKS {
        sleep(LOOK_EVERY).await;
        match bounded(BEGIN_LIMIT * 2, works(session, &mut observer, pid)).await {
            Ok(true) => idle = 0,
            Ok(false) => idle += 1,
            Err(_) => observer = None,
        }
    }
    FenceError::LostAnswer { why: format!("server process {pid} does not work at what it was asked for") }
}

async fn works(session: &Session, observer: &mut Option<Client>, pid: i32) -> Result<bool, RunError> {
    let observer = match observer {
        Some(observer) => observer,
        none => none.insert(session.open().await?),
    };
    let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active')";
    let row = observer.query_one(sql, &[&pid]).await;
    Ok(row.map_err(|e| FenceError::of(session.fence, &e))?.get(0))
}
