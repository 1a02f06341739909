//! From one answer of `nica.serves()` to fit or not. Pure.
//!
//! Fit means: everything this program needs is there, and no contract is above its floor, its own highest contract.
//! Expands that it does not know are fine, else every expand would take the old replicas out before a new one exists.
//! Its own contracts may be pending: they only take away what it does without.

use nica_migrate::source::{Migration, Phase, number_of};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;

/// The answer. It only ever gains fields, and those that are new to us are ignored.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Serves {
    #[serde(default)]
    pub migrations: Vec<Row>,
    /// The highest contract that was ever applied.
    #[serde(default, alias = "contract_floor")]
    pub floor: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    pub id: String,
    pub phase: String,
    pub state: String,
}

/// What this program was built with.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    pub expands: BTreeSet<String>,
    /// The number of its highest contract.
    pub floor: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    Missing(String),
    Contracted(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Missing(id) => write!(f, "migration {id} is not applied; migrate the database"),
            Reason::Contracted(id) => {
                write!(
                    f,
                    "contract {id} is applied, which is above this program's floor; run a newer release"
                )
            }
        }
    }
}

impl Needs {
    /// Of these expands and no contract.
    pub fn new(ids: impl IntoIterator<Item = impl Into<String>>) -> Needs {
        Needs { expands: ids.into_iter().map(Into::into).collect(), floor: None }
    }

    pub fn of(migrations: &[Migration]) -> Needs {
        let (expands, contracts): (Vec<_>, Vec<_>) =
            migrations.iter().partition(|m| m.phase == Phase::Expand);
        let expands = expands.into_iter().map(|m| m.id.clone()).collect();
        Needs { expands, floor: contracts.into_iter().map(Migration::number).max() }
    }

    /// Everything that speaks against serving; empty when fit.
    pub fn unmet(&self, serves: &Serves) -> Vec<Reason> {
        let applied = serves.applied();
        let missing = self.expands.iter().filter(|id| !applied.contains(*id)).cloned().map(Reason::Missing);
        let contracts = serves.contracts().filter(|id| Some(number_of(id).unwrap_or(u64::MAX)) > self.floor);
        let contracts: BTreeSet<&str> = contracts.collect();
        missing.chain(contracts.into_iter().map(|id| Reason::Contracted(id.into()))).collect()
    }
}

impl Serves {
    /// Ids in force. A row that only started counts as absent: what it left is not whole.
    pub fn applied(&self) -> BTreeSet<String> {
        self.migrations.iter().filter(|row| row.is_in_force()).map(|row| row.id.clone()).collect()
    }

    fn contracts(&self) -> impl Iterator<Item = &str> {
        let rows = self.migrations.iter().filter(|row| row.is_in_force() && row.phase == "contract");
        rows.map(|row| row.id.as_str()).chain(self.floor.as_deref())
    }
}

impl Row {
    fn is_in_force(&self) -> bool {
        matches!(self.state.as_str(), "applied" | "retained")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(needs: &[&str], answer: &str, expected: &[&str]) {
        check_needs(&Needs::new(needs.iter().copied()), answer, expected);
    }

    fn check_needs(needs: &Needs, answer: &str, expected: &[&str]) {
        let serves: Serves = serde_json::from_str(answer).expect("an answer");
        let reasons = needs.unmet(&serves);
        let words: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        let heads: Vec<&str> = words.iter().filter_map(|reason| reason.split(" is ").next()).collect();
        assert_eq!(heads, expected, "{answer}");
    }

    fn rows(rows: &[(&str, &str, &str)], floor: &str) -> String {
        let row = |(id, phase, state): &(&str, &str, &str)| {
            format!(r#"{{"id":"{id}","phase":"{phase}","state":"{state}","new":1}}"#)
        };
        let rows: Vec<String> = rows.iter().map(row).collect();
        format!(
            r#"{{"format":1,"managed":true,"migrations":[{}],"floor":{floor},"news":[]}}"#,
            rows.join(",")
        )
    }

    #[test]
    fn ready_means_all_needs_applied_and_no_unknown_contract() {
        let (a, b) = (("1_a", "expand", "applied"), ("2_b", "expand", "applied"));
        check(&[], r#"{}"#, &[]);
        check(&["1_a"], &rows(&[a], "null"), &[]);
        check(&["1_a", "2_b"], &rows(&[a], "null"), &["migration 2_b"]);
        check(&["1_a"], &rows(&[], "null"), &["migration 1_a"]);
        check(&["1_a"], &rows(&[("1_a", "expand", "started")], "null"), &["migration 1_a"]);
        check(&["1_a"], &rows(&[("1_a", "expand", "undone")], "null"), &["migration 1_a"]);
        check(&["1_a"], &rows(&[("1_a", "expand", "retained")], "null"), &[]);
        // What the program does not know does not concern it, as long as it only adds.
        check(&["1_a"], &rows(&[a, b], "null"), &[]);
        check(&["1_a"], &rows(&[a, ("2_b", "expand", "started")], "null"), &[]);
        check(&["1_a"], &rows(&[a, ("2_b", "contract", "started")], "null"), &[]);
        check(&["1_a"], &rows(&[a, ("2_b", "contract", "applied")], "null"), &["contract 2_b"]);
        check(&["1_a"], &rows(&[a], r#""2_b""#), &["contract 2_b"]);
        check(&["1_a"], &rows(&[a, ("2_b", "contract", "applied")], r#""2_b""#), &["contract 2_b"]);
    }

    #[test]
    fn own_contracts_may_be_pending_and_others_may_not_be_above_the_floor() {
        let a = ("0001_a", "expand", "applied");
        let contract = |id: &'static str| (id, "contract", "applied");
        let needs = Needs { expands: ["0001_a".to_string()].into(), floor: Some(10) };
        check_needs(&needs, &rows(&[a], "null"), &[]);
        check_needs(&needs, &rows(&[a, contract("0010_own")], r#""0010_own""#), &[]);
        // Squashed away since, or on a branch: below the floor it was there before.
        check_needs(&needs, &rows(&[a, contract("0009_other")], r#""0009_other""#), &[]);
        check_needs(&needs, &rows(&[a, contract("0011_next")], r#""0011_next""#), &["contract 0011_next"]);
        check_needs(&needs, &rows(&[a], r#""0011_next""#), &["contract 0011_next"]);
        check_needs(&needs, &rows(&[a, contract("next")], "null"), &["contract next"]);
    }

    #[test]
    fn needs_are_what_was_embedded() {
        let texts = [
            ("0001_a/up.sql", "CREATE TABLE a (id int);"),
            ("0002_b/up.sql", "ALTER TABLE a DROP COLUMN id;"),
            ("0002_b/migration.toml", "phase = \"contract\""),
        ];
        let migrations = nica_migrate::source::read_texts(&texts).expect("good migrations");
        let Needs { expands, floor } = Needs::of(&migrations);
        assert_eq!((expands, floor), (["0001_a".to_string()].into(), Some(2)));
    }
}
