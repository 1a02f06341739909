//! Write what differs, and keep what was there before, in the caller's one transaction.
//!
//! The comparison comes first and is a read: when nothing differs, nothing is written, not even a record. Rows are
//! written in file order (a later file may refer to an earlier one), rows that left the files last.

mod retire;
mod write;

use super::compare::{Comparison, Found, What};
use super::target::Target;
use super::{RowName, SeedError, SeedFile, stamp};
use serde::Serialize;
use std::collections::BTreeSet;
use tokio_postgres::Transaction;

/// What was written, row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changed {
    pub inserted: Vec<RowName>,
    /// Altered rows that were repaired, and retired ones that came back.
    pub updated: Vec<RowName>,
    /// No longer in the files; where the table has no retire column they stay, and only the record says so.
    pub retired: Vec<RowName>,
    /// Found equal and recorded for the first time; the row itself was not touched.
    pub recorded: Vec<RowName>,
    /// Kept as an operator wants them; not touched.
    pub local: Vec<RowName>,
}

impl Changed {
    /// Whether not even a record was written.
    pub fn is_nothing(&self) -> bool {
        [&self.inserted, &self.updated, &self.retired, &self.recorded].iter().all(|rows| rows.is_empty())
    }
}

/// Make the tables as the files say. `run` is who can take it back with `undo`.
///
/// # Errors
/// A table, column or unique key that is missing, or Postgres refuses a row; the caller's transaction is then to be
/// rolled back.
pub async fn apply(tx: &Transaction<'_>, files: &[SeedFile], run: &str) -> Result<Changed, SeedError> {
    let comparison = Comparison::make(tx, files).await?;
    for (target, _) in &comparison.targets {
        check(target)?;
    }
    let summary = comparison.summary();
    let touched: BTreeSet<&str> =
        summary.rows.iter().map(|difference| difference.row.table.as_str()).collect();
    if !touched.is_empty() {
        stamp::drop(tx, &touched.iter().copied().collect::<Vec<_>>()).await?;
    }
    let mut changed = Changed { local: summary.local.clone(), ..Changed::default() };
    for file in files {
        let (target, found) = of_file(&comparison, file);
        write::rows(&write::Job { tx, target, run }, &rows_of(target, found, file), &mut changed).await?;
    }
    retire::rows(tx, &comparison, run, &mut changed).await?;
    for (target, _) in comparison.targets.iter().filter(|(target, _)| touched.contains(target.table)) {
        target.prove(tx).await?;
    }
    Ok(changed)
}

/// A row to be written: its number, its key and why.
struct Todo<'a> {
    at: usize,
    key: &'a str,
    what: &'a What,
}

fn of_file<'a, 'f>(comparison: &'a Comparison<'f>, file: &SeedFile) -> (&'a Target<'f>, &'a [Found]) {
    let of_table = comparison.targets.iter().find(|(target, _)| target.table == file.table);
    let (target, found) = of_table.expect("the comparison was made from these files");
    (target, found)
}

fn rows_of<'a>(target: &Target<'_>, found: &'a [Found], file: &SeedFile) -> Vec<Todo<'a>> {
    let todo = |row: &'a Found| Some(Todo { at: row.at?, key: &row.key, what: row.what.as_ref()? });
    let of_file = |todo: &Todo<'_>| std::ptr::eq(target.rows[todo.at].0, file);
    found.iter().filter_map(todo).filter(of_file).collect()
}

/// What a plan may still wait for must be there now.
fn check(target: &Target<'_>) -> Result<(), SeedError> {
    let Some((file, _)) = target.rows.first() else { return Ok(()) };
    let (file, table) = (file.name.clone(), target.table.to_string());
    if !target.shape.exists() {
        return Err(SeedError::NoTable { file, table });
    }
    let mut columns = target.absent.clone();
    columns.extend(target.retire.filter(|c| !target.shape.has(c)).map(str::to_string));
    if !columns.is_empty() {
        return Err(SeedError::NoColumn { file, table, columns });
    }
    if !target.shape.is_unique(target.key) {
        return Err(SeedError::KeyNotUnique { file, table, key: target.key.to_vec() });
    }
    check_retire(target, file, table)
}

fn check_retire(target: &Target<'_>, file: String, table: String) -> Result<(), SeedError> {
    let Some(column) = target.retire else { return Ok(()) };
    let found = target.shape.columns[column].type_name.clone();
    if found.starts_with("timestamp") || found == "date" {
        return Ok(());
    }
    Err(SeedError::RetireType { file, table, column: column.to_string(), found })
}
