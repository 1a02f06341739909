//! Gates: may this release go into this environment, by what was gathered?
//!
//! One file each; a gate's id is its file, its test and its section in docs/gates.md. A gate sees data only: how
//! evidence was gathered, and whether it could be, arrives in `GateInput`. What could not be gathered is
//! inconclusive and blocks like a refusal.

pub mod input;

mod approval;
mod ci_green;
mod config;
mod image;
mod migration;
mod node_fit;
mod promoted;
mod quarantine;
mod release_complete;
mod server;
mod window;

pub use input::{Certificate, GateInput, Gathered};

use crate::approval::Wanted;
use crate::finding::{Finding, GateReport, Judged};
use crate::ledger::Waiver;
use crate::release::Migration;
use crate::waiver::Waivers;
use std::collections::BTreeSet;

/// A gate: what it is called, when it has something to judge, and its judgement.
pub struct Gate {
    pub id: &'static str,
    /// The findings it may yield, without the id before them.
    pub codes: &'static [&'static str],
    pub applies: fn(&GateInput) -> bool,
    pub judge: fn(&GateInput) -> Vec<Finding>,
}

/// All gates, in the order in which they are told.
pub const GATES: [Gate; 11] = [
    release_complete::GATE,
    ci_green::GATE,
    quarantine::GATE,
    promoted::GATE,
    config::GATE,
    image::GATE,
    server::GATE,
    node_fit::GATE,
    migration::GATE,
    window::GATE,
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
    let waivers = waivers(input);
    let mut judged: Vec<Judged> = GATES.iter().map(|gate| judge_one(gate, input)).collect();
    judged.iter_mut().flat_map(|gate| &mut gate.findings).for_each(|finding| waivers.apply(finding));
    GateReport { gates: judged }
}

/// The waivers without which a gate would not pass: those that a run consumes which is opened now.
pub fn waived(input: &GateInput) -> Vec<Waiver> {
    let waivers = waivers(input);
    let judged: Vec<Judged> = GATES.iter().map(|gate| judge_one(gate, input)).collect();
    let findings = judged.iter().flat_map(|gate| &gate.findings);
    let used: BTreeSet<&str> = findings.filter_map(|f| waivers.pass(f)).map(|w| w.nonce.as_str()).collect();
    waivers.hold.iter().filter(|waiver| used.contains(waiver.nonce.as_str())).cloned().collect()
}

fn waivers(input: &GateInput) -> Waivers {
    let (plan_hash, env, consumed) = (&input.plan_hash, input.env.as_str(), &input.consumed);
    Waivers::of(&input.waivers, &input.people, &Wanted { plan_hash, env, now: input.now, consumed })
}

fn judge_one(gate: &Gate, input: &GateInput) -> Judged {
    let applies = (gate.applies)(input);
    let findings = if applies { (gate.judge)(input) } else { Vec::new() };
    for finding in &findings {
        let code = finding.id.strip_prefix(gate.id).and_then(|code| code.strip_prefix('/'));
        assert!(code.is_some_and(|c| gate.codes.contains(&c)), "{} is no finding of {}", finding.id, gate.id);
    }
    Judged { gate: gate.id.to_string(), applies, findings }
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
