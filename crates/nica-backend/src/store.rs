//! Rows in and out. The only place of the service that names SQL and the driver.
//!
//! One connection pool for requests, with a bounded wait; columns are always named, because a prepared `SELECT *`
//! fails after an ADD COLUMN ("cached plan must not change result type", PostgreSQL 15).

pub mod foods;
pub mod notes;
pub mod serves;

use crate::config;
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use nica_migrate::ConnectError;
use nica_migrate::connect::DriverTls;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// How often work is begun whose connection ends under it.
const TRIES_MAX: u32 = 3;

/// Why there are no rows. Reads after "failed to"; holds nothing of a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error(
        "get one of {max} database connections within {wait_ms} ms; raise DB_POOL_MAX or look for slow statements"
    )]
    Exhausted { max: usize, wait_ms: u128 },
    #[error("reach the database: {0}")]
    Unreachable(String),
    #[error("get an answer of the database in time (SQLSTATE {0})")]
    TooSlow(String),
    #[error("run a statement (SQLSTATE {0})")]
    Refused(String),
    #[error("read a row: {0}")]
    Row(&'static str),
}

/// Shared by all requests.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    max: usize,
    wait: Duration,
    exhausted: Arc<AtomicU64>,
}

/// How the pool stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolState {
    pub max: usize,
    pub in_use: usize,
    /// Requests that got no connection since the start.
    pub exhausted: u64,
}

impl Store {
    /// Opens nothing yet: a service whose database is away must start and say so.
    ///
    /// # Errors
    /// The root certificates that the address names cannot be read.
    pub fn new(config: &config::Database, read_only: bool) -> Result<Store, ConnectError> {
        let (driver, tls) = driver(config, &limits(config, read_only))?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(driver, tls, recycling))
            .max_size(config.pool_max)
            .wait_timeout(Some(config.pool_wait))
            .create_timeout(Some(config.connect_timeout))
            .recycle_timeout(Some(config.connect_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("building fails only without a runtime, and one is given");
        Ok(Store { pool, max: config.pool_max, wait: config.pool_wait, exhausted: Arc::default() })
    }

    pub fn pool_state(&self) -> PoolState {
        let status = self.pool.status();
        let in_use = status.size.saturating_sub(status.available);
        PoolState { max: self.max, in_use, exhausted: self.exhausted.load(Ordering::Relaxed) }
    }

    /// Does `work` on a connection of the pool. When the connection turns out to have ended (a restarted server, a
    /// session ended by an operator), it is done again on a new one; so `work` must bear being done twice.
    async fn with<T, F>(&self, work: impl Fn(Object) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let mut tries = 1;
        loop {
            match work(self.connection().await?).await {
                Err(Failed::Sql(error)) if has_ended(&error) && tries < TRIES_MAX => tries += 1,
                other => return Ok(other?),
            }
            // What ended one session has likely ended the others, and the driver notices a little late: an idle
            // connection may look alive.
            self.pool.retain(|_, _| false);
        }
    }

    async fn connection(&self) -> Result<Object, StoreError> {
        let error = match self.pool.get().await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        if matches!(error, PoolError::Timeout(TimeoutType::Wait)) {
            self.exhausted.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::Exhausted { max: self.max, wait_ms: self.wait.as_millis() });
        }
        Err(match error {
            PoolError::Backend(error) => error.into(),
            other => StoreError::Unreachable(other.to_string()),
        })
    }
}

/// What one piece of work ends with, before it is decided whether it is worth another try.
enum Failed {
    Sql(tokio_postgres::Error),
    Row(&'static str),
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Failed {
        Failed::Sql(error)
    }
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> StoreError {
        match failed {
            Failed::Sql(error) => error.into(),
            Failed::Row(what) => StoreError::Row(what),
        }
    }
}

/// Of a server's error only the SQLSTATE is kept: message and detail may quote a row.
impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> StoreError {
        let Some(state) = error.code() else { return StoreError::Unreachable(error.to_string()) };
        let code = state.code().to_string();
        match state {
            &SqlState::QUERY_CANCELED | &SqlState::LOCK_NOT_AVAILABLE => StoreError::TooSlow(code),
            _ if is_away(state) => StoreError::Unreachable(format!("it answered SQLSTATE {code}")),
            _ => StoreError::Refused(code),
        }
    }
}

/// Classes 08, 28, 3D, 53 and 57P: connection, login, database, resources, shutdown.
fn is_away(state: &SqlState) -> bool {
    ["08", "28", "3D", "53", "57P"].iter().any(|class| state.code().starts_with(class))
}

fn has_ended(error: &tokio_postgres::Error) -> bool {
    error.is_closed()
        || error.code().is_none_or(|state| {
            matches!(
                state,
                &SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN | &SqlState::CANNOT_CONNECT_NOW
            )
        })
}

/// The driver's settings for a session of this replica, by name and with these settings of the server.
fn driver(
    config: &config::Database,
    settings: &[(&str, String)],
) -> Result<(tokio_postgres::Config, DriverTls), ConnectError> {
    let (mut driver, tls) = nica_migrate::connect::driver(&config.url, &config.session_name)?;
    let given = driver.get_options().unwrap_or_default().to_string();
    let options =
        settings.iter().fold(given, |options, (name, value)| format!("{options} -c {name}={value}"));
    driver.options(options.trim()).connect_timeout(config.connect_timeout);
    Ok((driver, tls))
}

/// Limits live in the session, so that they also bind a statement whose request is long gone.
fn limits(config: &config::Database, read_only: bool) -> Vec<(&'static str, String)> {
    let limit = config.statement_timeout.as_millis().to_string();
    vec![
        ("statement_timeout", limit.clone()),
        ("idle_in_transaction_session_timeout", limit),
        ("synchronous_commit", "on".into()),
        ("default_transaction_read_only", if read_only { "on" } else { "off" }.into()),
    ]
}
