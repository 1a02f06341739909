//! A proof that a table is as its files say, so that a pass with nothing to do costs a scan and no comparison.
//!
//! A stamp holds a digest of what the files say and a hash over all rows of the table. It is made in one statement
//! with a comparison that finds nothing, and only by an `apply` that wrote something; every writer of `nica.seed`
//! takes it away first. Whoever finds files and hash unchanged need not compare; everybody else compares.

use super::shape::Shape;
use super::target::Target;
use super::{Params, SeedError, sql_error};
use crate::scratch::quoted;
use std::collections::BTreeMap;
use tokio_postgres::{GenericClient, Row, Transaction, types::Type};

/// By table.
pub(super) type Stamps = BTreeMap<String, Stamp>;

pub(super) struct Stamp {
    files: String,
    columns: Vec<String>,
    retire: Option<String>,
    rows: String,
}

/// All of them; nothing where NICA has never been.
pub(super) async fn read(client: &impl GenericClient, has_nica: bool) -> Result<Stamps, SeedError> {
    if !has_nica {
        return Ok(Stamps::new());
    }
    let sql = "SELECT \"table\", files, columns, retire, rows FROM nica.seed_stamp";
    let rows = client.query_typed(sql, &[]).await.map_err(sql_error("read the stamps of seeds"))?;
    let stamp = |row: &Row| {
        let stamp = Stamp { files: row.get(1), columns: row.get(2), retire: row.get(3), rows: row.get(4) };
        (row.get(0), stamp)
    };
    Ok(rows.iter().map(stamp).collect())
}

/// Take the stamps of these tables away, before anything is written.
pub(super) async fn drop(tx: &impl GenericClient, tables: &[&str]) -> Result<(), SeedError> {
    let sql = "DELETE FROM nica.seed_stamp WHERE \"table\" = ANY($1)";
    let dropped = tx.execute_typed(sql, &[(&tables, Type::TEXT_ARRAY)]).await;
    dropped.map(|_| ()).map_err(sql_error("write the stamps of seeds"))
}

impl Target<'_> {
    /// Whether the stamp still holds.
    pub(super) async fn is_proven(
        &self,
        client: &impl GenericClient,
        stamps: &Stamps,
    ) -> Result<bool, SeedError> {
        let Some(stamp) = stamps.get(self.table) else { return Ok(false) };
        let same = stamp.columns == self.columns && stamp.retire.as_deref() == self.retire;
        let there = self.absent.is_empty() && self.retire.is_none_or(|column| self.shape.has(column));
        if !same || !there || stamp.files != self.digest() {
            return Ok(false);
        }
        let rows = client.query_typed_one(&format!("SELECT {}", self.rows_hash()), &[]).await;
        let rows = rows.map_err(sql_error(format!("read the seeds of {}", self.table)))?;
        Ok(rows.get::<_, &str>(0) == stamp.rows)
    }

    /// Prove it anew. One statement, one snapshot: what is hashed is what was compared.
    pub(super) async fn prove(&self, tx: &Transaction<'_>) -> Result<(), SeedError> {
        let sql = format!(
            "INSERT INTO nica.seed_stamp (\"table\", files, columns, retire, rows)
             SELECT $3, $5, $4, $6, {} WHERE NOT EXISTS (SELECT FROM ({}) d)
             ON CONFLICT (\"table\") DO UPDATE SET files = excluded.files, columns = excluded.columns,
                retire = excluded.retire, rows = excluded.rows",
            self.rows_hash(),
            self.compare_sql(true)
        );
        let (json, files) = (self.json(0..self.rows.len()), self.digest());
        let params: Params<'_, 6> = [
            (&json, Type::TEXT),
            (&[0_i64; 0].as_slice(), Type::INT8_ARRAY),
            (&self.table, Type::TEXT),
            (&self.columns, Type::TEXT_ARRAY),
            (&files, Type::TEXT),
            (&self.retire, Type::TEXT),
        ];
        let proven = tx.execute_typed(&sql, &params).await;
        proven.map(|_| ()).map_err(sql_error(format!("stamp the seeds of {}", self.table)))
    }

    /// How many rows, and the sum of their hashes: the order of rows does not matter.
    fn rows_hash(&self) -> String {
        let columns = self.columns.iter().map(String::as_str).chain(self.own_retire());
        let each: Vec<_> = columns.map(|column| hashed(&self.shape, column)).collect();
        format!(
            "(SELECT concat(count(*), ' ', sum(hash_record_extended(ROW({}), 0))) FROM {} h)",
            each.join(", "),
            self.quoted()
        )
    }
}

/// By value where the type has a hash of its own that says so, else by its text.
fn hashed(shape: &Shape, column: &str) -> String {
    let place = format!("h.{}", quoted(column));
    match shape.columns[column].base.as_str() {
        "smallint"
        | "integer"
        | "bigint"
        | "boolean"
        | "numeric"
        | "date"
        | "uuid"
        | "jsonb"
        | "timestamp with time zone"
        | "timestamp without time zone" => place,
        _ => format!("{place}::text COLLATE \"C\""),
    }
}
