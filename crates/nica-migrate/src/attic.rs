//! Values that people wrote into what a down takes away wait in the attic for the next up.
//!
//! A parcel is one parked table of one migration: some columns by primary key, or all of it. It goes round a circle:
//! `parking` (batches beside the traffic, the rest under the down's own lock) → `parked` (the down has committed) →
//! `unparking` (the next up has committed) → `unparked` (everything that fits was **moved** back). Three sentences hold:
//! a row dies in the attic when its source row dies (a foreign key does it, see `attic/owner`); what a person changed
//! or cleared since is what is parked, NULL too; a value that did not come back yet is never replaced by the default
//! that stands in its place.

mod owner;
mod parcel;
mod park;
mod unpark;

pub(crate) use owner::release_dropped;
pub(crate) use park::{discard, rest};
pub use unpark::{Misfit, Unparked};

use crate::fence::{FenceError, Guarded, bounded};
use crate::runner::{Attempts, RunError, Session};
use tokio_postgres::GenericClient;

/// Rows per transaction: short enough that nobody notices the row locks.
const BATCH_ROWS: u32 = 1000;

/// A parcel as anybody may read it. Never its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub migration: String,
    /// `public.diary`
    pub source: String,
    pub state: WaitingState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingState {
    /// Being copied; the source still holds everything.
    Parking,
    /// Waiting for the next up.
    Parked,
    /// The up is done: the values wait to be moved back now.
    Unparking,
    /// What is left did not fit.
    Unparked,
}

impl Session {
    /// Copy the values of a `parking` migration to the attic in batches, beside the traffic. Its down does the rest.
    ///
    /// # Errors
    /// `Attic` when a table or its key is missing; else as `up`.
    pub async fn park(&self, id: &str) -> Result<(), RunError> {
        let mut attempts = self.attempts().await?;
        loop {
            let result = bounded(self.longest(1), park_once(&mut attempts, id)).await;
            if let Some(false) = attempts.judge(result).await? {
                return Ok(());
            }
        }
    }

    /// Move parked values back where they belong, in batches. What no longer fits stays parked and is reported.
    ///
    /// # Errors
    /// As `up`.
    pub async fn unpark(&self, id: &str) -> Result<Unparked, RunError> {
        let mut attempts = self.attempts().await?;
        let mut moved = 0;
        loop {
            let result = bounded(self.longest(1), unpark_once(&mut attempts, id)).await;
            match attempts.judge(result).await? {
                Some((rows, true)) => moved += rows,
                Some((_, false)) => break,
                None => {}
            }
        }
        self.tidy(&mut attempts, id).await?;
        Ok(Unparked { moved, misfits: misfits_once(&mut attempts, id).await? })
    }

    /// An empty attic table does no harm, so it is left where its lock is not to be had.
    pub(crate) async fn tidy(&self, attempts: &mut Attempts, id: &str) -> Result<(), RunError> {
        loop {
            let result = bounded(self.longest(1), tidy_once(attempts, id)).await;
            match attempts.judge(result).await {
                Ok(Some(())) => return Ok(()),
                Ok(None) => {}
                Err(error @ RunError::Locked { .. }) => {
                    tracing::info!(%error, id, "an empty attic table is left");
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// One batch in a transaction of the caller's, with its records; true while there is more.
///
/// # Errors
/// As `Session::park`.
pub async fn park_batch(tx: &Guarded<'_>, id: &str) -> Result<bool, RunError> {
    park::batch(tx, id, BATCH_ROWS).await
}

/// One batch in a transaction of the caller's: rows moved, and whether there is more.
///
/// # Errors
/// As `Session::unpark`.
pub async fn unpark_batch(tx: &Guarded<'_>, id: &str) -> Result<(u64, bool), RunError> {
    // A parking that somebody began and nobody ended: the values are in their place.
    park::discard(tx, id).await?;
    unpark::batch(tx, id, BATCH_ROWS).await
}

/// Take away what `unpark_batch` has emptied, in a transaction of the caller's.
///
/// # Errors
/// `LockNotAvailable` while somebody uses the source; nothing is lost by leaving it.
pub async fn tidy(tx: &Guarded<'_>, id: &str) -> Result<(), RunError> {
    unpark::tidy(tx, id).await
}

/// Every parcel; empty where there is no attic.
///
/// # Errors
/// The connection is lost.
pub async fn waiting(client: &impl GenericClient) -> Result<Vec<Waiting>, FenceError> {
    let sql = |e: tokio_postgres::Error| FenceError::of(0, &e);
    let there =
        client.query_one("SELECT to_regclass('nica_attic.parcel') IS NOT NULL", &[]).await.map_err(sql)?;
    if !there.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let rows = client
        .query("SELECT migration, source, state FROM nica_attic.parcel ORDER BY migration, place", &[])
        .await
        .map_err(sql)?;
    let read = |row: &tokio_postgres::Row| Waiting {
        migration: row.get(0),
        source: row.get(1),
        state: match row.get(2) {
            "parking" => WaitingState::Parking,
            "parked" => WaitingState::Parked,
            "unparking" => WaitingState::Unparking,
            _ => WaitingState::Unparked,
        },
    };
    Ok(rows.iter().map(read).collect())
}

/// The up has put the place back: from now on the values can be moved.
pub(crate) async fn place_is_back(tx: &Guarded<'_>, id: &str) -> Result<(), RunError> {
    let sql = "UPDATE nica_attic.parcel SET state = 'unparking', cursor = NULL WHERE migration = $1 AND state = 'parked'";
    tx.execute(sql, &[&id]).await.map_err(|e| RunError::records(tx, &e))?;
    Ok(())
}

async fn park_once(attempts: &mut Attempts, id: &str) -> Result<bool, RunError> {
    let tx = attempts.begin().await?;
    let more = park_batch(&tx, id).await?;
    tx.commit().await?;
    Ok(more)
}

async fn unpark_once(attempts: &mut Attempts, id: &str) -> Result<(u64, bool), RunError> {
    let tx = attempts.begin().await?;
    let progress = unpark_batch(&tx, id).await?;
    tx.commit().await?;
    Ok(progress)
}

async fn tidy_once(attempts: &mut Attempts, id: &str) -> Result<(), RunError> {
    let tx = attempts.begin().await?;
    tidy(&tx, id).await?;
    tx.commit().await?;
    Ok(())
}

async fn misfits_once(attempts: &mut Attempts, id: &str) -> Result<Vec<Misfit>, RunError> {
    let tx = attempts.begin().await?;
    let misfits = unpark::misfits(&tx, id).await?;
    tx.commit().await?;
    Ok(misfits)
}
