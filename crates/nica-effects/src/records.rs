//! Access to the records of an environment: schema `nica` in its own Postgres.
//!
//! The tables belong to `nica-migrate`; here is who reads and writes them. Every write happens inside a guarded
//! transaction that the caller opened, so that a record and the change it speaks of are one commit.

pub mod blob;
pub mod brought;
pub mod control;
pub mod ledger;
pub mod run;
pub mod step;

use nica_migrate::fence::FenceError;
use nica_migrate::runner::RunError;

/// What a record cannot be read or written for.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("ask the record database: {0}")]
    Sql(#[from] tokio_postgres::Error),
    #[error("read {what} {key}: it is in format {found}, this nica knows {known}; use nica {found} or newer")]
    TooNew { what: &'static str, key: String, found: u32, known: u32 },
    #[error("read {what} {key}: {why}; the records were changed by something that is not nica")]
    Damaged { what: &'static str, key: String, why: String },
}

/// A record that is written in a migration's own transaction.
impl From<RecordError> for RunError {
    fn from(error: RecordError) -> RunError {
        match error {
            RecordError::Sql(error) => FenceError::of(0, &error).into(),
            other => FenceError::Sql { why: other.to_string(), code: String::new() }.into(),
        }
    }
}
