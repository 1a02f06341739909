//! `approval`: have enough people, far enough from the change, signed exactly this plan?

use super::{Gate, GateInput};
use crate::approval::{self, Approver, Tally, Wanted};
use crate::finding::Finding;
use std::collections::BTreeSet;

pub(super) const GATE: Gate = Gate {
    id: "approval",
    codes: &["starter-unknown", "authors-unknown", "author-unknown", "void", "missing"],
    applies: |input| input.policy.approvals > 0,
    judge,
};

fn judge(input: &GateInput) -> Vec<Finding> {
    let mut findings = Vec::new();
    let starters: BTreeSet<&str> = input.people.by_account(&input.starter).collect();
    if starters.is_empty() {
        findings.push(starter_unknown(&input.starter));
    }
    let authors = match &input.commits {
        Ok(commits) => commits.iter().flat_map(|c| c.authors.iter().cloned()).collect(),
        Err(cause) => {
            findings.push(authors_unknown(cause));
            BTreeSet::new()
        }
    };
    findings.extend(strangers(input, &authors));
    let (approvers, void) = verify(input);
    let tally = approval::count(&approvers, &input.people, &authors, &starters);
    findings.extend(void);
    findings.extend(missing(input, &tally));
    findings
}

fn starter_unknown(starter: &str) -> Finding {
    let says =
        format!("nobody knows who {starter} is, so nobody can say that an approver did not start the run");
    let finding = Finding::inconclusive("approval/starter-unknown", starter, says);
    finding.next(format!("add \"{starter}\" to the accounts of a person in people.toml, or set NICA_ACTOR"))
}

fn authors_unknown(cause: &str) -> Finding {
    let says = "nobody could look who wrote the commits since the live release";
    let finding = Finding::inconclusive("approval/authors-unknown", "commits", says).cause(cause);
    finding.next("make the release from a clone with its whole history: nica release create")
}

/// Addresses that belong to nobody: an approver could hide behind one, so they are shown.
fn strangers(input: &GateInput, authors: &BTreeSet<String>) -> Vec<Finding> {
    let unknown = authors.iter().filter(|email| input.people.by_email(email).next().is_none());
    let note = |email: &String| {
        let says = format!("{email} wrote commits of it and belongs to nobody in people.toml");
        let next = "add the address to its person, if it has one";
        Finding::note("approval/author-unknown", email, says).next(next)
    };
    unknown.map(note).collect()
}

/// Signatures that hold, and a note for each that does not.
fn verify(input: &GateInput) -> (Vec<Approver>, Vec<Finding>) {
    let wanted =
        Wanted { plan_hash: &input.plan_hash, env: &input.env, now: input.now, consumed: &input.consumed };
    let (mut approvers, mut void) = (Vec::new(), Vec::new());
    for signed in &input.approvals {
        match approval::verify(signed, &input.people, &wanted) {
            Ok(approver) => approvers.push(approver),
            Err(error) => {
                let finding = Finding::note(
                    "approval/void",
                    "approval",
                    format!("an approval does not count: {error}"),
                );
                void.push(finding.next("nica approve PLAN, for the plan as it is now"));
            }
        }
    }
    (approvers, void)
}

fn missing(input: &GateInput, tally: &Tally) -> Option<Finding> {
    let (have, asked) = (tally.count.len(), input.policy.approvals as usize);
    if have >= asked {
        return None;
    }
    let plan = input.plan_hash.short();
    let says = format!("plan {plan} has {have} of {asked} approvals that {} asks for", input.env);
    let mut finding = Finding::refuse("approval/missing", format!("plan {plan}"), says);
    for person in tally.count.keys() {
        finding = finding.evidence(format!("{person} approved"));
    }
    for (person, why) in &tally.excluded {
        finding = finding.evidence(format!("{person} does not count: {person} {why}"));
    }
    Some(finding.next("let an approver who neither wrote nor started it run: nica approve PLAN"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{approve, check, ids};
    use super::*;
    use crate::release::Commit;

    const NEXT: &str = "= next: let an approver who neither wrote nor started it run: nica approve PLAN";

    fn gate(change: impl FnOnce(&mut GateInput), expected: &[&str]) {
        let expected: Vec<String> = expected.iter().map(|e| e.replace("NEXT", NEXT)).collect();
        check("approval", change, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }

    fn written_by(email: &str) -> Vec<Commit> {
        vec![Commit { id: "c0ffee".into(), authors: vec![email.into()] }]
    }

    #[test]
    fn approval() {
        gate(|_| {}, &[]);
        gate(
            |i| i.approvals.truncate(1),
            &["refuse[approval/missing]: plan SHORT(plan) has 1 of 2 approvals that prod asks for \
               = evidence: ana approved NEXT"],
        );
        gate(
            |i| i.commits = Ok(written_by("rui@example.org")),
            &["refuse[approval/missing]: plan SHORT(plan) has 1 of 2 approvals that prod asks for \
               = evidence: ana approved \
               = evidence: rui does not count: rui wrote commits of it as rui@example.org NEXT"],
        );
        gate(
            |i| i.starter = "ana".into(),
            &["refuse[approval/missing]: plan SHORT(plan) has 1 of 2 approvals that prod asks for \
               = evidence: rui approved = evidence: ana does not count: ana started this run NEXT"],
        );
        gate(
            |i| i.starter = "root@runner".into(),
            &[
                "inconclusive[approval/starter-unknown]: nobody knows who root@runner is, so nobody can say that an \
               approver did not start the run \
               = next: add \"root@runner\" to the accounts of a person in people.toml, or set NICA_ACTOR",
            ],
        );
        gate(
            |i| i.commits = Err("git is not here".into()),
            &[
                "inconclusive[approval/authors-unknown]: nobody could look who wrote the commits since the live \
               release = cause: git is not here \
               = next: make the release from a clone with its whole history: nica release create",
            ],
        );
        gate(
            |i| i.commits = Ok(written_by("who@example.net")),
            &["note[approval/author-unknown]: who@example.net wrote commits of it and belongs to nobody in \
               people.toml = next: add the address to its person, if it has one"],
        );
    }

    #[test]
    fn approvals_that_do_not_hold_do_not_count() {
        let check =
            |change: fn(&mut GateInput), expected: &[&str]| assert_eq!(ids("approval", change), expected);
        let void = ["approval/void", "approval/void", "approval/missing"];
        check(|i| i.plan_hash = crate::Digest::of(b"another plan"), &void);
        check(|i| i.env = "stage".into(), &void);
        check(|i| i.now = i.now.plus(approval::VALID_FOR), &void);
        check(|i| i.consumed = ["nonce 1".into(), "nonce 2".into()].into(), &void);
        // A void one beside enough good ones hinders nobody; two keys of one person are one.
        check(|i| i.approvals.push(approve(i, 9)), &["approval/void"]);
        check(|i| i.approvals = vec![approve(i, 1), approve(i, 3)], &["approval/missing"]);
    }
}
