//! A fresh session for each migration: settings that one leaves behind never reach the next.

use super::{Attempts, By, Outcome, RunError, down, retain, up};
use crate::connect::{DbUrl, connect};
use crate::fence::{FenceError, Limits, bounded, session_name, within};
use crate::lexer;
use crate::source::Migration;
use std::time::Duration;
use tokio_postgres::Client;

/// Under which name, fence and limits migrations run. Cheap to clone; connections are opened per migration.
#[derive(Clone, Debug)]
pub struct Session {
    pub url: DbUrl,
    pub env: String,
    pub fence: i64,
    /// The run's suffix of eight, once a run is open.
    pub run_suffix: Option<String>,
    pub limits: Limits,
    /// How long a lock is tried for.
    pub patience: Duration,
    pub by: By,
}

impl Session {
    /// A new connection with the name that admission knows.
    ///
    /// # Errors
    /// As `connect`.
    pub async fn open(&self) -> Result<Client, RunError> {
        let name = session_name(&self.env, self.fence, self.run_suffix.as_deref())?;
        Ok(connect(&self.url, &name).await.map_err(FenceError::from)?)
    }

    /// Tries of work of one's own, with what else belongs to the same commit.
    ///
    /// # Errors
    /// As `connect`.
    pub async fn attempts(&self) -> Result<Attempts, RunError> {
        Attempts::new(self).await
    }

    /// Apply a transactional migration, trying again while its locks are not to be had.
    ///
    /// # Errors
    /// As `runner::up`; `Locked` with the holder's pid when patience ends.
    pub async fn up(&self, migration: &Migration) -> Result<Outcome, RunError> {
        let mut attempts = self.attempts().await?;
        loop {
            let result = bounded(self.up_limit(migration)?, up_once(&mut attempts, migration)).await;
            if let Some(outcome) = attempts.judge(result).await? {
                return Ok(outcome);
            }
        }
    }

    /// Take a transactional migration back, trying again while its locks are not to be had.
    ///
    /// # Errors
    /// As `runner::down`; `Locked` with the holder's pid when patience ends.
    pub async fn down(&self, id: &str) -> Result<Outcome, RunError> {
        let mut attempts = self.attempts().await?;
        loop {
            let result = bounded(self.down_limit(), down_once(&mut attempts, id)).await;
            if let Some(outcome) = attempts.judge(result).await? {
                return Ok(outcome);
            }
        }
    }

    /// # Errors
    /// As `runner::retain`.
    pub async fn retain(&self, id: &str) -> Result<Outcome, RunError> {
        let mut attempts = self.attempts().await?;
        loop {
            let result = bounded(self.longest(1), retain_once(&mut attempts, id)).await;
            if let Some(outcome) = attempts.judge(result).await? {
                return self.tidy(&mut attempts, id).await.map(|()| outcome);
            }
        }
    }
}

impl Session {
    /// When the transaction of this migration is given up.
    ///
    /// # Errors
    /// Its text cannot be read.
    pub fn up_limit(&self, migration: &Migration) -> Result<Duration, RunError> {
        Ok(self.longest(lexer::split(&migration.up)?.len()))
    }

    /// When the transaction that takes a migration back is given up.
    pub fn down_limit(&self) -> Duration {
        self.longest(DOWN_STATEMENTS)
    }

    /// When a transaction of so many statements is given up: the server gives up each of them first, unless it is
    /// stopped. Records take a few of their own.
    pub(crate) fn longest(&self, statements: usize) -> Duration {
        let statements = u32::try_from(statements).unwrap_or(u32::MAX).saturating_add(RECORD_STATEMENTS);
        self.limits.answer().saturating_mul(statements)
    }
}

async fn up_once(attempts: &mut Attempts, migration: &Migration) -> Result<Outcome, RunError> {
    let by = attempts.session().by.clone();
    let tx = attempts.begin().await?;
    let outcome = up(&tx, migration, &by).await?;
    tx.commit().await?;
    Ok(outcome)
}

async fn down_once(attempts: &mut Attempts, id: &str) -> Result<Outcome, RunError> {
    let tx = attempts.begin().await?;
    let outcome = down(&tx, id).await?;
    tx.commit().await?;
    Ok(outcome)
}

/// Its text is known to the database only; each statement has its own limit besides.
const DOWN_STATEMENTS: usize = 100;
const RECORD_STATEMENTS: u32 = 4;

async fn retain_once(attempts: &mut Attempts, id: &str) -> Result<Outcome, RunError> {
    let tx = attempts.begin().await?;
    let outcome = retain(&tx, id).await?;
    tx.commit().await?;
    Ok(outcome)
}

pub(super) async fn backend_pid(client: &Client) -> Result<i32, RunError> {
    let limit = Duration::from_secs(5);
    let answer =
        async { client.query_one("SELECT pg_backend_pid()", &[]).await.map_err(|e| FenceError::of(0, &e)) };
    Ok(within(limit, answer).await?.get(0))
}
