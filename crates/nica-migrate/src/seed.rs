//! Seeds: reference rows that a release carries and that come back when they are lost.
//!
//! Files are read in `file`, tables as they are in `shape`; `compare` finds what differs by value as Postgres sees it,
//! `apply` writes only that, `undo` puts back only what still is what the run wrote, `digest` names the whole state.
//! Nothing here begins or ends a transaction. A row is known by its table and its key, a line of JSON that Postgres
//! itself wrote.

mod apply;
mod compare;
mod digest;
mod file;
mod local;
mod shape;
mod stamp;
mod target;
mod undo;

pub use apply::{Changed, apply};
pub use compare::{Difference, Differences, What, differences};
pub use digest::digest;
pub use file::{Mistake, Mistakes, Row, SeedFile, Status};
pub use local::mark_local;
pub use undo::{Undone, forget_undo, hand_over_undo, undo, undo_open};

use crate::connect::reason;
use serde::{Deserialize, Serialize};
use std::fmt;
use tokio_postgres::types::{ToSql, Type};

/// One row, for messages and records: `foods {"code": 3}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowName {
    pub table: String,
    pub key: String,
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.table, self.key)
    }
}

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error("seed {table} from {file}: there is no such table; a migration must create it first")]
    NoTable { file: String, table: String },
    #[error(
        "seed {table} from {file}: the table has no column {columns:?}; check the file against the migrations"
    )]
    NoColumn { file: String, table: String, columns: Vec<String> },
    #[error(
        "seed {table} from {file}: no unique index covers the key {key:?}; without one a row could come twice, so \
         create one in a migration"
    )]
    KeyNotUnique { file: String, table: String, key: Vec<String> },
    #[error(
        "seed {table} from {file}: the retire column {column} is {found}, which cannot hold an instant; make it \
         timestamptz"
    )]
    RetireType { file: String, table: String, column: String, found: String },
    #[error("{doing}: {}", reason(.source))]
    Sql { doing: String, source: tokio_postgres::Error },
}

impl SeedError {
    /// The driver's error, where a caller wants to know whether trying again makes sense.
    pub fn postgres(&self) -> Option<&tokio_postgres::Error> {
        match self {
            SeedError::Sql { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Parameters with their types: one round trip, nothing to prepare.
type Params<'a, const N: usize> = [(&'a (dyn ToSql + Sync), Type); N];

fn sql_error(doing: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> SeedError {
    let doing = doing.into();
    move |source| SeedError::Sql { doing, source }
}
