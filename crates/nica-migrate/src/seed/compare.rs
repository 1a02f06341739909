//! What differs between files and tables: one query a table, all of them sent before the first is answered.
//!
//! Reads only. A table or column that is not there yet is no error here, because a plan looks at seeds before its
//! migrations have run; `apply` is stricter.

use super::shape::{Shapes, same_key, text_literal};
use super::stamp::{self, Stamps};
use super::target::Target;
use super::{Params, RowName, SeedError, SeedFile, sql_error};
use crate::scratch::quoted;
use futures_util::future::try_join_all;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;
use tokio_postgres::{GenericClient, Row, types::Type};

/// What `apply` would do, and what it would leave alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    pub rows: Vec<Difference>,
    /// Rows that an operator keeps as they are, whatever the files say.
    pub local: Vec<RowName>,
}

/// One row that is not as the files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file and line that say otherwise; none for a row that no file has any more.
    pub file: Option<(String, usize)>,
    pub row: RowName,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Missing,
    Altered {
        columns: Vec<String>,
    },
    /// No longer in the files: its retire column is set, or, without one, it stays and is no longer cared for.
    Retire,
    /// Equal, but not known as a seed yet (or with other columns): only `nica.seed` is written.
    Unrecorded,
}

impl Differences {
    /// Nothing for `apply` to write.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Missing => write!(f, "{}: missing", self.row),
            What::Altered { columns } => write!(f, "{}: {} altered", self.row, columns.join(", ")),
            What::Retire => write!(f, "{}: no longer in the files", self.row),
            What::Unrecorded => write!(f, "{}: not recorded yet", self.row),
        }
    }
}

/// Compare. Works without a schema `nica`, too: then nothing is recorded and nothing is local.
///
/// # Errors
/// A value that its column cannot hold, or the connection is lost.
pub async fn differences(client: &impl GenericClient, files: &[SeedFile]) -> Result<Differences, SeedError> {
    Ok(Comparison::make(client, files).await?.summary())
}

/// What the table says about one row.
#[derive(Debug)]
pub(super) struct Found {
    /// Its number in `Target::rows`; none when only `nica.seed` has it.
    pub(super) at: Option<usize>,
    pub(super) key: String,
    /// None: local.
    pub(super) what: Option<What>,
}

pub(super) struct Comparison<'a> {
    pub(super) targets: Vec<(Target<'a>, Vec<Found>)>,
    /// Live rows of tables that no file fills any more: with their recorded retire column.
    pub(super) orphans: Vec<(RowName, Option<String>)>,
}

impl<'a> Comparison<'a> {
    pub(super) async fn make(
        client: &impl GenericClient,
        files: &'a [SeedFile],
    ) -> Result<Comparison<'a>, SeedError> {
        let tables: BTreeSet<String> = files.iter().map(|file| file.table.clone()).collect();
        let shapes = Shapes::read(client, &tables).await?;
        let targets = Target::all(files, &shapes);
        let stamps = stamp::read(client, shapes.has_nica).await?;
        let queries = targets.iter().map(|target| target.compare(client, shapes.has_nica, &stamps));
        let found = try_join_all(queries).await?;
        let orphans = if shapes.has_nica { orphans(client, &tables).await? } else { Vec::new() };
        Ok(Comparison { targets: targets.into_iter().zip(found).collect(), orphans })
    }

    pub(super) fn summary(&self) -> Differences {
        let mut all = Differences::default();
        for (target, found) in &self.targets {
            for row in found {
                let name = RowName { table: target.table.to_string(), key: row.key.clone() };
                let file = row.at.map(|at| (target.rows[at].0.name.clone(), target.rows[at].1.line));
                match &row.what {
                    Some(what) => all.rows.push(Difference { file, row: name, what: what.clone() }),
                    None => all.local.push(name),
                }
            }
        }
        let orphan =
            |(row, _): &(RowName, _)| Difference { file: None, row: row.clone(), what: What::Retire };
        all.rows.extend(self.orphans.iter().map(orphan));
        all
    }
}

async fn orphans(
    client: &impl GenericClient,
    tables: &BTreeSet<String>,
) -> Result<Vec<(RowName, Option<String>)>, SeedError> {
    let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
    let sql = "SELECT \"table\", key, retire FROM nica.seed
               WHERE state = 'live' AND NOT local AND \"table\" <> ALL($1) ORDER BY \"table\", key";
    let rows = client
        .query_typed(sql, &[(&tables, Type::TEXT_ARRAY)])
        .await
        .map_err(sql_error("read which seeds are recorded"))?;
    let orphan = |row: &Row| (RowName { table: row.get(0), key: row.get(1) }, row.get(2));
    Ok(rows.iter().map(orphan).collect())
}

