//! Gates: may this release go into this environment, by what was gathered?
//!
//! One file each; a gate's id is its file, its test and its section in docs/gates.md. A gate sees data only: how
//! evidence was gathered, and whether it could be, arrives in `GateInput`. What could not be gathered is
//! inconclusive and blocks like a refusal.

pub mod input;

mod approval;
mod ci_green;
mod config;
mod migration;
mod promoted;
mod quarantine;
mod release_complete;

pub use input::{Certificate, GateInput, Gathered};

use crate::finding::{Finding, GateReport, Judged, Severity};
use crate::release::Migration;

/// A gate: what it is called, when it has something to judge, and its judgement.
pub struct Gate {
    pub id: &'static str,
    /// The findings it may yield, without the id before them.
    pub codes: &'static [&'static str],
    pub applies: fn(&GateInput) -> bool,
    pub judge: fn(&GateInput) -> Vec<Finding>,
}

/// All gates, in the order in which they are told.
pub const GATES: [Gate; 7] = [
    release_complete::GATE,
    ci_green::GATE,
    quarantine::GATE,
    promoted::GATE,
    config::GATE,
    migration::GATE,
    approval::GATE,
];

const DOCS: &str = include_str!("../../../docs/gates.md");

/// The gate `migration` by itself, before there is a release or a plan. Nothing is waived here.
pub fn judge_migrations(migrations: &[Migration], certificates: &Gathered<Vec<Certificate>>) -> Judged {
    let (gate, applies) = (migration::GATE.id.to_string(), !migrations.is_empty());
    Judged { gate, applies, findings: migration::findings(migrations, certificates) }
}

/// Every gate over the same input, waivers applied.
pub fn judge(input: &GateInput) -> GateReport {
    GateReport { gates: GATES.iter().map(|gate| judge_one(gate, input)).collect() }
}

fn judge_one(gate: &Gate, input: &GateInput) -> Judged {
    let applies = (gate.applies)(input);
    let mut findings = if applies { (gate.judge)(input) } else { Vec::new() };
    for finding in &mut findings {
        let code = finding.id.strip_prefix(gate.id).and_then(|code| code.strip_prefix('/'));
        assert!(code.is_some_and(|c| gate.codes.contains(&c)), "{} is no finding of {}", finding.id, gate.id);
        waive(finding, input);
    }
    Judged { gate: gate.id.to_string(), applies, findings }
}

/// A waiver turns a finding into a note that says who took it upon themselves, why and until when.
fn waive(finding: &mut Finding, input: &GateInput) {
    let fits = |waiver: &&crate::ledger::Waiver| {
        (waiver.finding == finding.id || waiver.finding == finding.gate())
            && waiver.until > input.now
            && !waiver.reason.trim().is_empty()
            && input.people.0.contains_key(&waiver.person)
    };
    if finding.severity == Severity::Note {
        return;
    }
    if let Some(waiver) = input.waivers.iter().find(fits) {
        finding.severity = Severity::Note;
        let (person, until, reason) = (&waiver.person, waiver.until.to_minute(), &waiver.reason);
        finding.evidence.push(format!("waived by {person} until {until}: {reason}"));
    }
}

/// What `nica explain ID` prints: the section of the gate, for its id or the id of one of its findings.
pub fn explain(id: &str) -> Option<&'static str> {
    let gate = id.split('/').next().unwrap_or(id);
    let known = GATES.iter().find(|g| g.id == gate)?;
    if let Some((_, code)) = id.split_once('/') {
        known.codes.iter().find(|c| **c == code)?;
    }
    section(gate)
}

fn section(gate: &str) -> Option<&'static str> {
    let start = DOCS.find(&format!("\n## {gate}\n"))? + 1;
    let end = DOCS[start..].find("\n## ").map_or(DOCS.len(), |at| start + at);
    Some(DOCS[start..end].trim_end())
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
