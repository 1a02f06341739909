//! The schema as programs know it: what they may name, write and rely on. The reading stands in `shape.sql`.
//!
//! A fingerprint says whether two schemas are equal; a shape says what the difference means to somebody who reads and
//! writes through it.

use super::CertifyError;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::GenericClient;

const SHAPE: &str = include_str!("shape.sql");

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Shape {
    /// `diary`, `app.diary`
    pub(super) relations: BTreeMap<String, Relation>,
    pub(super) types: BTreeMap<String, Type>,
    /// With their arguments: `total(integer)`.
    pub(super) functions: BTreeSet<String>,
    pub(super) event_triggers: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Relation {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) id: i64,
    /// As `pg_class.relkind`.
    pub(super) kind: String,
    /// It has a primary key.
    pub(super) keyed: bool,
    /// A sequence that belongs to a column.
    pub(super) owned: bool,
    pub(super) row_security: bool,
    pub(super) columns: BTreeMap<String, Column>,
    /// Their definitions; of what is unique, `uniques` says it.
    pub(super) constraints: BTreeSet<String>,
    /// The definitions of unique indexes from their method on.
    pub(super) uniques: BTreeSet<String>,
    /// Triggers and rules: name and definition.
    pub(super) triggers: BTreeSet<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Column {
    pub(super) number: i32,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// As `pg_attribute.atttypmod`.
    pub(super) modifier: i32,
    pub(super) not_null: bool,
    /// Whoever leaves it out gets a value.
    pub(super) filled: bool,
    /// Nobody may write it.
    pub(super) computed: bool,
    pub(super) generated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Type {
    pub(super) labels: BTreeSet<String>,
    pub(super) not_null: bool,
    pub(super) constraints: BTreeSet<String>,
}

impl Shape {
    pub(super) async fn read(client: &impl GenericClient) -> Result<Shape, CertifyError> {
        let row = client.query_one(SHAPE, &[]).await.map_err(|e| CertifyError::look(&e))?;
        let json: serde_json::Value = row.get(0);
        Ok(serde_json::from_value(json).expect("shape.sql writes what this file reads"))
    }
}

impl Relation {
    /// It holds rows of its own.
    pub(super) fn is_table(&self) -> bool {
        ["r", "p", "f"].contains(&self.kind.as_str())
    }

    pub(super) fn is_sequence(&self) -> bool {
        self.kind == "S"
    }

    /// As `park` names the whole table.
    pub(super) fn park_name(&self) -> String {
        if self.schema == "public" { self.table.clone() } else { format!("{}.{}.*", self.schema, self.table) }
    }

    pub(super) fn park_column(&self, column: &str) -> String {
        let schema = if self.schema == "public" { String::new() } else { format!("{}.", self.schema) };
        format!("{schema}{}.{column}", self.table)
    }
}

impl Column {
    /// Whoever inserts must name it.
    pub(super) fn is_required(&self) -> bool {
        self.not_null && !self.filled
    }

    /// Every value that fits into `self` fits into `wider`, is the same there, and reads the same.
    pub(super) fn fits(&self, wider: &Column) -> bool {
        let (old, new) = (self.modifier, wider.modifier);
        match (self.kind.as_str(), wider.kind.as_str()) {
            ("character varying", "text") => true,
            ("text", "character varying") => new == -1,
            (a, b) if a != b => false,
            _ if old == new || new == -1 => self.kind != "character" || old == new,
            _ if old == -1 => false,
            ("numeric", _) => numeric_fits(old, new),
            ("character" | "bit" | "interval", _) => false,
            _ => new >= old,
        }
    }
}

/// Precision and scale stand in one number, four too high; see `numerictypmodin` in Postgres' numeric.c.
fn numeric_fits(old: i32, new: i32) -> bool {
    let parts = |modifier: i32| {
        let (precision, scale) = (((modifier - 4) >> 16) & 0xffff, (modifier - 4) & 0x7ff);
        // The scale has eleven bits and a sign.
        let scale = (scale ^ 1024) - 1024;
        (precision - scale, scale)
    };
    let ((old_whole, old_scale), (new_whole, new_scale)) = (parts(old), parts(new));
    new_whole >= old_whole && new_scale >= old_scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: (&str, i32), new: (&str, i32), expected: bool) {
        let column = |(kind, modifier): (&str, i32)| Column {
            number: 1,
            kind: kind.to_string(),
            modifier,
            not_null: false,
            filled: false,
            computed: false,
            generated: false,
        };
        assert_eq!(column(old).fits(&column(new)), expected, "{old:?} into {new:?}");
    }

    #[test]
    fn only_what_holds_and_reads_the_same_is_wider() {
        let numeric = |precision: i32, scale: i32| ("numeric", ((precision << 16) | (scale & 0x7ff)) + 4);
        let varchar = |length: i32| ("character varying", length + 4);
        check(varchar(10), varchar(20), true);
        check(varchar(20), varchar(10), false);
        check(varchar(10), ("text", -1), true);
        check(("text", -1), varchar(10), false);
        check(("text", -1), ("character varying", -1), true);
        check(("character", 14), ("character", 24), false);
        check(numeric(8, 2), numeric(10, 2), true);
        check(numeric(8, 2), numeric(8, 4), false);
        check(numeric(8, 2), numeric(10, 4), true);
        check(numeric(8, -2), numeric(10, -2), true);
        check(numeric(8, 2), numeric(10, -2), false);
        check(numeric(8, 2), ("numeric", -1), true);
        check(("numeric", -1), numeric(8, 2), false);
        check(("timestamp with time zone", 0), ("timestamp with time zone", 3), true);
        // A program that reads four bytes does not read eight.
        check(("integer", -1), ("bigint", -1), false);
        check(("integer", -1), ("integer", -1), true);
    }
}
