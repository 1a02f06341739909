//! A few rows in every table, so that what fails on rows fails here: a NOT NULL, a unique index, a new type.
//!
//! Two rows are full, one holds only what it must: people leave empty what may be empty. A table whose checks cannot be
//! guessed stays empty, which is said to whoever traces; what is judged by the catalogue does not need the rows.

mod value;

use super::CertifyError;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::{Client, Transaction};

const TABLES: &str = include_str!("rows.sql");
/// Tries at one row: the check that refuses one says which columns to guess again.
const TRIES_MAX: u32 = 24;

/// Fills tables, each row with a number of its own.
#[derive(Debug, Default)]
pub(super) struct Rows {
    made: u32,
}

#[derive(Debug, Deserialize)]
struct Table {
    id: i64,
    name: String,
    columns: Vec<Column>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
    /// As SQL writes it.
    #[serde(rename = "type")]
    kind: String,
    /// What a domain is made of.
    base: String,
    /// As `pg_type.typcategory`.
    category: String,
    /// A row cannot do without a value for it.
    required: bool,
    /// A sequence gives its values.
    counted: bool,
    labels: Vec<String>,
    /// Constraint and definition, the domain's too.
    checks: BTreeMap<String, String>,
    /// Table and column that it references.
    parent: Option<(String, String)>,
}

impl Rows {
    /// Rows in the tables with these ids. A table that references another one waits until that has its rows.
    pub(super) async fn fill(
        &mut self,
        client: &mut Client,
        wanted: &BTreeSet<i64>,
    ) -> Result<(), CertifyError> {
        let look = |e: tokio_postgres::Error| CertifyError::look(&e);
        let row = client.query_one(TABLES, &[]).await.map_err(look)?;
        let all: Vec<Table> =
            serde_json::from_value(row.get(0)).expect("rows.sql writes what this file reads");
        let mut empty: Vec<_> = all.into_iter().filter(|table| wanted.contains(&table.id)).collect();
        let mut tx = client.transaction().await.map_err(look)?;
        loop {
            let before = empty.len();
            let mut still_empty = Vec::new();
            for table in empty {
                if !self.fill_table(&mut tx, &table).await? {
                    still_empty.push(table);
                }
            }
            empty = still_empty;
            if empty.is_empty() || empty.len() == before {
                break;
            }
        }
        for table in empty {
            tracing::debug!(table = table.name, "no rows could be made up for a table");
        }
        tx.commit().await.map_err(look)
    }

    async fn fill_table(&mut self, tx: &mut Transaction<'_>, table: &Table) -> Result<bool, CertifyError> {
        let mut any = false;
        for full in [true, true, false] {
            any |= self.insert(tx, table, full).await?;
        }
        Ok(any)
    }

    async fn insert(
        &mut self,
        tx: &mut Transaction<'_>,
        table: &Table,
        full: bool,
    ) -> Result<bool, CertifyError> {
        self.made += 1;
        let mut guesses = vec![0; table.columns.len()];
        for _ in 0..TRIES_MAX {
            let Some(sql) = table.insert(self.made, &guesses, full) else { return Ok(false) };
            let look = |e: tokio_postgres::Error| CertifyError::look(&e);
            let savepoint = tx.transaction().await.map_err(look)?;
            let error = match savepoint.batch_execute(&sql).await {
                Ok(()) => return savepoint.commit().await.map_err(look).map(|()| true),
                Err(error) => error,
            };
            savepoint.rollback().await.map_err(look)?;
            let check = error.as_db_error().and_then(|e| e.constraint()).unwrap_or_default();
            if !table.guess_again(&mut guesses, check) {
                break;
            }
        }
        Ok(false)
    }
}

impl Table {
    /// None when a column that must be filled has a type of which no value is known.
    fn insert(&self, row: u32, guesses: &[usize], full: bool) -> Option<String> {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        let columns = self.columns.iter().zip(guesses).filter(|(c, _)| !c.counted && (full || c.required));
        for (column, guess) in columns {
            match value::of(column, row, *guess) {
                Some(value) => {
                    names.push(column.name.as_str());
                    values.push(value);
                }
                None if column.required => return None,
                None => {}
            }
        }
        let name = &self.name;
        if names.is_empty() {
            return Some(format!("INSERT INTO {name} DEFAULT VALUES"));
        }
        Some(format!("INSERT INTO {name} ({}) VALUES ({})", names.join(", "), values.join(", ")))
    }

    /// The columns of the check that refused. Where it was no check, a guess before has met something else: all of
    /// those again. False when nothing is left to guess.
    fn guess_again(&self, guesses: &mut [usize], check: &str) -> bool {
        let refused = self.columns.iter().any(|column| column.checks.contains_key(check));
        let mut any = false;
        for (column, guess) in self.columns.iter().zip(guesses) {
            if if refused { column.checks.contains_key(check) } else { *guess > 0 } {
                (*guess, any) = (*guess + 1, true);
            }
        }
        any
    }
}
