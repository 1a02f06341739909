//! Rows that left the files: people may refer to them, so they are marked, never deleted.

use super::Changed;
use super::write::undo_sql;
use crate::scratch::quoted;
use crate::seed::compare::{Comparison, What};
use crate::seed::shape::{Shape, Shapes, by_columns, quoted_table, same_key, text_literal};
use crate::seed::{Params, RowName, SeedError, sql_error};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::{Transaction, types::Type};

type Keys = Vec<String>;

pub(super) async fn rows(
    tx: &Transaction<'_>,
    comparison: &Comparison<'_>,
    run: &str,
    changed: &mut Changed,
) -> Result<(), SeedError> {
    let leaving = leaving(comparison);
    if leaving.is_empty() {
        return Ok(());
    }
    let tables: BTreeSet<String> = leaving.keys().map(|(table, _)| table.clone()).collect();
    let shapes = Shapes::read(tx, &tables).await?;
    for ((table, retire), keys) in leaving {
        for (columns, keys) in by_columns(&keys) {
            let job = Job { tx, table: &table, shape: shapes.table(&table), columns, run };
            job.retire(&keys, retire.as_deref()).await?;
        }
        changed.retired.extend(keys.into_iter().map(|key| RowName { table: table.clone(), key }));
    }
    Ok(())
}

/// By table and retire column.
fn leaving(comparison: &Comparison<'_>) -> BTreeMap<(String, Option<String>), Keys> {
    let mut leaving: BTreeMap<_, Keys> = BTreeMap::new();
    for (target, found) in &comparison.targets {
        let gone = found.iter().filter(|row| row.what == Some(What::Retire));
        for row in gone {
            let place = (target.table.to_string(), target.retire.map(str::to_string));
            leaving.entry(place).or_default().push(row.key.clone());
        }
    }
    for (row, retire) in &comparison.orphans {
        leaving.entry((row.table.clone(), retire.clone())).or_default().push(row.key.clone());
    }
    leaving
}

/// Where to retire and in whose name.
struct Job<'a> {
    tx: &'a Transaction<'a>,
    table: &'a str,
    shape: Shape,
    /// Of the key.
    columns: Vec<String>,
    run: &'a str,
}

impl Job<'_> {
    async fn retire(&self, keys: &[&str], retire: Option<&str>) -> Result<(), SeedError> {
        let findable = self.columns.iter().all(|c| self.shape.has(c)) && !self.columns.is_empty();
        let now = match retire.filter(|c| findable && self.shape.has(c)) {
            Some(retire) => self.mark_sql(retire),
            None => "now AS (SELECT key, ''::text AS wrote, NULL::jsonb AS before FROM keys)".to_string(),
        };
        let sql = format!(
            "WITH keys AS (SELECT unnest($1::text[]) AS key), {now}, {}
             UPDATE nica.seed s SET state = 'retired', run = $2
             FROM now WHERE s.\"table\" = $3 AND s.key = now.key",
            undo_sql("CASE WHEN now.before IS NULL THEN 'record' ELSE 'retire' END", "$2", "$3"),
        );
        let params: Params<'_, 3> =
            [(&keys, Type::TEXT_ARRAY), (&self.run, Type::TEXT), (&self.table, Type::TEXT)];
        let doing = || sql_error(format!("retire seeds of {}", self.table));
        self.tx.execute_typed(&sql, &params).await.map_err(doing())?;
        Ok(())
    }

    /// The key is compared as text too: a key whose column has changed its type no longer names this row.
    fn mark_sql(&self, retire: &str) -> String {
        format!(
            "hit AS (UPDATE {table} h SET {column} = now()
                FROM keys CROSS JOIN LATERAL json_to_record(keys.key::json) AS w({list})
                WHERE {same} AND {text}::text = keys.key AND h.{column} IS NULL
                RETURNING keys.key, {sum} AS wrote),
             now AS (SELECT keys.key, coalesce(hit.wrote, '') AS wrote,
                        CASE WHEN hit.key IS NOT NULL THEN jsonb_build_object({retire}, NULL) END AS before
                     FROM keys LEFT JOIN hit USING (key))",
            table = quoted_table(self.table),
            column = quoted(retire),
            list = self.shape.column_list(&self.columns),
            same = same_key(&self.columns, "h", "w"),
            text = self.shape.canonical("h", &self.columns),
            sum = self.shape.sum("h", &[retire.to_string()]),
            retire = text_literal(retire),
        )
    }
}
