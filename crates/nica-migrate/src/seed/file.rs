//! Seed files as people write them: `seeds/NNNN_name.toml`, read whole, every mistake reported with its line.
//!
//! A value is kept as JSON, because that is how it travels to Postgres, which alone decides what it means in the type
//! of its column.

mod check;
mod read;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

/// One file: rows of one table. Several files may fill one table if they agree on key and retire column.
#[derive(Clone, Debug, PartialEq)]
pub struct SeedFile {
    pub name: String,
    /// `table` or `schema.table`.
    pub table: String,
    pub key: Vec<String>,
    /// Where the instant goes at which a row left the files.
    pub retire: Option<String>,
    pub rows: Vec<Row>,
    /// Made when the file is read: inside of a guarded transaction there is no time to think.
    prepared: Prepared,
}

/// What the SQL of a file is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Prepared {
    /// The columns that any row names.
    pub(super) columns: BTreeSet<String>,
    /// SHA-256 over all rows, without their lines.
    pub(super) digest: String,
}

/// One row. `source` and `status` stand in `values` too: they are written where the table has such columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub line: usize,
    pub source: String,
    pub status: Status,
    /// By column; a column that another row of the table has and this one has not is NULL.
    pub values: BTreeMap<String, Value>,
    /// The values as one text.
    pub(super) json: String,
}

/// How well a figure is founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Read in the page of record.
    Verified,
    /// Found alike in several places, or in a named edition.
    Secondary,
    Unverified,
}

/// Where a seed file is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub file: String,
    pub line: usize,
    pub what: String,
}

/// Reads after "failed to".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl SeedFile {
    /// Read one file.
    ///
    /// # Errors
    /// All mistakes of the file at once.
    pub fn parse(name: &str, text: &str) -> Result<SeedFile, Mistakes> {
        SeedFile::parse_all([(name, text)]).map(|mut files| files.remove(0))
    }

    /// Read files that are applied together; they come back in the order of their names, which is the order in which
    /// they are applied.
    ///
    /// # Errors
    /// All mistakes of all files at once, also those between files.
    pub fn parse_all<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Vec<SeedFile>, Mistakes> {
        let mut mistakes = Vec::new();
        let mut read: Vec<_> =
            files.into_iter().filter_map(|(name, text)| read::file(name, text, &mut mistakes)).collect();
        read.sort_by(|a: &SeedFile, b| a.name.cmp(&b.name));
        check::together(&read, &mut mistakes);
        mistakes.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        if mistakes.is_empty() { Ok(read) } else { Err(Mistakes(mistakes)) }
    }

    /// Read every `*.toml` of a folder; a folder that is not there holds no seeds.
    ///
    /// # Errors
    /// As `parse_all`; a file that cannot be read is a mistake in its line 0.
    pub fn read_folder(folder: &Path) -> Result<Vec<SeedFile>, Mistakes> {
        let texts = check::read_texts(folder)?;
        SeedFile::parse_all(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    }

    pub(super) fn prepared(&self) -> &Prepared {
        &self.prepared
    }
}

impl Prepared {
    fn of(rows: &[Row]) -> Prepared {
        let columns = rows.iter().flat_map(|row| row.values.keys().cloned()).collect();
        let mut digest = Sha256::new();
        for row in rows {
            digest.update(&row.json);
            digest.update("\n");
        }
        Prepared { columns, digest: hex::encode(digest.finalize()) }
    }
}

impl Status {
    const WORDS: [(&'static str, Status); 3] = [
        ("verified", Status::Verified),
        ("secondary", Status::Secondary),
        ("unverified", Status::Unverified),
    ];

    fn parse(word: &str) -> Option<Status> {
        Status::WORDS.iter().find(|(known, _)| *known == word).map(|(_, status)| *status)
    }

    pub fn word(self) -> &'static str {
        Status::WORDS.iter().find(|(_, status)| *status == self).map_or("", |(word, _)| word)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("read the seed files:")?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}

#[cfg(test)]
mod tests;
