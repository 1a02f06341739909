//! Take back what a run did to seeds, where it still is what the run wrote.
//!
//! A row that somebody has changed since is theirs. A row that the run inserted may be referred to already, so it is
//! retired; without a retire column it stays and is named. The undo rows go in the same transaction, so doing it
//! twice does nothing.

mod plan;

use super::shape::{Shape, Shapes, quoted_table, same_key};
use super::{Params, RowName, SeedError, sql_error, stamp};
use crate::scratch::quoted;
use plan::{Batch, batches};
use std::collections::BTreeSet;
use tokio_postgres::{GenericClient, Transaction, types::Type};

/// What going back came to, row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Values or retirement as before the run.
    pub restored: Vec<RowName>,
    /// Inserted by the run, now marked.
    pub retired: Vec<RowName>,
    /// Inserted by the run, and stay: no retire column, or an operator keeps them.
    pub kept: Vec<RowName>,
    /// No longer what the run wrote; left to whoever changed it.
    pub changed_since: Vec<RowName>,
}

/// Whether the run has something to take back.
///
/// # Errors
/// The connection is lost.
pub async fn undo_open(client: &impl GenericClient, run: &str) -> Result<bool, SeedError> {
    let doing = || sql_error("read what a run changed");
    let there = client.query_typed_one("SELECT to_regclass('nica.seed_undo') IS NOT NULL", &[]).await;
    if !there.map_err(doing())?.get::<_, bool>(0) {
        return Ok(false);
    }
    let sql = "SELECT EXISTS (SELECT FROM nica.seed_undo WHERE run = $1)";
    let open = client.query_typed_one(sql, &[(&run, Type::TEXT)]).await;
    Ok(open.map_err(doing())?.get(0))
}

/// Forget how to take back what a run did: it settled forward.
///
/// # Errors
/// The connection is lost.
pub async fn forget_undo(tx: &Transaction<'_>, run: &str) -> Result<u64, SeedError> {
    let sql = "DELETE FROM nica.seed_undo WHERE run = $1";
    tx.execute_typed(sql, &[(&run, Type::TEXT)]).await.map_err(sql_error("forget what a run changed"))
}

/// What one run did is another's to take back from now on: it takes that one's place.
///
/// # Errors
/// The connection is lost.
pub async fn hand_over_undo(tx: &Transaction<'_>, from: &str, to: &str) -> Result<u64, SeedError> {
    let sql = "UPDATE nica.seed_undo SET run = $2 WHERE run = $1";
    let values = [(&from as _, Type::TEXT), (&to as _, Type::TEXT)];
    tx.execute_typed(sql, &values).await.map_err(sql_error("hand over what a run changed"))
}

/// # Errors
/// Postgres refuses a row; the caller's transaction is then to be rolled back.
pub async fn undo(tx: &Transaction<'_>, run: &str) -> Result<Undone, SeedError> {
    let mut undone = Undone::default();
    let batches = batches(tx, run).await?;
    let tables: BTreeSet<String> = batches.iter().map(|batch| batch.table.clone()).collect();
    let shapes = Shapes::read(tx, &tables).await?;
    stamp::drop(tx, &tables.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    for batch in &batches {
        let shape = shapes.table(&batch.table);
        let hit = batch.write(tx, &shape).await?;
        batch.sort(&hit, &mut undone);
    }
    restore_records(tx, run).await?;
    forget_undo(tx, run).await?;
    Ok(undone)
}

impl Batch {
    /// The keys of the rows that were written.
    async fn write(&self, tx: &Transaction<'_>, shape: &Shape) -> Result<BTreeSet<String>, SeedError> {
        let there = |columns: &[String]| columns.iter().all(|column| shape.has(column));
        let sql = match self.did.as_str() {
            "update" | "retire" if there(&self.key) && there(&self.columns) => self.restore_sql(shape),
            "insert" if there(&self.key) && self.retire.as_ref().is_some_and(|c| shape.has(c)) => {
                self.retire_sql(shape)
            }
            _ => return Ok(BTreeSet::new()),
        };
        let doing = || sql_error(format!("put back seeds of {}", self.table));
        let rows = tx.query_typed(&sql, &[(&self.json(), Type::TEXT)]).await.map_err(doing())?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn restore_sql(&self, shape: &Shape) -> String {
        let set = self.columns.iter().map(|c| format!("{0} = w.{0}", quoted(c))).collect::<Vec<_>>();
        format!(
            "UPDATE {table} h SET {set} FROM {rows}
             WHERE {same} AND {sum} = o.wrote RETURNING o.key",
            table = quoted_table(&self.table),
            set = set.join(", "),
            rows = self.rows_sql(shape),
            same = same_key(&self.key, "h", "w"),
            sum = shape.sum("h", &self.columns),
        )
    }

    /// Already retired by somebody: as good.
    fn retire_sql(&self, shape: &Shape) -> String {
        let retire = quoted(self.retire.as_deref().unwrap_or_default());
        format!(
            "UPDATE {table} h SET {retire} = coalesce(h.{retire}, now()) FROM {rows}
             WHERE {same} AND NOT o.stays RETURNING o.key",
            table = quoted_table(&self.table),
            rows = self.rows_sql(shape),
            same = same_key(&self.key, "h", "w"),
        )
    }

    /// `o`: one undo row each, `w`: its key and values in the types of the table.
    fn rows_sql(&self, shape: &Shape) -> String {
        let mut columns = self.key.clone();
        columns.extend(self.columns.iter().filter(|c| !self.key.contains(c)).cloned());
        format!(
            "json_to_recordset($1::json) AS o(key text, \"row\" json, wrote text, stays boolean)
             CROSS JOIN LATERAL json_to_record(o.\"row\") AS w({})",
            shape.column_list(&columns)
        )
    }
}

/// `nica.seed` as before the run; rows that were not recorded then are no seeds any more, except the inserted ones,
/// which a later release may bring back. What an operator said meanwhile stays said.
async fn restore_records(tx: &Transaction<'_>, run: &str) -> Result<(), SeedError> {
    let params: Params<'_, 1> = [(&run, Type::TEXT)];
    for sql in [DROP_RECORDS, RETIRE_RECORDS, RESTORE_RECORDS] {
        tx.execute_typed(sql, &params).await.map_err(sql_error("put back what is recorded of seeds"))?;
    }
    Ok(())
}

const DROP_RECORDS: &str = "DELETE FROM nica.seed s USING nica.seed_undo u
    WHERE u.run = $1 AND s.\"table\" = u.\"table\" AND s.key = u.key
      AND u.before -> 'seed' = 'null' AND u.before ->> 'did' <> 'insert' AND NOT s.local";
const RETIRE_RECORDS: &str = "UPDATE nica.seed s SET state = 'retired' FROM nica.seed_undo u
    WHERE u.run = $1 AND s.\"table\" = u.\"table\" AND s.key = u.key
      AND u.before -> 'seed' = 'null' AND u.before ->> 'did' = 'insert'";
const RESTORE_RECORDS: &str = "UPDATE nica.seed s SET sum = b.sum, state = b.state, columns = b.columns,
        retire = b.retire, run = b.run
    FROM nica.seed_undo u CROSS JOIN LATERAL jsonb_to_record(u.before -> 'seed')
        AS b(sum text, state text, columns text[], retire text, run text)
    WHERE u.run = $1 AND s.\"table\" = u.\"table\" AND s.key = u.key AND u.before -> 'seed' <> 'null'";
