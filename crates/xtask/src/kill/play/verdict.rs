//! Whether reading, ledger and exit code name the same end, and it is one of the two that are promised.

use super::ledger::Last;
use crate::kill::case::{Case, Story, Then};
use crate::kill::oracle::{self, Golden, Named, State};
use crate::kill::project::{EXPANDS, Release};
use crate::kill::writer::{Row, Value, Written};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How the plain run ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub code: i32,
    /// There was a run to finish when it began.
    pub found_open: bool,
    pub ledger: Last,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub outcome: Outcome,
    /// `live`, `back`, with the exit codes of the plain runs.
    pub end: String,
    pub wrong: Vec<String>,
    /// Nothing is wrong but that users waited too long, which a busy machine makes them too.
    #[serde(default)]
    pub slow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Held,
    /// The promise held, but the run did not come by the point.
    Unreached,
    Failed,
}

impl Verdict {
    pub(super) fn of(
        (wrong, waited): (Vec<String>, Option<String>),
        unreached: bool,
        unreachable: u32,
        ended: Option<&Ended>,
    ) -> Verdict {
        let slow = wrong.is_empty() && waited.is_some();
        let wrong: Vec<String> = wrong.into_iter().chain(waited).collect();
        let outcome = match (wrong.is_empty(), unreached) {
            (false, _) => Outcome::Failed,
            (true, true) => Outcome::Unreached,
            (true, false) => Outcome::Held,
        };
        let first = "40 ".repeat(unreachable as usize);
        let end =
            ended.map(|ended| format!("{} {first}{}", ended.ledger.ending, ended.code)).unwrap_or_default();
        Verdict { outcome, end, wrong, slow }
    }

    pub(crate) fn broken(why: String) -> Verdict {
        Verdict { outcome: Outcome::Failed, end: String::new(), wrong: vec![why], slow: false }
    }
}

/// The run had nothing left to do, or a gate refused to try a release again that was undone.
const EXIT_DONE: i32 = 0;
const EXIT_GATE: i32 = 10;
const EXIT_OUTDATED: i32 = 12;
const EXIT_BACK: i32 = 20;
const EXIT_LEASE: i32 = 30;
const EXIT_UNREACHABLE: i32 = 40;

/// What is wrong with this end; empty is good.
pub(super) fn judge(case: &Case, golden: &Golden, state: &State, ended: &Ended) -> Vec<String> {
    let Ended { code, ledger, .. } = ended;
    let named = match golden.name(state) {
        Ok(named) => named,
        Err(differences) => {
            return vec![format!("neither release is there whole (exit {code}, {ledger})\n{differences}")];
        }
    };
    let mut wrong = Vec::new();
    if ledger.open {
        wrong.push(format!("the run is not closed: {ledger}"));
    }
    if !ledger.chained {
        wrong.push("an entry of the ledger does not follow the one before it".to_string());
    }
    if named_by_ledger(ledger) != Some(named) {
        wrong.push(format!("{named:?} is there, the ledger says {ledger}"));
    }
    if !codes(case, named, ended).contains(code) {
        wrong.push(format!("{named:?} is there, the exit code is {code}"));
    }
    wrong
}

/// What was planned for another world is not begun: the run is closed as refused, and everything stays as the stranger
/// left it.
pub(super) fn judge_meddled(meddled: &State, state: &State, ended: &Ended) -> Vec<String> {
    let Ended { code, ledger, .. } = ended;
    let mut wrong = Vec::new();
    if (*code, ledger.ending.as_str(), ledger.open) != (EXIT_OUTDATED, "refused", false) {
        wrong.push(format!("the world is not the planned one, the exit code is {code}: {ledger}"));
    }
    let changed = oracle::changed(meddled, state);
    if !changed.is_empty() {
        wrong.push(format!("the world is not the planned one, and was changed\n{changed}"));
    }
    wrong
}

/// What the last entry says is live.
fn named_by_ledger(ledger: &Last) -> Option<Named> {
    let ids: Vec<&str> = EXPANDS.iter().map(|(id, ..)| *id).collect();
    let kept = ledger.kept.iter().filter(|kept| ids.contains(&kept.as_str())).count();
    match (ledger.ending.as_str(), ledger.version.as_str()) {
        ("live", version) if version == Release::Good.version() => Some(Named::New),
        ("live", version) if version == Release::Baseline.version() => Some(Named::Old { kept: 0 }),
        ("back" | "refused", _) => Some(Named::Old { kept }),
        _ => None,
    }
}

/// Exit codes that are true of this end.
fn codes(case: &Case, named: Named, ended: &Ended) -> Vec<i32> {
    match (named, case.then) {
        (Named::New, _) => vec![EXIT_DONE],
        (Named::Old { .. }, Then::Next) => vec![EXIT_BACK],
        // The run was not open yet when it was struck, or its own deployer settled it: there is nothing to resume.
        (Named::Old { .. }, Then::Resume) if !ended.found_open => vec![EXIT_DONE],
        (Named::Old { .. }, Then::Deploy | Then::Other | Then::Ours) if case.story == Story::Back => {
            vec![EXIT_BACK, EXIT_GATE]
        }
        (Named::Old { .. }, _) => vec![EXIT_BACK],
    }
}

