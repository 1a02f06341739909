//! The tables that seeds go to, as they are now, and the SQL that their shape leads to.
//!
//! Rows travel as one JSON text and are read by the server into the types of the columns, so that 1.0 is 1 where the
//! column is numeric. Names are checked identifiers and quoted; nothing else of a file ever becomes SQL.

use super::{SeedError, sql_error};
use crate::scratch::quoted;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::{GenericClient, types::Type};

/// Postgres cuts names here.
const IDENTIFIER_MAX_BYTES: usize = 63;

pub(super) fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    let begins = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    begins && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '$') && name.len() <= IDENTIFIER_MAX_BYTES
}

/// `schema.table`, quoted.
pub(super) fn quoted_table(table: &str) -> String {
    table.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

/// One column of a table that exists.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// As Postgres writes it, with its modifiers, ready for a column list.
    pub(super) type_name: String,
    /// The type below a domain.
    pub(super) base: String,
}

/// A table, or its absence (no columns).
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    pub(super) columns: BTreeMap<String, Column>,
    /// The column sets of its unique indexes.
    pub(super) unique: Vec<Vec<String>>,
}

/// What is there: whether `nica.seed` is, and the shape of each table that exists.
pub(super) struct Shapes {
    pub(super) has_nica: bool,
    tables: BTreeMap<String, Shape>,
}

