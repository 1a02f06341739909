//! What the migration table and the seeds mean for a program: data in, problems and notes out.

use super::{Note, Problem, State, few};
use crate::seed::{Differences, What};
use crate::source::{Migration, Phase};
use crate::state::{AppliedMigration, MigrationState};
use std::collections::BTreeMap;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<Note>,
}

/// `applied` is `None` where there is no schema `nica`.
pub(super) fn migrations(needed: &[Migration], applied: Option<&[AppliedMigration]>) -> Judgement {
    let rows = applied.unwrap_or_default();
    let by_id: BTreeMap<&str, &AppliedMigration> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let mut judgement = Judgement::default();
    judgement.needed(needed, &by_id, applied.is_some());
    judgement.unknown(needed, rows);
    let started = rows.iter().filter(|row| row.state == MigrationState::Started);
    judgement.problem(State::StepHalfDone, ids(started), |items| {
        format!("{items} has begun and is not done; run the deployment again, it goes on where it stands")
    });
    let retained = rows.iter().filter(|row| row.state == MigrationState::Retained);
    judgement.note("retained", ids(retained), |items| format!("{items} stayed when its release went back"));
    judgement
}

impl Judgement {
    fn needed(&mut self, needed: &[Migration], rows: &BTreeMap<&str, &AppliedMigration>, has_nica: bool) {
        let row = |migration: &Migration| rows.get(migration.id.as_str());
        let absent = |m: &&Migration| row(m).is_none_or(|row| row.state == MigrationState::Undone);
        let (contracts, behind): (Vec<_>, Vec<_>) =
            needed.iter().filter(absent).partition(|m| m.phase == Phase::Contract);
        let edited = needed.iter().filter(|m| row(m).is_some_and(|row| is_edited(row, m)));
        self.problem(State::MigrationsBehind, ids(behind), |items| {
            let why = if has_nica { "" } else { "; NICA has never been here" };
            format!("{items} is not applied{why}; run migrate-seed or deploy")
        });
        self.problem(State::MigrationEdited, ids(edited), |items| {
            format!("{items} was applied with another text; undo the edit and write a new migration")
        });
        self.note("contract-pending", ids(contracts), |items| format!("{items} waits for nica contract"));
    }

    /// What is there and the program does not know.
    fn unknown(&mut self, needed: &[Migration], rows: &[AppliedMigration]) {
        let floor = needed.iter().filter(|m| m.phase == Phase::Contract).map(Migration::number).max();
        let is_unknown = |row: &&AppliedMigration| {
            row.state != MigrationState::Undone && !needed.iter().any(|m| m.id == row.id)
        };
        let (contracts, expands): (Vec<_>, Vec<_>) =
            rows.iter().filter(is_unknown).partition(|row| row.phase == Phase::Contract);
        let above = contracts.into_iter().filter(|row| floor.is_none_or(|floor| number(row) > floor));
        self.problem(State::AheadByContract, ids(above), |items| {
            format!("{items} has taken away what this program may need; run a release that has it")
        });
        let expands = expands.into_iter().filter(|row| row.state.is_there());
        self.note("ahead-by-expand", ids(expands), |items| format!("{items} is newer than this program"));
    }

    fn problem(&mut self, state: State, items: Vec<String>, sentence: impl Fn(&str) -> String) {
        if !items.is_empty() {
            self.problems.push(Problem::new(state, sentence(&few(&items)), items));
        }
    }

    fn note(&mut self, code: &'static str, items: Vec<String>, sentence: impl Fn(&str) -> String) {
        if !items.is_empty() {
            self.notes.push(Note { code, sentence: sentence(&few(&items)), items });
        }
    }
}

pub(super) fn seeds(differences: &Differences) -> Judgement {
    let of = |wanted: fn(&What) -> bool| {
        let rows = differences.rows.iter().filter(|difference| wanted(&difference.what));
        rows.map(|difference| difference.row.to_string()).collect::<Vec<_>>()
    };
    let mut judgement = Judgement::default();
    judgement.problem(State::SeedMissing, of(|what| *what == What::Missing), |items| {
        format!("{items} is missing; run migrate-seed or deploy")
    });
    judgement.problem(State::SeedAltered, of(|what| matches!(what, What::Altered { .. })), |items| {
        format!("{items} is not as the release says; run migrate-seed or deploy, or mark it local")
    });
    judgement.note("newer-seeds", of(|what| *what == What::Retire), |items| {
        format!("{items} is a seed that this program does not know")
    });
    judgement.note("seed-unrecorded", of(|what| *what == What::Unrecorded), |items| {
        format!("{items} is right and not recorded as a seed yet")
    });
    let local = differences.local.iter().map(ToString::to_string).collect();
    judgement.note("seed-local", local, |items| format!("{items} is kept as an operator wants it"));
    judgement
}

trait Named {
    fn id(&self) -> &str;
}

impl Named for &Migration {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Named for &AppliedMigration {
    fn id(&self) -> &str {
        &self.id
    }
}

fn ids(all: impl IntoIterator<Item = impl Named>) -> Vec<String> {
    all.into_iter().map(|one| one.id().to_string()).collect()
}

fn is_edited(row: &AppliedMigration, migration: &Migration) -> bool {
    row.state.is_there() && row.sha256 != migration.sha256
}

fn number(row: &AppliedMigration) -> u64 {
    crate::source::number_of(&row.id).unwrap_or(0)
}