impl Target<'_> {
    async fn compare(
        &self,
        client: &impl GenericClient,
        has_nica: bool,
        stamps: &Stamps,
    ) -> Result<Vec<Found>, SeedError> {
        if !self.key.iter().all(|column| self.shape.has(column)) {
            return Ok(self.all_missing());
        }
        if self.is_proven(client, stamps).await? {
            return Ok(Vec::new());
        }
        let json = self.json(0..self.rows.len());
        let waiting = self.waiting_for_columns();
        let params: Params<'_, 4> = [
            (&json, Type::TEXT),
            (&waiting, Type::INT8_ARRAY),
            (&self.table, Type::TEXT),
            (&self.columns, Type::TEXT_ARRAY),
        ];
        let rows = client
            .query_typed(&self.compare_sql(has_nica), &params)
            .await
            .map_err(sql_error(format!("compare the seeds of {}", self.table)))?;
        Ok(rows.iter().map(|row| self.found(row)).collect())
    }

    /// Rows that bring a value for a column which the table has not got yet.
    fn waiting_for_columns(&self) -> Vec<i64> {
        if self.absent.is_empty() {
            return Vec::new();
        }
        let waits = |row: &super::Row| self.absent.iter().any(|column| row.values.contains_key(column));
        let rows = self.rows.iter().zip(1..).filter(|((_, row), _)| waits(row));
        rows.map(|(_, at)| at).collect()
    }

    fn all_missing(&self) -> Vec<Found> {
        let key = |row: &super::Row| {
            let columns = self.key.iter().map(|c| (c.clone(), row.values[c].clone()));
            Value::Object(columns.collect::<Map<_, _>>()).to_string()
        };
        let missing = |(at, (_, row)): (usize, &(_, &super::Row))| Found {
            at: Some(at),
            key: key(row),
            what: Some(What::Missing),
        };
        self.rows.iter().enumerate().map(missing).collect()
    }

    /// Only rows with something to say come back: number, key, local, missing, altered columns.
    pub(super) fn compare_sql(&self, has_nica: bool) -> String {
        let records = if has_nica { RECORDS } else { NO_RECORDS };
        let retire = self.retire.map_or("NULL".to_string(), text_literal);
        format!(
            "WITH {wanted}, s AS ({records})
             SELECT w.\"nica.at\", coalesce(w.\"nica.key\", s.key), coalesce(s.local, false), h.{first} IS NULL,
                {altered}
             FROM w FULL JOIN s ON s.key = w.\"nica.key\" LEFT JOIN {table} h ON {same_key}
             WHERE s.local
                OR CASE WHEN w.\"nica.at\" IS NULL THEN s.state = 'live' ELSE
                    h.{first} IS NULL OR {any_altered} OR w.\"nica.at\" = ANY($2)
                    OR s.key IS NULL OR s.state <> 'live' OR s.columns <> $4
                    OR s.retire IS DISTINCT FROM {retire} END
             ORDER BY w.\"nica.at\", s.key",
            wanted = self.wanted(),
            table = self.quoted(),
            first = quoted(&self.key[0]),
            same_key = same_key(self.key, "h", "w"),
            altered = self.altered_sql(),
            any_altered = self.any_altered_sql(),
        )
    }

    fn altered_sql(&self) -> String {
        let case = |condition: String, c: &str| format!("CASE WHEN {condition} THEN {} END", text_literal(c));
        let differs = self.compared().map(|c| case(self.shape.differs(c, "h", "w"), c));
        let retired = self.own_retire().map(|c| case(format!("h.{} IS NOT NULL", quoted(c)), c));
        let absent = self.absent.iter().map(|c| case("w.\"nica.at\" = ANY($2)".to_string(), c));
        let each: Vec<_> = differs.chain(retired).chain(absent).collect();
        format!("array_remove(ARRAY[{}]::text[], NULL)", each.join(", "))
    }

    fn any_altered_sql(&self) -> String {
        let differs = self.compared().map(|c| self.shape.differs(c, "h", "w"));
        let retired = self.own_retire().map(|c| format!("h.{} IS NOT NULL", quoted(c)));
        let each: Vec<_> = differs.chain(retired).collect();
        if each.is_empty() { "false".to_string() } else { format!("({})", each.join(" OR ")) }
    }

    /// The key itself is equal where a row is found.
    fn compared(&self) -> impl Iterator<Item = &String> {
        self.columns.iter().filter(|column| !self.key.contains(column))
    }

    fn found(&self, row: &Row) -> Found {
        let at: Option<i64> = row.get(0);
        let (local, missing, altered): (bool, bool, Vec<String>) = (row.get(2), row.get(3), row.get(4));
        let what = match (at, missing) {
            (None, _) => What::Retire,
            (Some(_), true) => What::Missing,
            (Some(_), false) if altered.is_empty() => What::Unrecorded,
            (Some(_), false) => What::Altered { columns: altered },
        };
        let at = at.and_then(|at| usize::try_from(at - 1).ok());
        Found { at, key: row.get(1), what: (!local).then_some(what) }
    }
}

const RECORDS: &str = "SELECT key, local, state, columns, retire FROM nica.seed WHERE \"table\" = $3";
const NO_RECORDS: &str = "SELECT NULL::text AS key, false AS local, 'live' AS state, NULL::text[] AS columns,
    NULL::text AS retire WHERE false AND $3::text IS NULL";