const SHAPES: &str = "
    SELECT t.name, to_regclass('nica.seed') IS NOT NULL,
        (SELECT json_object_agg(a.attname, json_build_array(format_type(a.atttypid, a.atttypmod),
                    coalesce(nullif(y.typbasetype, 0), a.atttypid)::regtype::text))::text
         FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
        (SELECT json_agg((SELECT json_agg(a.attname) FROM unnest(i.indkey[0:i.indnkeyatts - 1]) AS k(attnum)
                    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum))::text
         FROM pg_index i
         WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL)
    FROM unnest($1::text[], $2::text[]) AS t(name, quoted)
    LEFT JOIN pg_class c ON c.oid = to_regclass(t.quoted) AND c.relkind IN ('r', 'p')";

impl Shapes {
    /// One round trip for all tables.
    pub(super) async fn read(
        client: &impl GenericClient,
        tables: &BTreeSet<String>,
    ) -> Result<Shapes, SeedError> {
        let mut names: Vec<&str> = tables.iter().map(String::as_str).collect();
        // A first line that is always there, for the answer about nica itself.
        names.push("nica.seed");
        let quoted: Vec<String> = names.iter().map(|name| quoted_table(name)).collect();
        let rows = client
            .query_typed(SHAPES, &[(&names, Type::TEXT_ARRAY), (&quoted, Type::TEXT_ARRAY)])
            .await
            .map_err(sql_error("look at the tables of the seeds"))?;
        let has_nica = rows.iter().any(|row| row.get(1));
        let tables = rows.iter().map(|row| (row.get(0), Shape::of(row.get(2), row.get(3)))).collect();
        Ok(Shapes { has_nica, tables })
    }

    pub(super) fn table(&self, name: &str) -> Shape {
        self.tables.get(name).cloned().unwrap_or_default()
    }
}

impl Shape {
    fn of(columns: Option<&str>, unique: Option<&str>) -> Shape {
        let columns: BTreeMap<String, (String, String)> =
            columns.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let unique: Vec<Option<Vec<String>>> =
            unique.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let columns = columns.into_iter().map(|(name, (type_name, base))| (name, Column { type_name, base }));
        Shape { columns: columns.collect(), unique: unique.into_iter().flatten().collect() }
    }

    pub(super) fn exists(&self) -> bool {
        !self.columns.is_empty()
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    pub(super) fn is_unique(&self, key: &[String]) -> bool {
        self.unique.iter().any(|index| index.iter().all(|column| key.contains(column)))
    }

    /// `"code" integer, "name" text`: how the server reads a JSON row.
    pub(super) fn column_list(&self, columns: &[String]) -> String {
        let typed = columns.iter().map(|c| format!("{} {}", quoted(c), self.columns[c].type_name));
        typed.collect::<Vec<_>>().join(", ")
    }

    /// The columns of a row as JSON that is the same for equal values, whatever the session's settings.
    pub(super) fn canonical<'a>(&self, alias: &str, columns: impl IntoIterator<Item = &'a String>) -> String {
        let each =
            columns.into_iter().map(|c| format!("{} AS {}", self.canonical_column(alias, c), quoted(c)));
        format!("(SELECT to_jsonb(s) FROM (SELECT {}) s)", each.collect::<Vec<_>>().join(", "))
    }

    /// The columns of a row as JSON that can be read back into them.
    pub(super) fn verbatim(alias: &str, columns: &[String]) -> String {
        let each = columns.iter().map(|c| format!("{alias}.{}", quoted(c)));
        format!("(SELECT to_jsonb(s) FROM (SELECT {}) s)", each.collect::<Vec<_>>().join(", "))
    }

    /// The checksum of these columns of a row, in whatever order they are named.
    pub(super) fn sum(&self, alias: &str, columns: &[String]) -> String {
        let columns: BTreeSet<&String> = columns.iter().collect();
        let plain: Option<Vec<_>> = columns.iter().map(|column| self.plain_column(alias, column)).collect();
        let row = match plain {
            // A third of the time of JSON.
            Some(plain) => format!("ROW({})", plain.join(", ")),
            None => self.canonical(alias, columns),
        };
        format!("encode(sha256(convert_to({row}::text, 'UTF8')), 'hex')")
    }

    fn canonical_column(&self, alias: &str, column: &str) -> String {
        let place = format!("{alias}.{}", quoted(column));
        match self.columns[column].base.as_str() {
            "numeric" => format!("trim_scale({place})"),
            "timestamp with time zone" => format!("({place} AT TIME ZONE 'UTC')"),
            "bytea" => format!("encode({place}, 'hex')"),
            "json" => format!("{place}::jsonb"),
            _ => place,
        }
    }

    /// A value whose text is the same for equal values in every session; none where only JSON promises that.
    fn plain_column(&self, alias: &str, column: &str) -> Option<String> {
        let place = format!("{alias}.{}", quoted(column));
        match self.columns[column].base.as_str() {
            "smallint" | "integer" | "bigint" | "boolean" | "text" | "character varying" | "uuid"
            | "jsonb" => Some(place),
            "numeric" | "bytea" => Some(self.canonical_column(alias, column)),
            "date" | "timestamp with time zone" | "timestamp without time zone" => {
                Some(format!("extract(epoch FROM {place})"))
            }
            _ => None,
        }
    }

    /// True where two rows differ in a column by value.
    pub(super) fn differs(&self, column: &str, a: &str, b: &str) -> String {
        let (left, right) = (format!("{a}.{}", quoted(column)), format!("{b}.{}", quoted(column)));
        match self.columns[column].base.as_str() {
            "smallint"
            | "integer"
            | "bigint"
            | "boolean"
            | "numeric"
            | "real"
            | "double precision"
            | "date"
            | "uuid"
            | "jsonb"
            | "timestamp with time zone"
            | "timestamp without time zone" => {
                format!("{left} IS DISTINCT FROM {right}")
            }
            // Never by a collation that takes two texts for one.
            "text" | "character varying" => {
                format!("{left} COLLATE \"C\" IS DISTINCT FROM {right} COLLATE \"C\"")
            }
            _ => {
                let (left, right) = (self.canonical_column(a, column), self.canonical_column(b, column));
                format!("to_jsonb({left}) IS DISTINCT FROM to_jsonb({right})")
            }
        }
    }
}

/// `h."code" = w."code" AND …`
pub(super) fn same_key(key: &[String], a: &str, b: &str) -> String {
    let each = key.iter().map(|c| format!("{a}.{0} = {b}.{0}", quoted(c)));
    each.collect::<Vec<_>>().join(" AND ")
}

/// A name as a value. Names from records are not checked again, hence the doubling.
pub(super) fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Keys by the columns they name: a table whose key was changed has records of both shapes.
pub(super) fn by_columns(keys: &[String]) -> BTreeMap<Vec<String>, Vec<&str>> {
    let mut groups: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
    for key in keys {
        let columns: BTreeMap<String, serde_json::Value> = serde_json::from_str(key).unwrap_or_default();
        groups.entry(columns.into_keys().collect()).or_default().push(key);
    }
    groups
}
