//! Admission: make this database refuse every lower fence, before anything is read.
//!
//! First the number rises under a table lock (overlapping share locks would starve a plain update of the row for
//! many seconds), then every session of a lower fence is ended, idle ones too, until none is left: a statement that
//! its dead client had already sent must not happen after this.

use super::{Class, FenceError, classify, within};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

/// What else is asked of the database in the transaction that raises the fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Plain,
    /// A deployer manages this database from here on; set with the first run.
    SetManaged,
    /// Only as long as no deployer does: `migrate-seed` by hand.
    DemandUnmanaged,
}

const LOCK_TRY: Duration = Duration::from_millis(200);
const END_POLL: Duration = Duration::from_millis(10);
const ANSWER_GRACE: Duration = Duration::from_secs(5);

/// Raise the fence to `fence` and end every session `nica/<env>/<lower>/…` of this database. `client` is a session
/// of that fence itself.
///
/// # Errors
/// `NotAdmitted` when the number is not higher than the admitted one: take the lease again. `Unendable` when a
/// session of a lower fence is still there after `limit`, a stopped server process for example.
pub async fn admit(
    client: &mut Client,
    fence: i64,
    env: &str,
    limit: Duration,
    admission: Admission,
) -> Result<(), FenceError> {
    let deadline = Instant::now() + limit;
    within(limit + ANSWER_GRACE, async {
        while !raise(client, fence, admission).await? {
            // Whoever holds the row is of a lower fence, as the lease is ours: its end frees the lock.
            terminate(client, fence, env).await?;
            give_up_at(client, fence, env, deadline, limit).await?;
            sleep(jitter(END_POLL)).await;
        }
        while terminate(client, fence, env).await? > 0 {
            give_up_at(client, fence, env, deadline, limit).await?;
            sleep(END_POLL).await;
        }
        Ok(())
    })
    .await
}

/// Sessions of this environment whose fence is lower, by pid.
///
/// # Errors
/// The connection is lost.
pub async fn lower_sessions(client: &Client, fence: i64, env: &str) -> Result<Vec<i32>, FenceError> {
    let sql = format!("SELECT pid {LOWER}");
    let rows = client.query(&sql, &[&fence, &env]).await.map_err(|e| FenceError::of(fence, &e))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The cast stands behind its check in a CASE: Postgres may evaluate the sides of an AND in any order.
const LOWER: &str = "FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND split_part(application_name, '/', 1) = 'nica' AND split_part(application_name, '/', 2) = $2
      AND CASE WHEN split_part(application_name, '/', 3) ~ '^[0-9]{1,18}$'
               THEN split_part(application_name, '/', 3)::bigint < $1 ELSE false END";

/// True when the number was raised and committed, false when the lock was not to be had.
async fn raise(client: &mut Client, fence: i64, admission: Admission) -> Result<bool, FenceError> {
    let sql = |e: tokio_postgres::Error| FenceError::of(fence, &e);
    let tx = client.transaction().await.map_err(sql)?;
    let lock = format!(
        "SET LOCAL idle_in_transaction_session_timeout = '250ms';
         SET LOCAL client_connection_check_interval = '1s';
         SET LOCAL synchronous_commit = on;
         SET LOCAL lock_timeout = '{}ms';
         LOCK TABLE nica.fence IN EXCLUSIVE MODE",
        LOCK_TRY.as_millis()
    );
    match tx.batch_execute(&lock).await {
        Ok(()) => {}
        Err(error) if classify(&error) == Class::LockNotAvailable => return Ok(false),
        Err(error) => return Err(sql(error)),
    }
    let demand = match admission {
        Admission::DemandUnmanaged => "AND NOT EXISTS (SELECT FROM nica.control WHERE managed)",
        Admission::Plain | Admission::SetManaged => "",
    };
    let update = format!("UPDATE nica.fence SET number = $1 WHERE number < $1 {demand}");
    if tx.execute(&update, &[&fence]).await.map_err(sql)? == 0 {
        return Err(why_not(&tx, fence).await?);
    }
    if admission == Admission::SetManaged {
        tx.batch_execute("UPDATE nica.control SET managed = true WHERE NOT managed").await.map_err(sql)?;
    }
    tx.commit().await.map_err(sql)?;
    Ok(true)
}

async fn why_not(tx: &tokio_postgres::Transaction<'_>, fence: i64) -> Result<FenceError, FenceError> {
    let row = tx
        .query_one("SELECT f.number, f.number < $1 FROM nica.fence f", &[&fence])
        .await
        .map_err(|e| FenceError::of(fence, &e))?;
    let lower: bool = row.get(1);
    Ok(if lower {
        FenceError::Managed { fence }
    } else {
        FenceError::NotAdmitted { fence, admitted: row.get(0) }
    })
}

/// Ask every lower session to end; how many there still were.
async fn terminate(client: &Client, fence: i64, env: &str) -> Result<usize, FenceError> {
    let sql = format!("SELECT pg_terminate_backend(pid) {LOWER}");
    match client.query(&sql, &[&fence, &env]).await {
        Ok(rows) => Ok(rows.len()),
        // Another role's session: it cannot be ended by us, and is named when the limit passes.
        Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE) => {
            Ok(lower_sessions(client, fence, env).await?.len())
        }
        Err(error) => Err(FenceError::of(fence, &error)),
    }
}

async fn give_up_at(
    client: &Client,
    fence: i64,
    env: &str,
    deadline: Instant,
    limit: Duration,
) -> Result<(), FenceError> {
    if Instant::now() < deadline {
        return Ok(());
    }
    let pids = lower_sessions(client, fence, env).await?;
    let secs = limit.as_secs();
    if pids.is_empty() {
        let why = format!("nica.fence stayed locked for {secs} s by a session that is not NICA's");
        return Err(FenceError::LockNotAvailable { why });
    }
    Err(FenceError::Unendable { pids, secs })
}

fn jitter(base: Duration) -> Duration {
    base.mul_f64(rand::random_range(0.5..1.5))
}
