//! One line that names all managed seed rows as they really are in their tables.
//!
//! Rows that are retired do not count: after going back, the digest is the baseline's again. Of a row that an
//! operator keeps, only the name counts.

use super::shape::{Shape, Shapes, quoted_table, same_key};
use super::{Params, SeedError, sql_error};
use crate::scratch::quoted;
use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use tokio_postgres::{GenericClient, Row, types::Type};

/// Records whose rows are read in the same way.
struct Group {
    table: String,
    key: Vec<String>,
    columns: Vec<String>,
    retire: Option<String>,
}

const GROUPS: &str =
    "SELECT DISTINCT \"table\", ARRAY(SELECT json_object_keys(key::json))::text[], columns, retire
    FROM nica.seed ORDER BY 1, 2, 3, 4";

/// SHA-256 in hex. Reads only; the same for the same rows, whatever the order in which they were written. Without a
/// schema `nica` it is the digest of nothing.
///
/// # Errors
/// The connection is lost.
pub async fn digest(client: &impl GenericClient) -> Result<String, SeedError> {
    let doing = || sql_error("read which seeds are recorded");
    let there = client.query_typed_one("SELECT to_regclass('nica.seed') IS NOT NULL", &[]);
    let groups = match there.await.map_err(doing())?.get(0) {
        true => client.query_typed(GROUPS, &[]).await.map_err(doing())?,
        false => Vec::new(),
    };
    let groups: Vec<Group> = groups.iter().map(Group::of).collect();
    let tables: BTreeSet<String> = groups.iter().map(|group| group.table.clone()).collect();
    let shapes = Shapes::read(client, &tables).await?;
    let lines =
        try_join_all(groups.iter().map(|group| group.lines(client, shapes.table(&group.table)))).await?;
    let mut lines: Vec<String> = lines.into_iter().flatten().collect();
    lines.sort();
    Ok(hex::encode(Sha256::digest(lines.join("\n"))))
}

impl Group {
    fn of(row: &Row) -> Group {
        Group { table: row.get(0), key: row.get(1), columns: row.get(2), retire: row.get(3) }
    }

    async fn lines(&self, client: &impl GenericClient, shape: Shape) -> Result<Vec<String>, SeedError> {
        if !self.key.iter().all(|column| shape.has(column)) {
            return Ok(Vec::new());
        }
        let params: Params<'_, 4> = [
            (&self.table, Type::TEXT),
            (&self.columns, Type::TEXT_ARRAY),
            (&self.retire, Type::TEXT),
            (&self.key, Type::TEXT_ARRAY),
        ];
        let rows = client
            .query_typed(&self.sql(&shape), &params)
            .await
            .map_err(sql_error(format!("read the seeds of {}", self.table)))?;
        Ok(rows
            .iter()
            .map(|row| format!("{}\t{}\t{}", self.table, row.get::<_, &str>(0), row.get::<_, &str>(1)))
            .collect())
    }

    fn sql(&self, shape: &Shape) -> String {
        let columns: Vec<String> = self.columns.iter().filter(|c| shape.has(c)).cloned().collect();
        let sum = if columns.is_empty() { "''".to_string() } else { shape.sum("h", &columns) };
        let retire =
            self.retire.as_deref().filter(|c| shape.has(c) && !columns.iter().any(|column| column == c));
        let (live, gone) = match retire {
            Some(c) => (format!("h.{} IS NULL", quoted(c)), "' retired'"),
            None => ("s.state = 'live'".to_string(), "''"),
        };
        format!(
            "SELECT s.key, CASE WHEN s.local THEN 'local' WHEN {live} THEN {sum} ELSE {sum} || {gone} END
             FROM nica.seed s CROSS JOIN LATERAL json_to_record(s.key::json) AS k({list})
             LEFT JOIN {table} h ON {same}
             WHERE s.\"table\" = $1 AND s.columns = $2 AND s.retire IS NOT DISTINCT FROM $3
               AND ARRAY(SELECT json_object_keys(s.key::json))::text[] = $4
               AND (s.local OR h.{first} IS NOT NULL AND (s.state = 'live' OR {live}))",
            list = shape.column_list(&self.key),
            table = quoted_table(&self.table),
            same = same_key(&self.key, "h", "k"),
            first = quoted(&self.key[0]),
        )
    }
}
