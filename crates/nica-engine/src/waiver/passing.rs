//! Who took which finding upon themselves. A waiver that does not hold is told beside the finding that it names.

use super::{read, verify};
use crate::approval::Wanted;
use crate::evidence::Signed;
use crate::finding::{Finding, Severity};
use crate::ledger::Waiver;
use crate::people::People;

pub(crate) struct Waivers {
    pub(crate) hold: Vec<Waiver>,
    /// What each of the others names, and why it does not hold.
    void: Vec<(String, String)>,
}

/// Bytes that are not what was released are no judgement that a person could make instead of a gate.
const NEVER: &str = "release-complete";

impl Waivers {
    pub(crate) fn of(signed: &[Signed], people: &People, wanted: &Wanted<'_>) -> Waivers {
        let mut waivers = Waivers { hold: Vec::new(), void: Vec::new() };
        for signed in signed {
            let Ok(said) = read(signed) else { continue };
            match verify(signed, people, wanted) {
                Ok(waiver) if gate_of(&waiver.finding) == NEVER => {
                    let why = "nobody can take a damaged release file upon themselves";
                    waivers
                        .void
                        .push((said.finding, format!("a waiver of {} does not count: {why}", waiver.person)));
                }
                Ok(waiver) => waivers.hold.push(waiver),
                Err(error) => waivers.void.push((said.finding, format!("a waiver does not count: {error}"))),
            }
        }
        waivers
    }

    /// The waiver by which a finding that blocks is passed.
    pub(crate) fn pass(&self, finding: &Finding) -> Option<&Waiver> {
        let blocks = finding.severity != Severity::Note;
        self.hold.iter().find(|waiver| blocks && names(&waiver.finding, &finding.id))
    }

    /// A waiver turns a finding into a note that says who took it upon themselves, why and until when.
    pub(crate) fn apply(&self, finding: &mut Finding) {
        if let Some(Waiver { person, until, reason, .. }) = self.pass(finding) {
            finding.evidence.push(format!("waived by {person} until {}: {reason}", until.to_minute()));
            finding.severity = Severity::Note;
            return;
        }
        let void = self.void.iter().filter(|(waived, _)| names(waived, &finding.id));
        finding.evidence.extend(void.map(|(_, why)| why.clone()));
    }
}

/// Is what was waived this finding, or its gate?
fn names(waived: &str, finding: &str) -> bool {
    waived == finding || waived == gate_of(finding)
}

fn gate_of(finding: &str) -> &str {
    finding.split('/').next().unwrap_or(finding)
}
