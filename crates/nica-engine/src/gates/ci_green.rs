//! `ci-green`: has CI looked at exactly this release, and was everything that policy asks for green?

use super::{Gate, GateInput};
use crate::evidence::{self, BadEvidence, Check, CheckVerdict, Evidence};
use crate::finding::Finding;
use crate::policy::Signer;

const KIND: &str = "ci";
const AGAIN: &str = "let CI run for this commit, then: nica release evidence --kind ci FILES --key KEY";

pub(super) const GATE: Gate = Gate {
    id: "ci-green",
    codes: &["unreadable", "missing", "signature", "other-release", "failed", "inconclusive", "incomplete"],
    applies: |input| input.policy.signers.contains_key(KIND),
    judge,
};

fn judge(input: &GateInput) -> Vec<Finding> {
    let Some(signer) = input.policy.signers.get(KIND) else { return Vec::new() };
    let subject = format!("release {}", input.release.version);
    match read(input, signer, &subject) {
        Err(finding) => vec![*finding],
        Ok(evidence) => about(input, &evidence, &subject)
            .map_or_else(|| checks(&evidence, signer, &subject), |finding| vec![finding]),
    }
}

/// The evidence, when it is there and signed by the signer.
fn read(input: &GateInput, signer: &Signer, subject: &str) -> Result<Evidence, Box<Finding>> {
    let unreadable = |cause: &str| {
        let says = format!("the evidence of CI for {subject} could not be read");
        Box::new(Finding::inconclusive("ci-green/unreadable", subject, says).cause(cause).next(AGAIN))
    };
    let documents = input.evidence.as_ref().map_err(|cause| unreadable(cause))?;
    let Some(signed) = documents.get(KIND) else {
        let says = format!("there is no evidence of CI beside {subject}");
        return Err(Box::new(Finding::inconclusive("ci-green/missing", subject, says).next(AGAIN)));
    };
    evidence::verify(signed, signer).map_err(|error| match error {
        BadEvidence::Unreadable(_) | BadEvidence::Format(_) => unreadable(&error.to_string()),
        BadEvidence::Signature(_) | BadEvidence::OtherKey(_) => {
            let says = format!("the evidence of CI for {subject} is not signed by [signer.ci]");
            let finding = Finding::refuse("ci-green/signature", subject, says).cause(error.to_string());
            Box::new(finding.next(AGAIN))
        }
    })
}

/// Evidence about something else is no evidence.
fn about(input: &GateInput, evidence: &Evidence, subject: &str) -> Option<Finding> {
    let (wanted, found) = (input.release.hash(), &evidence.release_hash);
    let says = if *found != wanted {
        format!(
            "the evidence is about the release hash {}, this release has {}",
            found.short(),
            wanted.short()
        )
    } else if evidence.commit != input.release.commit {
        format!("the evidence is about commit {}, this release is {}", evidence.commit, input.release.commit)
    } else if evidence.kind != KIND {
        format!("the evidence is of the kind {}", evidence.kind)
    } else {
        return None;
    };
    Some(Finding::refuse("ci-green/other-release", subject, says).next(AGAIN))
}

fn checks(evidence: &Evidence, signer: &Signer, subject: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = evidence.checks.iter().filter_map(check).collect();
    let made = |name: &String| evidence.checks.iter().any(|c| c.name == *name);
    let missing: Vec<&str> = signer.checks.iter().filter(|c| !made(c)).map(String::as_str).collect();
    if !missing.is_empty() || evidence.checks.is_empty() {
        let says = match missing.as_slice() {
            [] => "the evidence lists no check at all".to_string(),
            missing => format!("the evidence does not list {}", missing.join(", ")),
        };
        findings.push(Finding::inconclusive("ci-green/incomplete", subject, says).next(AGAIN));
    }
    findings
}