/// What a deployer may say that lived through a fault of somebody else, or slept through its own: what the ledger says,
/// that it was late, or that it could not reach somebody.
pub(super) fn may_say(name: &str, code: Option<i32>, ledger: &Last) -> Option<String> {
    let truth = match (ledger.open, ledger.ending.as_str()) {
        (true, _) => EXIT_UNREACHABLE,
        // Nothing was opened: only the baseline's own entry is there.
        (false, "live") if ledger.version == Release::Baseline.version() => EXIT_UNREACHABLE,
        (false, "live") => EXIT_DONE,
        (false, _) => EXIT_BACK,
    };
    let may = [Some(EXIT_LEASE), Some(EXIT_UNREACHABLE), Some(truth)];
    (!may.contains(&code)).then(|| format!("{name} ended with {code:?}; {truth} is true: {ledger}"))
}

/// What the replicas were told.
pub(super) struct Journal {
    pub rows: Written,
    /// A replica that called itself ready was not served by the schema.
    pub broken: Vec<String>,
}

impl Journal {
    pub(super) fn read(path: &Path) -> Journal {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut journal = Journal { rows: Written::new(), broken: Vec::new() };
        for line in text.lines() {
            let words: Vec<&str> = line.split('|').collect();
            match words[..] {
                ["row", id, body, mood] => {
                    let mood = (!mood.is_empty()).then(|| Value::There(mood.to_string()));
                    journal.rows.insert(id.to_string(), Row { body: body.to_string(), mood });
                }
                _ => journal.broken.push(format!("a replica wrote: {line}")),
            }
        }
        journal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kill::oracle::Workload;
    use std::collections::BTreeMap;

    fn state(schema: &str, seeds: &str, version: &str) -> State {
        let (executables, config, asked) = (vec![], vec![], version.into());
        let workload = Workload { executables, config, version: version.into(), asked };
        let workloads = BTreeMap::from([("api".to_string(), workload)]);
        State { schema: vec![schema.into()], seeds: vec![seeds.into()], workloads }
    }

    fn golden() -> Golden {
        let (old, new) = (state("k0", "1", "1"), state("k2", "2", "2"));
        let schemas = ["k0", "k1", "k2"].map(|name| vec![name.to_string()]).to_vec();
        Golden { new, schemas, seeds: vec![old.seeds.clone()], old }
    }

    fn ended(code: i32, ending: &str, version: &str, kept: &[&str], open: bool) -> Ended {
        let kept = kept.iter().map(|id| id.to_string()).collect();
        Ended {
            code,
            found_open: ending != "live" || version != "1",
            ledger: Last {
                count: 2,
                ending: ending.into(),
                version: version.into(),
                kept,
                open,
                chained: true,
            },
        }
    }

    /// The number of complaints about this end of `forward … THEN`.
    fn check(then: &str, state: State, ended: Ended, complaints: usize) {
        let id = format!("forward.01-done.commit-1.answer.deployer.kill.{then}");
        let wrong = judge(&Case::parse(&id).expect("a case"), &golden(), &state, &ended);
        assert_eq!(wrong.len(), complaints, "{wrong:?}");
    }

    #[test]
    fn reading_ledger_and_exit_code_must_name_the_same_end() {
        let first = EXPANDS[0].0;
        check("deploy", state("k2", "2", "2"), ended(0, "live", "2", &[], false), 0);
        check("deploy", state("k0", "1", "1"), ended(20, "back", "2", &[], false), 0);
        check("deploy", state("k1", "1", "1"), ended(20, "back", "2", &[first], false), 0);
        check("resume", state("k0", "1", "1"), ended(0, "live", "1", &[], false), 0);
        // The old release, called live; the new one, called back; an end that is neither; kept and not told.
        check("deploy", state("k0", "1", "1"), ended(0, "live", "2", &[], false), 2);
        check("deploy", state("k2", "2", "2"), ended(20, "back", "2", &[], false), 2);
        check("deploy", state("k2", "1", "2"), ended(0, "live", "2", &[], false), 1);
        check("deploy", state("k1", "1", "1"), ended(20, "back", "2", &[], false), 1);
        check("deploy", state("k0", "1", "1"), ended(0, "live", "1", &[], false), 1);
        check("deploy", state("k2", "2", "2"), ended(0, "live", "2", &[], true), 1);
        check("deploy", state("k2", "2", "2"), ended(21, "live", "2", &[], false), 1);
    }

    #[test]
    fn who_was_late_may_say_so_or_tell_the_truth() {
        let check = |ending: &str, version: &str, open: bool, good: &[i32]| {
            let ledger = ended(0, ending, version, &[], open).ledger;
            let said: Vec<i32> = [0, 10, 20, 21, 30, 40, 70]
                .into_iter()
                .filter(|code| may_say("a", Some(*code), &ledger).is_none())
                .collect();
            assert_eq!(said, good, "{ledger}");
        };
        check("live", "2", false, &[0, 30, 40]);
        check("back", "2", false, &[20, 30, 40]);
        check("live", "1", false, &[30, 40]);
        check("live", "1", true, &[30, 40]);
        assert!(may_say("a", None, &ended(0, "live", "2", &[], false).ledger).is_some());
    }
}
