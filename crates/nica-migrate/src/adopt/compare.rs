//! Whether a ledger and a folder tell the same story: rows and files in, what stands applied and what disagrees out.
//!
//! Every disagreement is found before anything is said. What Flyway's rows mean is folded first, because there a later
//! row takes an earlier one back.

use crate::foreign::{Foreign, Form, Ledger, Row};
use crate::source::{Migration, number_of};
use crate::state::AppliedMigration;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Why a ledger is not taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub code: &'static str,
    /// With the value that is wrong.
    pub what: String,
    pub next: String,
}

#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Ids, by number.
    pub(super) standing: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) refusals: Vec<Refusal>,
}

/// What the rows of a ledger come to.
#[derive(Debug, Default)]
struct Folded<'a> {
    /// By version.
    applied: BTreeMap<&'a str, &'a Row>,
    /// Up to here everything counts as applied, with or without a row.
    baseline: Option<&'a str>,
    notes: Vec<String>,
    refusals: Vec<Refusal>,
}

pub(super) fn compare(ledger: &Ledger, folder: &[Foreign]) -> Compared {
    let folded = fold(ledger);
    let mut all = Compared { notes: folded.notes, refusals: folded.refusals, standing: Vec::new() };
    let by_version: BTreeMap<&str, &Foreign> = folder.iter().map(|f| (f.version.as_str(), f)).collect();
    for (version, row) in &folded.applied {
        match by_version.get(version) {
            Some(file) => all.refusals.extend(disagreement(ledger, row, file)),
            None => all.refusals.push(missing(ledger, version, row)),
        }
    }
    let baseline = folded.baseline.and_then(|version| number_below(folder, version));
    let stands = |f: &&Foreign| {
        folded.applied.contains_key(f.version.as_str()) || baseline.is_some_and(|n| f.migration.number() <= n)
    };
    all.standing = folder.iter().filter(stands).map(|f| f.migration.id.clone()).collect();
    all.refusals.extend(out_of_order(ledger, folder, &all.standing));
    if ledger.form == Form::Dbmate && !all.standing.is_empty() {
        all.notes.push(
            "dbmate keeps no checksums: that the files are what was applied is seen by the schema alone"
                .into(),
        );
    }
    all
}

fn fold(ledger: &Ledger) -> Folded<'_> {
    let mut all = Folded::default();
    for row in &ledger.rows {
        let shown = shown(row);
        let version = row.version.as_deref();
        match (row.kind.as_str(), version) {
            _ if !row.success => all.refusals.push(Refusal {
                code: "failed-row",
                what: format!("{} says that {shown} failed", ledger.table),
                next: match ledger.form {
                    Form::Flyway => "mend what it left behind, run flyway repair, and adopt again".into(),
                    form => format!("mend what it left behind, delete the row, apply it again with {form}, and adopt again"),
                },
            }),
            ("SQL", Some(version)) => drop(all.applied.insert(version, row)),
            ("SQL", None) => all.notes.push(format!(
                "{shown} was applied as a repeatable; from now on nobody applies it again when it changes"
            )),
            ("UNDO_SQL" | "DELETE", Some(version)) => drop(all.applied.remove(version)),
            ("DELETE" | "SCHEMA", None) => {}
            ("SCHEMA", Some(_)) => {}
            ("BASELINE", Some(version)) => {
                all.notes.push(format!("files up to version {version} count as applied: Flyway began there"));
                all.baseline = Some(version);
            }
            (kind, _) => all.refusals.push(Refusal {
                code: "unreadable",
                what: format!("{shown} is of the type {kind}, which has no SQL that NICA could read"),
                next: "write what it did as a V…sql of its own, apply that with Flyway, and delete its row".into(),
            }),
        }
    }
    all
}

/// The highest file that a baseline covers.
fn number_below(folder: &[Foreign], version: &str) -> Option<u64> {
    let parts = |version: &str| version.split('.').map(|p| p.parse().unwrap_or(0)).collect::<Vec<u64>>();
    let limit = parts(version);
    folder.iter().filter(|f| parts(&f.version) <= limit).map(|f| f.migration.number()).max()
}

fn disagreement(ledger: &Ledger, row: &Row, file: &Foreign) -> Option<Refusal> {
    let form = ledger.form;
    if form == Form::Flyway && row.name != file.name {
        return Some(Refusal {
            code: "renamed",
            what: format!("{} is {} in {}", file.file, shown(row), ledger.table),
            next: "give the file its old name, or run flyway repair, and adopt again".into(),
        });
    }
    let known = row.checksum.as_ref()?;
    if file.checksums.is_empty() || file.checksums.contains(known) {
        return None;
    }
    Some(Refusal {
        code: "changed-checksum",
        what: format!(
            "{} has checksum {}, and {known} was applied as {}",
            file.file,
            file.checksums.join(" or "),
            shown(row)
        ),
        next: "bring back the text that was applied, and write a new migration for the change".into(),
    })
}

