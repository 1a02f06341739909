//! Who may act on this database, and what makes an old actor harmless.
//!
//! `lease` says who may begin something. `admit` raises the fence and ends every session of a lower one. `guarded` is
//! the only way in which NICA changes anything: a transaction that holds the fence row and raises when it is not
//! ours. Why it takes all three: a killed client leaves a backend that commits seconds later, a stopped one wakes up.

mod admit;
mod guarded;
mod lease;
mod name;
mod pooler;

pub use admit::{Admission, admit, lower_sessions};
pub(crate) use guarded::BEGIN_LIMIT;
pub use guarded::{Guarded, Limits, bounded, within};
pub use lease::{Holder, Lease, LeaseRow, peek};
pub use name::session_name;
pub use pooler::refuse_pooler;

use crate::connect::{ConnectError, reason};
use tokio_postgres::error::SqlState;

/// What `nica.guard` raises. Class NC is none of Postgres's own.
pub const SUPERSEDED: &str = "NC001";

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    #[error("act as fence {fence}: another deployer was admitted; start again to join it")]
    Superseded { fence: i64 },
    #[error("get a lock: {why}")]
    LockNotAvailable { why: String },
    /// The statement may or may not have happened: this fence is at its end.
    #[error("get an answer from the database: {why}")]
    LostAnswer { why: String },
    #[error(
        "commit: a statement had ended the transaction, what followed it ran alone; look at what is there"
    )]
    Torn,
    #[error("admit fence {fence}: {admitted} is admitted already; take the lease again")]
    NotAdmitted { fence: i64, admitted: i64 },
    #[error("admit fence {fence}: a deployer manages this database; deploy with it instead")]
    Managed { fence: i64 },
    #[error(
        "end the database sessions of older deployers within {secs} s: pids {pids:?}; look for stopped server \
         processes"
    )]
    Unendable { pids: Vec<i32>, secs: u64 },
    #[error("take the lease: {holder} on {host} holds it with number {number}")]
    Held { holder: String, host: String, number: i64 },
    #[error(
        "name a session of `{env}`: at most 16 of a-z, 0-9 and - are needed, and 8 for the run, not `{run}`"
    )]
    Name { env: String, run: String },
    #[error(
        "use {url}: a pooler hands each transaction to another server session, which no lock survives; name the \
         server itself"
    )]
    Pooler { url: String },
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("run SQL: {why}")]
    Sql { why: String, code: String },
}

/// What an error of the driver means to whoever sent the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The guard refused: a higher fence is admitted.
    Superseded,
    /// Nothing happened, trying again may help: lock timeout or deadlock.
    LockNotAvailable,
    /// Nobody knows whether it happened.
    LostAnswer,
    /// The server said no; the transaction is dead.
    Sql,
}

pub fn classify(error: &tokio_postgres::Error) -> Class {
    let Some(code) = error.code() else { return without_code(error) };
    if code.code() == SUPERSEDED {
        return Class::Superseded;
    }
    match *code {
        SqlState::LOCK_NOT_AVAILABLE | SqlState::T_R_DEADLOCK_DETECTED => Class::LockNotAvailable,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        | SqlState::IDLE_SESSION_TIMEOUT
        | SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::CANNOT_CONNECT_NOW => Class::LostAnswer,
        _ if code.code().starts_with("08") => Class::LostAnswer,
        _ => Class::Sql,
    }
}

/// Errors that the driver made itself: about our values, or about the connection.
fn without_code(error: &tokio_postgres::Error) -> Class {
    let words = error.to_string();
    let ours = ["serializ", "invalid column", "parameters", "unexpected number"];
    if ours.iter().any(|w| words.contains(w)) { Class::Sql } else { Class::LostAnswer }
}

impl FenceError {
    /// As `classify`, with the fence that was used.
    pub fn of(fence: i64, error: &tokio_postgres::Error) -> FenceError {
        let why = reason(error);
        match classify(error) {
            Class::Superseded => FenceError::Superseded { fence },
            Class::LockNotAvailable => FenceError::LockNotAvailable { why },
            Class::LostAnswer => FenceError::LostAnswer { why },
            Class::Sql => FenceError::Sql { why, code: error.code().map_or("", |c| c.code()).to_string() },
        }
    }
}
