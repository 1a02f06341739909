//! What a gate found, as data: why a release may not pass, or why nobody can tell.
//!
//! How a finding looks on a terminal or in JSON stands in the command's output modules. An inconclusive finding
//! blocks exactly as a refusal does: what could not be seen never promotes.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One reason. Reads as `refused[promoted/soak]: SAYS`, then evidence, cause and the next action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The gate's id and the finding's own code, `promoted/soak`.
    pub id: String,
    pub severity: Severity,
    /// What it is about: `release 2026.11.3`, `backend`, `0042_diary_client_id`.
    pub subject: String,
    /// The fact in one line, with the figures in it.
    pub says: String,
    /// Where the fact can be looked up, one line each.
    pub evidence: Vec<String>,
    /// Why something could not be read, in the words of whoever refused it.
    pub cause: Option<String>,
    /// What to do or type next.
    pub next: String,
    pub place: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; blocks nothing.
    Note,
    /// It could not be judged, which blocks.
    Inconclusive,
    Refuse,
}

/// A place in a file, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Inconclusive,
    Refuse,
}

/// What one gate said. `applies` is false when it had nothing to judge here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    pub gate: String,
    pub applies: bool,
    pub findings: Vec<Finding>,
}

/// All gates over one plan, in the order of the registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    pub gates: Vec<Judged>,
}

/// How many gates ended how; `judged` is the sum of pass, refuse and inconclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub judged: usize,
    pub pass: usize,
    pub refuse: usize,
    pub inconclusive: usize,
    pub not_applicable: usize,
}

impl Finding {
    pub fn refuse(id: &str, subject: impl Into<String>, says: impl Into<String>) -> Finding {
        Finding::new(Severity::Refuse, id, subject.into(), says.into())
    }

    pub fn inconclusive(id: &str, subject: impl Into<String>, says: impl Into<String>) -> Finding {
        Finding::new(Severity::Inconclusive, id, subject.into(), says.into())
    }

    pub fn note(id: &str, subject: impl Into<String>, says: impl Into<String>) -> Finding {
        Finding::new(Severity::Note, id, subject.into(), says.into())
    }

    fn new(severity: Severity, id: &str, subject: String, says: String) -> Finding {
        let (id, next) = (id.to_string(), String::new());
        Finding { id, severity, subject, says, evidence: Vec::new(), cause: None, next, place: None }
    }

    pub fn evidence(mut self, line: impl Into<String>) -> Finding {
        self.evidence.push(line.into());
        self
    }

    pub fn cause(mut self, cause: impl Into<String>) -> Finding {
        self.cause = Some(cause.into());
        self
    }

    pub fn next(mut self, next: impl Into<String>) -> Finding {
        self.next = next.into();
        self
    }

    pub fn at(mut self, place: Option<Place>) -> Finding {
        self.place = place;
        self
    }

    /// The gate that speaks, `promoted` of `promoted/soak`.
    pub fn gate(&self) -> &str {
        self.id.split('/').next().unwrap_or(&self.id)
    }

    /// Where the finding is explained.
    pub fn link(&self) -> String {
        format!("docs/gates.md#{}", self.gate())
    }
}

impl Verdict {
    /// The worst finding decides; notes and silence pass.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Verdict {
        let verdict = |f: &Finding| match f.severity {
            Severity::Note => Verdict::Pass,
            Severity::Inconclusive => Verdict::Inconclusive,
            Severity::Refuse => Verdict::Refuse,
        };
        findings.into_iter().map(verdict).max().unwrap_or(Verdict::Pass)
    }

    /// Only a pass lets a release go on.
    pub fn promotes(self) -> bool {
        self == Verdict::Pass
    }
}

impl Judged {
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.findings)
    }
}

impl GateReport {
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.gates.iter().flat_map(|g| &g.findings)
    }

    /// A report without gates judged nothing, and nothing is not a pass.
    pub fn verdict(&self) -> Verdict {
        if self.gates.is_empty() { Verdict::Inconclusive } else { Verdict::of(self.findings()) }
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for gate in &self.gates {
            match (gate.applies, gate.verdict()) {
                (false, Verdict::Pass) => counts.not_applicable += 1,
                (_, Verdict::Pass) => counts.pass += 1,
                (_, Verdict::Inconclusive) => counts.inconclusive += 1,
                (_, Verdict::Refuse) => counts.refuse += 1,
            }
        }
        counts.judged = counts.pass + counts.refuse + counts.inconclusive;
        counts
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(applies: bool, findings: Vec<Finding>) -> Judged {
        Judged { gate: "g".into(), applies, findings }
    }

    #[test]
    fn only_a_report_of_passes_promotes() {
        let note = || Finding::note("g/n", "s", "n");
        let unseen = || Finding::inconclusive("g/i", "s", "i");
        let refused = || Finding::refuse("g/r", "s", "r");
        let check = |gates: Vec<Judged>, expected: Verdict| {
            let verdict = GateReport { gates }.verdict();
            assert_eq!(verdict, expected);
            assert_eq!(verdict.promotes(), expected == Verdict::Pass);
        };
        check(vec![], Verdict::Inconclusive);
        check(vec![judged(true, vec![])], Verdict::Pass);
        check(vec![judged(true, vec![note()])], Verdict::Pass);
        check(vec![judged(true, vec![]), judged(true, vec![note(), unseen()])], Verdict::Inconclusive);
        check(vec![judged(true, vec![unseen()]), judged(true, vec![refused()])], Verdict::Refuse);
    }

    #[test]
    fn gates_that_judged_nothing_are_counted_apart() {
        let gates = vec![
            judged(true, vec![]),
            judged(false, vec![]),
            judged(true, vec![Finding::refuse("g/r", "s", "r"), Finding::inconclusive("g/i", "s", "i")]),
        ];
        let expected = Counts { judged: 2, pass: 1, refuse: 1, inconclusive: 0, not_applicable: 1 };
        assert_eq!(GateReport { gates }.counts(), expected);
    }
}