fn check(check: &Check) -> Option<Finding> {
    let Check { name, verdict, count } = check;
    let fix = format!("see why by hand: ./x ci {name}");
    let finding = match verdict {
        CheckVerdict::Refuse => {
            Finding::refuse("ci-green/failed", name, format!("{name} failed in CI")).next(fix)
        }
        CheckVerdict::Inconclusive => {
            Finding::inconclusive("ci-green/inconclusive", name, format!("{name} came to no result in CI"))
                .next(fix)
        }
        CheckVerdict::Pass if *count == 0 => {
            let says = format!("{name} looked at nothing in CI, and nothing is no pass");
            Finding::inconclusive("ci-green/inconclusive", name, says).next(fix)
        }
        CheckVerdict::Pass => return None,
    };
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, evidence, signed_evidence};
    use super::*;

    const AGAIN: &str =
        "= next: let CI run for this commit, then: nica release evidence --kind ci FILES --key KEY";

    fn gate(change: impl FnOnce(&mut GateInput), expected: &[&str]) {
        let expected: Vec<String> = expected.iter().map(|e| e.replace("AGAIN", AGAIN)).collect();
        check("ci-green", change, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Evidence changed before it was signed.
    fn saying(change: fn(&mut Evidence)) -> impl FnOnce(&mut GateInput) {
        move |input| {
            let mut evidence = evidence(&input.release);
            change(&mut evidence);
            input.evidence = Ok([("ci".to_string(), signed_evidence(&evidence, 50))].into());
        }
    }

    #[test]
    fn ci_green() {
        gate(|_| {}, &[]);
        gate(saying(|_| {}), &[]);
        gate(
            saying(|e| e.checks[0].verdict = CheckVerdict::Refuse),
            &["refuse[ci-green/failed]: lint failed in CI = next: see why by hand: ./x ci lint"],
        );
        gate(
            saying(|e| e.checks[1].verdict = CheckVerdict::Inconclusive),
            &["inconclusive[ci-green/inconclusive]: test came to no result in CI \
               = next: see why by hand: ./x ci test"],
        );
        gate(
            saying(|e| e.checks[1].count = 0),
            &["inconclusive[ci-green/inconclusive]: test looked at nothing in CI, and nothing is no pass \
               = next: see why by hand: ./x ci test"],
        );
        gate(
            |i| i.evidence = Err("permission denied".into()),
            &["inconclusive[ci-green/unreadable]: the evidence of CI for release 2.0 could not be read \
               = cause: permission denied AGAIN"],
        );
        gate(
            |i| i.evidence.as_mut().unwrap().clear(),
            &["inconclusive[ci-green/missing]: there is no evidence of CI beside release 2.0 AGAIN"],
        );
        gate(
            saying(|e| e.checks.truncate(1)),
            &["inconclusive[ci-green/incomplete]: the evidence does not list test AGAIN"],
        );
        gate(
            saying(|e| e.commit = "beef".into()),
            &[
                "refuse[ci-green/other-release]: the evidence is about commit beef, this release is c0ffee AGAIN",
            ],
        );
    }

    #[test]
    fn evidence_that_the_signer_did_not_sign_is_refused() {
        let refused =
            ["refuse[ci-green/signature]: the evidence of CI for release 2.0 is not signed by [signer.ci] \
                        = cause: the signature does not fit the document AGAIN"];
        let forged = |i: &mut GateInput| {
            let signed = i.evidence.as_mut().unwrap().get_mut("ci").unwrap();
            signed.document = signed.document.replace("\"count\":40", "\"count\":41");
        };
        gate(forged, &refused);
        let other_key = |i: &mut GateInput| {
            let signed = signed_evidence(&evidence(&i.release), 51);
            i.evidence = Ok([("ci".to_string(), signed)].into());
        };
        assert_eq!(super::super::testing::ids("ci-green", other_key), ["ci-green/signature"]);
    }

    #[test]
    fn evidence_of_another_release_is_refused() {
        let moved = |i: &mut GateInput| i.release.version = "2.1".into();
        assert_eq!(super::super::testing::ids("ci-green", moved), ["ci-green/other-release"]);
    }
}
