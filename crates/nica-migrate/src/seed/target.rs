//! All files of one table, and the table as it is: what can be compared, and the SQL that rows become.

use super::shape::{Shape, Shapes};
use super::{Row, SeedFile};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// All files of one table.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) table: &'a str,
    pub(super) key: &'a [String],
    pub(super) retire: Option<&'a str>,
    pub(super) shape: Shape,
    /// What the files name and the table has; key columns among them.
    pub(super) columns: Vec<String>,
    /// What the files name and the table has not.
    pub(super) absent: Vec<String>,
    files: Vec<&'a SeedFile>,
    /// In file order; a row's place here is its number.
    pub(super) rows: Vec<(&'a SeedFile, &'a Row)>,
}

impl<'a> Target<'a> {
    pub(super) fn all(files: &'a [SeedFile], shapes: &Shapes) -> Vec<Target<'a>> {
        let mut by_table: BTreeMap<&str, Vec<&SeedFile>> = BTreeMap::new();
        for file in files {
            by_table.entry(&file.table).or_default().push(file);
        }
        by_table.into_iter().map(|(table, files)| Target::of(table, &files, shapes.table(table))).collect()
    }

    fn of(table: &'a str, files: &[&'a SeedFile], shape: Shape) -> Target<'a> {
        let (key, retire) = (files[0].key.as_slice(), files[0].retire.as_deref());
        let named = files.iter().flat_map(|file| &file.prepared().columns);
        let mut named: BTreeSet<&str> = named.map(String::as_str).collect();
        named.extend(key.iter().map(String::as_str));
        // Where a figure comes from is always in the file, and in the table only if it has room for it.
        named.retain(|column| shape.has(column) || !["source", "status"].contains(column));
        let (columns, absent) = named.iter().map(|c| (*c).to_string()).partition(|c| shape.has(c));
        let rows = files.iter().flat_map(|file| file.rows.iter().map(|row| (*file, row))).collect();
        Target { table, key, retire, shape, columns, absent, files: files.to_vec(), rows }
    }

    /// What all files of this table say.
    pub(super) fn digest(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.key.join(","));
        self.files.iter().for_each(|file| digest.update(&file.prepared().digest));
        hex::encode(digest.finalize())
    }

    pub(super) fn quoted(&self) -> String {
        super::shape::quoted_table(self.table)
    }

    /// The retire column, unless the files fill it themselves.
    pub(super) fn own_retire(&self) -> Option<&'a str> {
        self.retire.filter(|column| self.shape.has(column) && !self.columns.iter().any(|c| c == column))
    }

    /// These rows as one JSON text; what the table has no column for is not read by the server.
    pub(super) fn json(&self, rows: impl IntoIterator<Item = usize>) -> String {
        let mut text = String::from("[");
        for at in rows {
            text.push_str(if text.len() > 1 { "," } else { "" });
            text.push_str(&self.rows[at].1.json);
        }
        text.push(']');
        text
    }

    /// `w AS (…)`: the rows of `$1` in the types of the table, with their number and the text of their key.
    pub(super) fn wanted(&self) -> String {
        format!(
            "w AS MATERIALIZED (SELECT row_number() OVER () AS \"nica.at\", r.*, {}::text AS \"nica.key\"
                FROM json_to_recordset($1::json) AS r({}))",
            self.shape.canonical("r", self.key),
            self.shape.column_list(&self.columns)
        )
    }
}
