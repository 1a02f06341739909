//! Small questions to the catalogue that batches and the attic share.

use crate::fence::Guarded;
use crate::runner::RunError;

/// A column by its quoted name and its type as SQL writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) type_sql: String,
}

/// The columns of the primary key in its order; empty without one.
pub(crate) async fn primary_key(tx: &Guarded<'_>, table: &str) -> Result<Vec<Column>, RunError> {
    let sql = "
        SELECT quote_ident(a.attname),
               format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, a.atttypmod)
        FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place),
             pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE i.indrelid = $1::text::regclass AND i.indisprimary AND a.attrelid = i.indrelid
          AND a.attnum = k.attnum
        ORDER BY k.place";
    let rows = tx.query(sql, &[&table]).await.map_err(|e| RunError::records(tx, &e))?;
    Ok(rows.iter().map(|row| Column { name: row.get(0), type_sql: row.get(1) }).collect())
}

/// `(a, b)`, each behind `prefix`.
pub(crate) fn tuple(prefix: &str, columns: &[Column]) -> String {
    let names: Vec<_> = columns.iter().map(|c| format!("{prefix}{}", c.name)).collect();
    format!("({})", names.join(", "))
}

/// Key values as text, cast back: `('7'::bigint, 'x'::text)`.
pub(crate) fn literal_tuple(columns: &[Column], values: &[String]) -> String {
    let cast = |(column, value): (&Column, &String)| format!("{}::{}", literal(value), column.type_sql);
    format!("({})", columns.iter().zip(values).map(cast).collect::<Vec<_>>().join(", "))
}

/// An array of texts that `key_of` reads back.
pub(crate) fn key_array(prefix: &str, columns: &[Column]) -> String {
    let names: Vec<_> = columns.iter().map(|c| format!("{prefix}{}::text", c.name)).collect();
    format!("ARRAY[{}]", names.join(", "))
}

/// A string literal whatever it holds; backslashes mean themselves in neither form.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