fn missing(ledger: &Ledger, version: &str, row: &Row) -> Refusal {
    Refusal {
        code: "missing-file",
        what: format!(
            "{} says that {} is applied, and no file has version {version}",
            ledger.table,
            shown(row)
        ),
        next: "bring the file back from the history of the repository, or name the folder that has it".into(),
    }
}

/// Where the tool itself would stop at such a file, nobody knows what is meant.
fn out_of_order(ledger: &Ledger, folder: &[Foreign], standing: &[String]) -> Vec<Refusal> {
    let highest = standing.iter().filter_map(|id| number_of(id)).max();
    let is_late = |f: &&Foreign| {
        let may_come_late = ledger.form.allows_late() || base(&f.file).starts_with('U');
        !may_come_late
            && !standing.contains(&f.migration.id)
            && highest.is_some_and(|n| f.migration.number() < n)
    };
    let refusal = |f: &Foreign| Refusal {
        code: "out-of-order",
        what: format!("{} is not applied, and a higher version is", f.file),
        next: format!("give it a version above all applied ones, or apply it with {} first", ledger.form),
    };
    folder.iter().filter(is_late).map(refusal).collect()
}

fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// What NICA's own records say against it.
pub(super) fn records(
    ledger: &Ledger,
    standing: &[String],
    rows: &[AppliedMigration],
    all: &[Migration],
) -> Vec<Refusal> {
    let file = |id: &str| all.iter().find(|m| m.id == id);
    let mut refusals = Vec::new();
    for row in rows.iter().filter(|row| row.state.is_there()) {
        match file(&row.id) {
            Some(migration) if migration.sha256 == row.sha256 => {}
            Some(_) => refusals.push(Refusal {
                code: "edited",
                what: format!("{} was applied with another text", row.id),
                next: "undo the edit and write a new migration".into(),
            }),
            None => refusals.push(Refusal {
                code: "unknown",
                what: format!("{} is applied here and not in the folder", row.id),
                next: "name the folder of the release that is live".into(),
            }),
        }
    }
    let undone = rows.iter().filter(|row| !row.state.is_there() && standing.contains(&row.id));
    refusals.extend(undone.map(|row| Refusal {
        code: "two-stories",
        what: format!("{} is not applied by NICA's records, and applied by {}", row.id, ledger.table),
        next: "delete the row of the one that is wrong".into(),
    }));
    refusals
}

/// Taken over once, and since then no longer applied by the ledger.
pub(super) fn taken_back(
    ledger: &Ledger,
    standing: &[String],
    known: &[String],
    taken: &[String],
) -> Vec<Refusal> {
    let gone = taken.iter().filter(|id| known.contains(id) && !standing.contains(id));
    let refusal = |id: &String| Refusal {
        code: "taken-back",
        what: format!("{id} was taken over from {}, where it is no longer applied", ledger.table),
        next: format!("apply it again with {}", ledger.form),
    };
    gone.map(refusal).collect()
}

fn shown(row: &Row) -> String {
    let version = row.version.as_ref().map(|version| format!("version {version}"));
    let name = row.name.as_ref().filter(|name| !name.is_empty()).map(|name| format!("`{name}`"));
    let words: Vec<String> = version.into_iter().chain(name).collect();
    words.join(" ")
}

impl Refusal {
    pub(super) fn schema(ledger: &Ledger) -> Refusal {
        Refusal {
            code: "schema",
            what: "the schema is not what the applied files make on an empty database".into(),
            next: format!(
                "undo what was changed by hand, or write it as a migration and apply that with {}; lines with - are \
                 missing here, lines with + are in no file",
                ledger.form
            ),
        }
    }

    pub(super) fn managed(ledger: &Ledger) -> Refusal {
        Refusal {
            code: "managed",
            what: format!(
                "a deployer manages this database, and not all of {} is in its records",
                ledger.table
            ),
            next: format!("take back with {} what it has applied, and bring it with a release", ledger.form),
        }
    }

    pub(super) fn another(ledger: &Ledger, taken: &str) -> Refusal {
        Refusal {
            code: "another-ledger",
            what: format!("{taken} was taken over here, not {}", ledger.table),
            next: "a database is taken over once; name the tool that it was taken over from".into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused[adopt/{}]: {}\n    = next: {}", self.code, self.what, self.next)
    }
}
