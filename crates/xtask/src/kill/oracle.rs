//! What an outsider can read of an environment, and which readings are right.
//!
//! Schema by `pg_dump`, managed rows by psql, workloads by /proc, release by `GET /version`. Compared with golden
//! readings of undisturbed runs: the new release as it was, or the old one with what going back may leave.

mod dump;
mod rows;
mod workloads;

pub(crate) use dump::schema;
pub(crate) use rows::{Attic, lost};
pub(crate) use workloads::{read as workloads, version};

use super::cluster::Cluster;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// One reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Lines of the schema outside NICA's own, in an order that does not depend on history.
    pub schema: Vec<String>,
    /// Managed rows, one a line.
    pub seeds: Vec<String>,
    pub workloads: BTreeMap<String, Workload>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// SHA-256 of each live replica's executable, sorted.
    pub executables: Vec<String>,
    /// Configuration that each replica was started with, sorted, without what differs by replica.
    pub config: Vec<Vec<String>>,
    /// What the component's address says it is.
    pub version: String,
    /// The state that the supervisor was last asked for, by its name for it.
    pub asked: String,
}

/// Where to look.
pub(crate) struct Look<'a> {
    pub cluster: &'a Cluster,
    /// Only processes below this one are looked at.
    pub above: u32,
    /// State folder of the target.
    pub state: &'a Path,
    /// Component → address.
    pub listens: &'a BTreeMap<String, String>,
    /// Environment variables that count as configuration.
    pub variables: &'a [&'a str],
}

impl State {
    pub(crate) fn read(look: &Look<'_>) -> Result<State> {
        Ok(State {
            schema: dump::schema(look.cluster)?,
            seeds: rows::seeds(look.cluster)?,
            workloads: workloads::read(look)?,
        })
    }
}

/// The readings that may stand at the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Golden {
    pub new: State,
    pub old: State,
    /// The old schema with the first k expand migrations of the new release, from k = 0.
    pub schemas: Vec<Vec<String>>,
    /// The old managed rows, then with the rows that the new release inserted, retired.
    pub seeds: Vec<Vec<String>>,
}

/// Which of the two ends a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    New,
    /// The old one with the first `kept` migrations of the new release.
    Old {
        kept: usize,
    },
}

impl Golden {
    /// What this reading is, or in what it differs from both.
    pub(crate) fn name(&self, state: &State) -> Result<Named, String> {
        if *state == self.new {
            return Ok(Named::New);
        }
        let kept = self.schemas.iter().position(|schema| *schema == state.schema);
        match kept {
            Some(kept) if state.workloads == self.old.workloads && self.seeds.contains(&state.seeds) => {
                Ok(Named::Old { kept })
            }
            _ => Err(self.differences(state)),
        }
    }

    fn differences(&self, state: &State) -> String {
        let mut text = String::new();
        for (name, golden) in [("new", &self.new), ("old", &self.old)] {
            let _ = writeln!(text, "against the {name} release:");
            text += &difference("schema", &golden.schema, &state.schema);
            text += &difference("rows", &golden.seeds, &state.seeds);
            text += &difference("workloads", &lines(&golden.workloads), &lines(&state.workloads));
        }
        text
    }
}

/// In what two readings of one world differ; empty when they are the same.
pub(crate) fn changed(before: &State, after: &State) -> String {
    difference("schema", &before.schema, &after.schema)
        + &difference("rows", &before.seeds, &after.seeds)
        + &difference("workloads", &lines(&before.workloads), &lines(&after.workloads))
}

fn lines(workloads: &BTreeMap<String, Workload>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, w) in workloads {
        lines.push(format!("{name} is version {}, asked for {}", w.version, w.asked));
        lines.extend(w.executables.iter().map(|sha| format!("{name} runs {sha}")));
        lines.extend(w.config.iter().map(|config| format!("{name} has {}", config.join(" "))));
    }
    lines
}

/// Lines that only one side has, `-` golden and `+` seen.
fn difference(what: &str, golden: &[String], seen: &[String]) -> String {
    let only = |sign: char, a: &[String], b: &[String]| {
        let mut left = b.to_vec();
        let mut text = String::new();
        for line in a {
            match left.iter().position(|other| other == line) {
                Some(at) => drop(left.swap_remove(at)),
                None => text += &format!("  {what} {sign} {line}\n"),
            }
        }
        text
    };
    only('-', golden, seen) + &only('+', seen, golden)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(schema: &[&str], seeds: &[&str], version: &str) -> State {
        let strings = |words: &[&str]| words.iter().map(|w| w.to_string()).collect();
        let workload = Workload {
            executables: vec![version.into()],
            config: Vec::new(),
            version: version.into(),
            asked: version.into(),
        };
        State {
            schema: strings(schema),
            seeds: strings(seeds),
            workloads: BTreeMap::from([("api".to_string(), workload)]),
        }
    }

    fn golden() -> Golden {
        let (new, old) = (state(&["a", "b", "c"], &["2", "3"], "2"), state(&["a"], &["1"], "1"));
        let schemas = vec![old.schema.clone(), vec!["a".into(), "b".into()], new.schema.clone()];
        let seeds = vec![old.seeds.clone(), vec!["1".into(), "3 retired".into()]];
        Golden { new, old, schemas, seeds }
    }

    #[test]
    fn only_whole_readings_are_right() {
        let check = |state: State, expected: Option<Named>| assert_eq!(golden().name(&state).ok(), expected);
        check(state(&["a", "b", "c"], &["2", "3"], "2"), Some(Named::New));
        check(state(&["a"], &["1"], "1"), Some(Named::Old { kept: 0 }));
        check(state(&["a", "b", "c"], &["1"], "1"), Some(Named::Old { kept: 2 }));
        check(state(&["a", "b"], &["1", "3 retired"], "1"), Some(Named::Old { kept: 1 }));
        // New code over the old schema, new rows under the old code, a later migration without an earlier one.
        check(state(&["a"], &["2", "3"], "2"), None);
        check(state(&["a"], &["2", "3"], "1"), None);
        check(state(&["a", "c"], &["1"], "1"), None);
    }

    #[test]
    fn a_difference_names_lines_of_both_sides() {
        let golden = ["x".to_string(), "y".to_string()];
        assert_eq!(
            difference("rows", &golden, &["y".to_string(), "z".to_string()]),
            "  rows - x\n  rows + z\n"
        );
    }
}
