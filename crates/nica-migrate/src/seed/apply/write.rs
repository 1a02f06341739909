//! Rows of one file: insert the missing, repair the altered, record all three kinds with what was there before.

use super::{Changed, Todo};
use crate::scratch::quoted;
use crate::seed::compare::What;
use crate::seed::shape::{Shape, same_key, text_literal};
use crate::seed::target::Target;
use crate::seed::{Params, RowName, SeedError, sql_error};
use serde_json::Value;
use std::collections::HashMap;
use tokio_postgres::{Transaction, types::Type};

/// Where to write and in whose name.
pub(super) struct Job<'a> {
    pub(super) tx: &'a Transaction<'a>,
    pub(super) target: &'a Target<'a>,
    pub(super) run: &'a str,
}

pub(super) async fn rows(job: &Job<'_>, todo: &[Todo<'_>], changed: &mut Changed) -> Result<(), SeedError> {
    let (mut missing, mut altered, mut unrecorded) = (Vec::new(), Vec::new(), Vec::new());
    for row in todo {
        match row.what {
            What::Missing => missing.push(row),
            What::Altered { .. } => altered.push(row),
            What::Unrecorded => unrecorded.push(row),
            What::Retire => {}
        }
    }
    job.repair(&altered).await?;
    job.insert(&missing).await?;
    job.record(&unrecorded, "record", &HashMap::new()).await?;
    let name = |row: &&Todo<'_>| RowName { table: job.target.table.to_string(), key: row.key.to_string() };
    changed.inserted.extend(missing.iter().map(name));
    changed.updated.extend(altered.iter().map(name));
    changed.recorded.extend(unrecorded.iter().map(name));
    Ok(())
}

impl Job<'_> {
    async fn insert(&self, rows: &[&Todo<'_>]) -> Result<(), SeedError> {
        if rows.is_empty() {
            return Ok(());
        }
        let columns: Vec<_> = self.target.columns.iter().map(|c| quoted(c)).collect();
        let sql = format!(
            "WITH {} INSERT INTO {} ({columns}) SELECT {columns} FROM w ORDER BY \"nica.at\"",
            self.target.wanted(),
            self.target.quoted(),
            columns = columns.join(", "),
        );
        let json = self.json(rows);
        let doing = || sql_error(format!("insert seeds into {}", self.target.table));
        self.tx.execute_typed(&sql, &[(&json, Type::TEXT)]).await.map_err(doing())?;
        self.record(rows, "insert", &HashMap::new()).await
    }

    async fn repair(&self, rows: &[&Todo<'_>]) -> Result<(), SeedError> {
        if rows.is_empty() {
            return Ok(());
        }
        let before = self.lock(rows).await?;
        let values = self.target.columns.iter().map(|c| format!("{0} = w.{0}", quoted(c)));
        let unretired = self.target.own_retire().map(|c| format!("{} = NULL", quoted(c)));
        let sql = format!(
            "WITH {} UPDATE {} h SET {} FROM w WHERE {}",
            self.target.wanted(),
            self.target.quoted(),
            values.chain(unretired).collect::<Vec<_>>().join(", "),
            same_key(self.target.key, "h", "w"),
        );
        let json = self.json(rows);
        let doing = || sql_error(format!("repair seeds of {}", self.target.table));
        self.tx.execute_typed(&sql, &[(&json, Type::TEXT)]).await.map_err(doing())?;
        self.record(rows, "update", &before).await
    }

    /// The rows as they are, and as they stay until we have written them. Not a stronger lock than the update takes:
    /// users who refer to a row by its key do not wait.
    async fn lock(&self, rows: &[&Todo<'_>]) -> Result<HashMap<String, Value>, SeedError> {
        let sql = format!(
            "WITH {} SELECT w.\"nica.key\", {} FROM w JOIN {} h ON {} FOR NO KEY UPDATE OF h",
            self.target.wanted(),
            Shape::verbatim("h", &self.written()),
            self.target.quoted(),
            same_key(self.target.key, "h", "w"),
        );
        let doing = || sql_error(format!("lock seeds of {}", self.target.table));
        let rows = self.tx.query_typed(&sql, &[(&self.json(rows), Type::TEXT)]).await.map_err(doing())?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// One statement, so that the undo row sees the record as it was.
    async fn record(
        &self,
        rows: &[&Todo<'_>],
        did: &str,
        before: &HashMap<String, Value>,
    ) -> Result<(), SeedError> {
        if rows.is_empty() {
            return Ok(());
        }
        let before: Vec<Option<&Value>> = rows.iter().map(|row| before.get(row.key)).collect();
        let retire = self.target.retire.filter(|c| self.target.shape.has(c));
        let json = self.json(rows);
        let params: Params<'_, 7> = [
            (&json, Type::TEXT),
            (&self.target.table, Type::TEXT),
            (&self.run, Type::TEXT),
            (&self.target.columns, Type::TEXT_ARRAY),
            (&retire, Type::TEXT),
            (&before, Type::JSONB_ARRAY),
            (&did, Type::TEXT),
        ];
        let doing = || sql_error(format!("record seeds of {}", self.target.table));
        self.tx.execute_typed(&self.record_sql(did), &params).await.map_err(doing())?;
        Ok(())
    }

    fn record_sql(&self, did: &str) -> String {
        let wrote = if did == "update" { self.written() } else { self.target.columns.clone() };
        format!(
            "WITH {wanted},
             now AS (SELECT w.\"nica.key\" AS key, {sum} AS sum, {wrote} AS wrote, ($6::jsonb[])[w.\"nica.at\"] AS before
                     FROM w JOIN {table} h ON {same_key}),
             {undo}
             INSERT INTO nica.seed (\"table\", key, sum, columns, retire, state, run)
             SELECT $2, key, sum, $4, $5, 'live', $3 FROM now
             ON CONFLICT (\"table\", key) DO UPDATE SET sum = excluded.sum, columns = excluded.columns,
                retire = excluded.retire, state = excluded.state, run = excluded.run",
            wanted = self.target.wanted(),
            sum = self.target.shape.sum("h", &self.target.columns),
            wrote = self.target.shape.sum("h", &wrote),
            table = self.target.quoted(),
            same_key = same_key(self.target.key, "h", "w"),
            undo = undo_sql("$7", "$3", "$2"),
        )
    }

    /// The columns that a repair writes.
    fn written(&self) -> Vec<String> {
        let retire = self.target.own_retire().map(str::to_string);
        self.target.columns.iter().cloned().chain(retire).collect()
    }

    fn json(&self, rows: &[&Todo<'_>]) -> String {
        self.target.json(rows.iter().map(|row| row.at))
    }
}

/// `undo AS (INSERT …)` from `now (key, wrote, before)`. A run that writes a row twice keeps the first before.
pub(super) fn undo_sql(did: &str, run: &str, table: &str) -> String {
    format!(
        "undo AS (INSERT INTO nica.seed_undo (run, \"table\", key, before, wrote_sum)
            SELECT {run}, {table}, now.key,
                jsonb_build_object('did', {did}::text, 'row', now.before, 'seed', to_jsonb(s) - {columns}::text[]),
                now.wrote
            FROM now LEFT JOIN nica.seed s ON s.\"table\" = {table} AND s.key = now.key
            ON CONFLICT (run, \"table\", key) DO UPDATE SET wrote_sum = excluded.wrote_sum)",
        columns = text_literal("{table,key,local}"),
    )
}
