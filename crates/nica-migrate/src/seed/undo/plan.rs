//! The undo rows of a run, in batches that one statement can put back: same table, same kind, same columns.

use super::Undone;
use crate::seed::{RowName, SeedError, sql_error};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::{Row, Transaction, types::Type};

/// What one statement puts back.
pub(super) struct Batch {
    pub(super) table: String,
    /// `insert`, `update`, `retire` or `record`.
    pub(super) did: String,
    pub(super) key: Vec<String>,
    /// What is written: the columns of the values from before.
    pub(super) columns: Vec<String>,
    pub(super) retire: Option<String>,
    rows: Vec<UndoRow>,
}

struct UndoRow {
    key: String,
    /// Key and values from before.
    values: Value,
    wrote: String,
    local: bool,
    /// An inserted row that the baseline has just so: it was lost, and the run brought it back.
    stays: bool,
}

const ROWS: &str = "
    SELECT u.\"table\", u.key, u.before, u.wrote_sum, coalesce(s.local, false), s.retire,
        coalesce(u.before -> 'seed' ->> 'state' = 'live' AND u.before -> 'seed' ->> 'sum' = u.wrote_sum, false)
    FROM nica.seed_undo u LEFT JOIN nica.seed s USING (\"table\", key)
    WHERE u.run = $1 ORDER BY u.\"table\", u.key";

pub(super) async fn batches(tx: &Transaction<'_>, run: &str) -> Result<Vec<Batch>, SeedError> {
    let rows = tx.query_typed(ROWS, &[(&run, Type::TEXT)]).await;
    let rows = rows.map_err(sql_error("read what a run changed"))?;
    let mut batches: BTreeMap<(String, String, Vec<String>, Vec<String>), Batch> = BTreeMap::new();
    for row in &rows {
        let one = Batch::of(row);
        let place = (one.table.clone(), one.did.clone(), one.key.clone(), one.columns.clone());
        match batches.get_mut(&place) {
            Some(batch) => batch.rows.extend(one.rows),
            None => drop(batches.insert(place, one)),
        }
    }
    Ok(batches.into_values().collect())
}

impl Batch {
    fn of(row: &Row) -> Batch {
        let (key, before): (String, Value) = (row.get(1), row.get(2));
        let object = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
        let key_values: Map<String, Value> = serde_json::from_str(&key).unwrap_or_default();
        let mut values = object(before.get("row"));
        let columns: BTreeSet<String> = values.keys().cloned().collect();
        values.extend(key_values.clone());
        let one = UndoRow {
            key,
            values: Value::Object(values),
            wrote: row.get(3),
            local: row.get(4),
            stays: row.get(6),
        };
        Batch {
            table: row.get(0),
            did: before.get("did").and_then(Value::as_str).unwrap_or_default().to_string(),
            key: key_values.into_iter().map(|(column, _)| column).collect(),
            columns: columns.into_iter().collect(),
            retire: row.get(5),
            rows: vec![one],
        }
    }

    /// The rows for the statement; those that an operator keeps are not among them.
    pub(super) fn json(&self) -> String {
        let row = |row: &UndoRow| json!({"key": row.key, "row": row.values, "wrote": row.wrote, "stays": row.stays});
        Value::Array(self.rows.iter().filter(|row| !row.local).map(row).collect()).to_string()
    }

    /// Tell apart what came of each row, now that the statement said which it wrote.
    pub(super) fn sort(&self, hit: &BTreeSet<String>, undone: &mut Undone) {
        for row in &self.rows {
            let name = RowName { table: self.table.clone(), key: row.key.clone() };
            match (self.did.as_str(), hit.contains(&row.key)) {
                ("insert", true) => undone.retired.push(name),
                ("insert", false) if row.stays => undone.restored.push(name),
                ("insert", false) => undone.kept.push(name),
                ("update" | "retire", true) => undone.restored.push(name),
                ("update" | "retire", false) => undone.changed_since.push(name),
                _ => {}
            }
        }
    }
}
