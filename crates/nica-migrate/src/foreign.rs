//! Migration folders in the forms of other tools: sqlx, refinery, dbmate, Flyway.
//!
//! Each file becomes a NICA migration under the rules of NICA's own form, and keeps what its tool's ledger knows it by:
//! version, name and checksum. One module per form takes a file apart; `folder` puts the parts together, `ledger` reads
//! what a tool wrote down in the database. Comparing and taking over stand in `adopt`.

mod dbmate;
mod flyway;
mod folder;
mod frame;
mod ledger;
mod refinery;
mod sqlx;

pub use folder::{detect, read_any, read_dir};
pub use ledger::{Ledger, LedgerError, Row};

use crate::source::Migration;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A tool whose folder and ledger are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    Sqlx,
    Refinery,
    Dbmate,
    Flyway,
}

/// One migration of a foreign folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// What NICA makes of it.
    pub migration: Migration,
    /// As its tool's ledger writes it.
    pub version: String,
    /// As its tool's ledger writes it; none where the ledger has no names.
    pub name: Option<String>,
    /// Any of these in the ledger is this file; empty where the tool keeps none.
    pub checksums: Vec<String>,
    /// Below the folder.
    pub file: String,
}

impl Form {
    pub const ALL: [Form; 4] = [Form::Sqlx, Form::Refinery, Form::Dbmate, Form::Flyway];

    pub fn word(self) -> &'static str {
        match self {
            Form::Sqlx => "sqlx",
            Form::Refinery => "refinery",
            Form::Dbmate => "dbmate",
            Form::Flyway => "flyway",
        }
    }

    /// Where the tool keeps its ledger unless it is told otherwise.
    pub fn table(self) -> &'static str {
        match self {
            Form::Sqlx => "_sqlx_migrations",
            Form::Refinery => "refinery_schema_history",
            Form::Dbmate => "schema_migrations",
            Form::Flyway => "flyway_schema_history",
        }
    }

    /// Whether the tool goes on when a file has a version below one that is applied.
    pub(crate) fn allows_late(self) -> bool {
        matches!(self, Form::Sqlx | Form::Dbmate)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests;
