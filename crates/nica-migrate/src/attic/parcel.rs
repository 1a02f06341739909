//! A parcel as data: which table, which key, which columns, and the attic table that holds them.

use crate::catalog;
use crate::fence::Guarded;
use crate::runner::RunError;
use crate::source::Park;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// A column by its quoted name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Field {
    pub(super) name: String,
    /// Its type in the source.
    pub(super) source_type: String,
    /// Its type in the attic: a type that the service made is kept as text, as its down may drop it.
    pub(super) attic_type: String,
}

#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) migration: String,
    /// Quoted, with its schema.
    pub(super) source: String,
    /// Quoted, with `nica_attic`.
    pub(super) attic: String,
    pub(super) key: Vec<Field>,
    pub(super) columns: Vec<Field>,
    pub(super) whole: bool,
    pub(super) state: String,
    pub(super) epoch: i32,
    pub(super) keep_below: i32,
    /// The oldest transaction that the copy may not have seen.
    pub(super) since_xid: String,
    pub(super) cursor: Option<Cursor>,
    pub(super) sequences: BTreeMap<String, i64>,
}

/// How far the batches came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cursor {
    After(Vec<String>),
    /// Every row was copied once, and what changed meanwhile once more.
    Copied,
}

/// What a migration wants parked: each table once, with its columns or as a whole.
pub(super) async fn wanted(
    tx: &Guarded<'_>,
    id: &str,
) -> Result<Vec<(String, Option<Vec<String>>)>, RunError> {
    let sql = "SELECT park FROM nica.migration WHERE id = $1";
    let row = tx.query_opt(sql, &[&id]).await.map_err(|e| RunError::records(tx, &e))?;
    let park: serde_json::Value = row.map(|row| row.get(0)).unwrap_or_default();
    let park: Vec<Park> = serde_json::from_value(park).unwrap_or_default();
    let mut tables: Vec<(String, Option<Vec<String>>)> = Vec::new();
    for Park { schema, table, column } in park {
        let schema = schema.map(|s| format!("{}.", crate::scratch::quoted(&s))).unwrap_or_default();
        let table = format!("{schema}{}", crate::scratch::quoted(&table));
        match (tables.iter_mut().find(|(name, _)| *name == table), column) {
            (Some((_, columns)), None) => *columns = None,
            (Some((_, Some(columns))), Some(column)) => columns.push(column),
            (Some((_, None)), Some(_)) => {}
            (None, column) => tables.push((table, column.map(|c| vec![c]))),
        }
    }
    Ok(tables)
}

/// True while another table that this one references is still to be put back.
const AFTER_OTHERS: &str = "EXISTS (
    SELECT FROM pg_constraint c JOIN nica_attic.parcel q ON to_regclass(q.source) = c.confrelid
    WHERE c.contype = 'f' AND c.conrelid = to_regclass(p.source) AND c.confrelid <> c.conrelid
      AND q.whole AND q.state = 'unparking')";

/// The parcels of a migration, in their order: a table before those that reference it, as far as that is known.
pub(super) async fn load(tx: &Guarded<'_>, id: &str) -> Result<Vec<Parcel>, RunError> {
    let sql = format!(
        "
        SELECT source, 'nica_attic.' || quote_ident(attic), key, columns, whole, state, epoch, keep_below, since_xid,
               cursor, sequences
        FROM nica_attic.parcel p WHERE migration = $1 ORDER BY {AFTER_OTHERS}, place FOR UPDATE"
    );
    let rows = tx.query(&sql, &[&id]).await.map_err(|e| RunError::records(tx, &e))?;
    let json = |row: &tokio_postgres::Row, at: usize| row.get::<_, serde_json::Value>(at);
    let parse = |row: &tokio_postgres::Row| -> Result<Parcel, serde_json::Error> {
        let cursor: Option<serde_json::Value> = row.get(9);
        Ok(Parcel {
            migration: id.to_string(),
            source: row.get(0),
            attic: row.get(1),
            key: serde_json::from_value(json(row, 2))?,
            columns: serde_json::from_value(json(row, 3))?,
            whole: row.get(4),
            state: row.get(5),
            epoch: row.get(6),
            keep_below: row.get(7),
            since_xid: row.get(8),
            cursor: cursor.map(serde_json::from_value).transpose()?,
            sequences: serde_json::from_value(json(row, 10))?,
        })
    };
    let unreadable = |e: serde_json::Error| fail(id, format!("a parcel of a newer NICA: {e}"));
    rows.iter().map(|row| parse(row).map_err(unreadable)).collect()
}

