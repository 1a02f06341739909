//! One file from text to rows. Reading goes on after a mistake, so that all of them are seen at once.

use super::{Mistake, Prepared, Row, SeedFile, Status};
use crate::seed::shape::is_identifier;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const KNOWN: &str = "known are table, key, retire, source, status and [[row]]";

type Entry<'a, 'i> = &'a Spanned<DeValue<'i>>;

struct Reader<'a> {
    name: &'a str,
    /// Where each line ends, ascending: files have thousands of rows, each with a line.
    line_ends: Vec<usize>,
    mistakes: &'a mut Vec<Mistake>,
}

/// `None` when there is a mistake.
pub(super) fn file(name: &str, text: &str, mistakes: &mut Vec<Mistake>) -> Option<SeedFile> {
    let before = mistakes.len();
    let line_ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
    let mut reader = Reader { name, line_ends, mistakes };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        reader.mistake(error.span().unwrap_or(0..0), error.message().to_string());
    }
    // What follows a broken line is guessed; it would only add noise.
    (reader.mistakes.len() == before).then_some(())?;
    let file = reader.document(document.get_ref());
    (reader.mistakes.len() == before).then_some(file)
}

impl Reader<'_> {
    fn document(&mut self, document: &DeTable<'_>) -> SeedFile {
        for (key, value) in document.iter() {
            let known = ["table", "key", "retire", "source", "status", "row"];
            if !known.contains(&key.get_ref().as_ref()) {
                self.mistake(value.span(), format!("`{}` is unknown; {KNOWN}", key.get_ref()));
            }
        }
        let key = self.key(document.get("key"));
        let defaults = Defaults { source: document.get("source"), status: document.get("status") };
        let rows = document.get("row").map_or(Vec::new(), |entry| self.rows(entry, &key, &defaults));
        SeedFile {
            name: self.name.to_string(),
            table: self.table(document.get("table")),
            retire: document.get("retire").map(|entry| self.identifier(entry, "retire")),
            prepared: Prepared::of(&rows),
            key,
            rows,
        }
    }

    fn table(&mut self, entry: Option<Entry<'_, '_>>) -> String {
        let Some(entry) = entry else {
            self.mistake(0..0, "`table` is missing; name the table that the rows belong to");
            return String::new();
        };
        let Some(name) = self.string(entry, "table") else { return String::new() };
        let parts: Vec<_> = name.split('.').collect();
        if parts.len() > 2 || !parts.iter().all(|part| is_identifier(part)) {
            self.mistake(entry.span(), format!("`{name}` is not a table's name; write name or schema.name"));
        } else if parts.len() == 2 && is_reserved(parts[0]) {
            self.mistake(entry.span(), format!("schema `{}` cannot be seeded", parts[0]));
        }
        name
    }

    fn key(&mut self, entry: Option<Entry<'_, '_>>) -> Vec<String> {
        let Some(entry) = entry else {
            self.mistake(0..0, "`key` is missing; name the columns that make a row unique");
            return Vec::new();
        };
        let Some(columns) = entry.get_ref().as_array().filter(|a| !a.is_empty()) else {
            self.mistake(entry.span(), "`key` must be a list of columns, such as [\"code\"]");
            return Vec::new();
        };
        columns.iter().map(|column| self.identifier(column, "key")).collect()
    }

    fn rows(&mut self, entry: Entry<'_, '_>, key: &[String], defaults: &Defaults<'_, '_>) -> Vec<Row> {
        let Some(rows) = entry.get_ref().as_array() else {
            self.mistake(entry.span(), "`row` must be written as [[row]]");
            return Vec::new();
        };
        rows.iter().filter_map(|row| self.row(row, key, defaults)).collect()
    }

    fn row(&mut self, entry: Entry<'_, '_>, key: &[String], defaults: &Defaults<'_, '_>) -> Option<Row> {
        let Some(table) = entry.get_ref().as_table() else {
            self.mistake(entry.span(), "a row must be written as [[row]]");
            return None;
        };
        let mut values = BTreeMap::new();
        for (column, value) in table.iter() {
            if !is_identifier(column.get_ref()) {
                self.mistake(column.span(), format!("`{}` is not a column's name", column.get_ref()));
            }
            values.insert(column.get_ref().to_string(), self.value(value));
        }
        for column in key.iter().filter(|column| !values.contains_key(*column)) {
            self.mistake(entry.span(), format!("the row has no `{column}`, which is part of the key"));
        }
        let source = self.source(entry, table.get("source").or(defaults.source));
        let status = self.status(entry, table.get("status").or(defaults.status));
        values.insert("source".to_string(), Value::String(source.clone()));
        values.insert("status".to_string(), Value::String(status.word().to_string()));
        let json = serde_json::to_string(&values).expect("a map of JSON values always has a text");
        Some(Row { line: self.line(entry.span()), source, status, values, json })
    }

    fn source(&mut self, row: Entry<'_, '_>, entry: Option<Entry<'_, '_>>) -> String {
        let source = entry.and_then(|entry| self.string(entry, "source"));
        if source.as_ref().is_none_or(|source| source.trim().is_empty()) {
            self.mistake(row.span(), "the row has no `source`; say where it is taken from");
        }
        source.unwrap_or_default()
    }

    fn status(&mut self, row: Entry<'_, '_>, entry: Option<Entry<'_, '_>>) -> Status {
        let word = entry.and_then(|entry| self.string(entry, "status"));
        let status = word.as_deref().and_then(Status::parse);
        let expected = "verified, secondary or unverified";
        match (&status, word) {
            (Some(_), _) => {}
            (None, Some(word)) => {
                self.mistake(row.span(), format!("the status `{word}` is unknown; write {expected}"));
            }
            (None, None) => self.mistake(row.span(), format!("the row has no `status`; write {expected}")),
        }
        status.unwrap_or(Status::Unverified)
    }

    fn value(&mut self, entry: Entry<'_, '_>) -> Value {
        match entry.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Datetime(instant) => Value::String(instant.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::from(number),
                Err(_) => self.no_number(entry, number.as_str()),
            },
            DeValue::Float(number) => {
                let finite = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                finite.map_or_else(|| self.no_number(entry, number.as_str()), Value::Number)
            }
            DeValue::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            DeValue::Table(table) => {
                table.iter().map(|(key, value)| (key.get_ref().to_string(), self.value(value))).collect()
            }
        }
    }

    fn no_number(&mut self, entry: Entry<'_, '_>, text: &str) -> Value {
        self.mistake(entry.span(), format!("the number {text} cannot be held; write it as a string"));
        Value::Null
    }

    fn identifier(&mut self, entry: Entry<'_, '_>, what: &str) -> String {
        let Some(name) = self.string(entry, what) else { return String::new() };
        if !is_identifier(&name) {
            self.mistake(entry.span(), format!("`{name}` in `{what}` is not a column's name"));
        }
        name
    }

    fn string(&mut self, entry: Entry<'_, '_>, what: &str) -> Option<String> {
        let text = entry.get_ref().as_str().map(str::to_string);
        if text.is_none() {
            let found = entry.get_ref().type_str();
            self.mistake(entry.span(), format!("`{what}` must be a string, not {found}"));
        }
        text
    }

    fn mistake(&mut self, span: Range<usize>, what: impl Into<String>) {
        let line = self.line(span);
        self.mistakes.push(Mistake { file: self.name.to_string(), line, what: what.into() });
    }

    fn line(&self, span: Range<usize>) -> usize {
        self.line_ends.partition_point(|end| *end < span.start) + 1
    }
}

/// What stands at the top of the file for all of its rows.
struct Defaults<'a, 'i> {
    source: Option<Entry<'a, 'i>>,
    status: Option<Entry<'a, 'i>>,
}

fn is_reserved(schema: &str) -> bool {
    schema.starts_with("pg_") || ["information_schema", "nica", "nica_attic"].contains(&schema)
}