/// The shape of a new parcel, from the catalogue.
///
/// # Errors
/// `Attic` when the table, its primary key or a column is not there.
pub(super) async fn shape(
    tx: &Guarded<'_>,
    id: &str,
    table: &str,
    columns: Option<&[String]>,
) -> Result<Parcel, RunError> {
    let sql = "
        SELECT format('%I.%I', n.nspname, c.relname), pg_snapshot_xmin(pg_current_snapshot())::text
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'p')";
    let row = tx.query_opt(sql, &[&table]).await.map_err(|e| RunError::records(tx, &e))?;
    let row = row.ok_or_else(|| fail(id, format!("there is no table {table}")))?;
    let source: String = row.get(0);
    let fields = fields(tx, &source).await?;
    let key_names: Vec<_> = catalog::primary_key(tx, &source).await?.into_iter().map(|c| c.name).collect();
    if key_names.is_empty() {
        return Err(fail(id, format!("{source} has no primary key to find its rows by")));
    }
    let (mut key, rest): (Vec<_>, Vec<_>) = fields.into_iter().partition(|f| key_names.contains(&f.name));
    let whole = columns.is_none();
    if !whole {
        // It references the source's key, so it is of the same type.
        key.iter_mut().filter(|f| !f.cast().is_empty()).for_each(|f| f.attic_type.clone_from(&f.source_type));
    }
    let columns = match columns {
        None => rest,
        Some(names) => named(id, &source, rest, names)?,
    };
    Ok(Parcel {
        migration: id.to_string(),
        attic: format!("nica_attic.{}", attic_name(id, &source)),
        source,
        key,
        columns,
        whole,
        state: "parking".to_string(),
        epoch: 1,
        keep_below: 0,
        since_xid: row.get(1),
        cursor: None,
        sequences: BTreeMap::new(),
    })
}

fn named(id: &str, source: &str, fields: Vec<Field>, names: &[String]) -> Result<Vec<Field>, RunError> {
    let quoted: Vec<_> = names.iter().map(|n| crate::scratch::quoted(n)).collect();
    let is =
        |field: &Field, name: &String| field.name == *name || crate::scratch::quoted(&field.name) == *name;
    if let Some(missing) = quoted.iter().find(|name| !fields.iter().any(|f| is(f, name))) {
        return Err(fail(id, format!("{source} has no column {missing} to park beside its key")));
    }
    Ok(fields.into_iter().filter(|f| quoted.iter().any(|name| is(f, name))).collect())
}

/// Every column that can be written, with the type to keep it in. A domain is kept as what it is made of.
async fn fields(tx: &Guarded<'_>, source: &str) -> Result<Vec<Field>, RunError> {
    let sql = "
        SELECT quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
               CASE WHEN b.typnamespace = 'pg_catalog'::regnamespace AND e.typnamespace IS NOT DISTINCT FROM
                         CASE WHEN e.oid IS NULL THEN NULL ELSE 'pg_catalog'::regnamespace::oid END
                    THEN format_type(b.oid, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END)
                    ELSE 'text' END
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
        LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
        WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        ORDER BY a.attnum";
    let rows = tx.query(sql, &[&source]).await.map_err(|e| RunError::records(tx, &e))?;
    let field = |row: &tokio_postgres::Row| Field {
        name: row.get(0),
        source_type: row.get(1),
        attic_type: row.get(2),
    };
    Ok(rows.iter().map(field).collect())
}

fn attic_name(id: &str, source: &str) -> String {
    let hash = hex::encode(Sha256::digest(format!("{id}\n{source}")));
    format!("p_{}", &hash[..20])
}

impl Parcel {
    /// Key and parked columns.
    pub(super) fn all(&self) -> impl Iterator<Item = &Field> {
        self.key.iter().chain(&self.columns)
    }

    pub(super) fn key_columns(&self) -> Vec<catalog::Column> {
        let column = |f: &Field| catalog::Column { name: f.name.clone(), type_sql: f.source_type.clone() };
        self.key.iter().map(column).collect()
    }

    /// `s.k1 = a.k1 AND …`, in the attic's types.
    pub(super) fn same_key(&self, source: &str, attic: &str) -> String {
        let one = |f: &Field| format!("{source}.{0}{1} = {attic}.{0}", f.name, f.cast());
        self.key.iter().map(one).collect::<Vec<_>>().join(" AND ")
    }

    pub(super) async fn save(&self, tx: &Guarded<'_>) -> Result<(), RunError> {
        let cursor = self.cursor.as_ref().map(|c| serde_json::to_value(c).expect("texts"));
        let sequences = serde_json::to_value(&self.sequences).expect("texts and numbers");
        let sql = "
            UPDATE nica_attic.parcel SET state = $3, epoch = $4, keep_below = $5, since_xid = $6, cursor = $7,
                   sequences = $8, parked_at = clock_timestamp()
            WHERE migration = $1 AND source = $2";
        tx.execute(
            sql,
            &[
                &self.migration,
                &self.source,
                &self.state,
                &self.epoch,
                &self.keep_below,
                &self.since_xid,
                &cursor,
                &sequences,
            ],
        )
        .await
        .map_err(|e| RunError::records(tx, &e))?;
        Ok(())
    }
}

impl Field {
    /// What turns the source's value into the attic's.
    pub(super) fn cast(&self) -> &'static str {
        if self.attic_type == "text" && self.source_type != "text" { "::text" } else { "" }
    }

    /// And back again.
    pub(super) fn cast_back(&self) -> String {
        if self.cast().is_empty() { String::new() } else { format!("::{}", self.source_type) }
    }
}

pub(super) fn fail(id: &str, why: String) -> RunError {
    RunError::Attic { id: id.to_string(), why }
}
