//! Approvals that hold, and every way in which they do not.

use super::testing::signed;
use super::*;
use crate::canonical;
use crate::effect::SecretName;
use crate::gates;
use crate::people::testing::people;
use crate::plan::{self, Plan, Target};
use crate::signature::testing::{private, public};
use crate::world::World;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const HOUR: i64 = 3_600_000;

fn at(ms: i64) -> Instant {
    Instant::from_unix_ms(ms).unwrap()
}

fn plan_hash() -> Digest {
    Digest::of(b"plan")
}

fn approval(change: impl FnOnce(&mut Approval)) -> Approval {
    let mut approval = Approval {
        format: 1,
        plan_hash: plan_hash(),
        env: "prod".into(),
        expiry: at(4 * HOUR),
        nonce: "n1".into(),
    };
    change(&mut approval);
    approval
}

fn ask(signed: &Signed, now: Instant, consumed: &[&str]) -> Result<Approver, NotApproved> {
    let mut known = people(&[("ana", &[1, 2]), ("rui", &[3]), ("eva", &[4])]);
    known.0.get_mut("eva").unwrap().roles.clear();
    let consumed = consumed.iter().map(|n| n.to_string()).collect();
    verify(signed, &known, &Wanted { plan_hash: &plan_hash(), env: "prod", now, consumed: &consumed })
}

#[test]
fn an_approval_holds_for_one_plan_one_environment_a_while_and_once() {
    let check = |change: fn(&mut Approval), key, now, consumed: &[&str], says: &str| {
        let answer = ask(&signed(&approval(change), key), at(now), consumed);
        let said = answer.map_or_else(|e| e.to_string(), |a| format!("{} approved", a.person));
        assert_eq!(said, says);
    };
    let other_plan = |a: &mut Approval| a.plan_hash = Digest::of(b"other");
    check(|_| {}, 1, 0, &[], "ana approved");
    check(|_| {}, 2, 4 * HOUR - 1, &["n2"], "ana approved");
    check(|_| {}, 1, 4 * HOUR, &[], "the approval of ana expired at 1970-01-01T04:00:00.000Z");
    check(|_| {}, 1, 0, &["n1"], "the approval of ana was used by an earlier run");
    check(|_| {}, 4, 0, &[], "eva is no approver");
    check(|_| {}, 9, 0, &[], &format!("the key {} belongs to nobody in people.toml", public(9)));
    check(|a| a.env = "stage".into(), 1, 0, &[], "ana approved for stage, not for prod");
    let says = "ana approved plan d9298a10, what would be applied now is plan c8f3c02c";
    let says =
        says.replace("d9298a10", Digest::of(b"other").short()).replace("c8f3c02c", plan_hash().short());
    check(other_plan, 1, 0, &[], &says);
    check(|a| a.format = 2, 1, 0, &[], "the approval has format 2, this nica reads up to 1");
    let says =
        "the approval of ana is valid until 1970-01-01T05:00:00.000Z, longer than the 4 h that are allowed";
    check(|a| a.expiry = at(5 * HOUR), 1, 0, &[], says);
}

#[test]
fn a_signature_for_evidence_approves_nothing() {
    let document = approval(|_| {}).to_document();
    let wrong = crate::evidence::testing::signed(&document, 1);
    let error = ask(&wrong, at(0), &[]).unwrap_err();
    assert_eq!(error.to_string(), "the signature is made for `nica-evidence`, not for `nica-approval`");
}

#[test]
fn an_approval_has_one_text() {
    let document = approval(|_| {}).to_document().replace(",", ", ");
    let signature = signature::sign(&private(1), NAMESPACE, document.as_bytes()).unwrap();
    let error = ask(&Signed { document, signature }, at(0), &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "the approval cannot be read: it is not in its canonical form: something was changed by hand"
    );
}

#[test]
fn people_count_once_and_neither_authors_nor_the_starter_count() {
    let known = people(&[("ana", &[1, 2]), ("rui", &[3]), ("eva", &[4])]);
    let check = |keys: &[(&str, u8)],
                 authors: &[&str],
                 starter: Option<&str>,
                 counted: &[&str],
                 excluded: &[&str]| {
        let approver = |(person, key): &(&str, u8)| Approver {
            person: person.to_string(),
            key: public(*key),
            nonce: key.to_string(),
            expiry: at(HOUR),
        };
        let approvers: Vec<_> = keys.iter().map(approver).collect();
        let starters: BTreeSet<&str> = starter.into_iter().collect();
        let authors = authors.iter().map(|a| a.to_string()).collect();
        let tally = count(&approvers, &known, &authors, &starters);
        assert_eq!(tally.count.keys().collect::<Vec<_>>(), counted);
        assert_eq!(tally.excluded.keys().collect::<Vec<_>>(), excluded);
    };
    check(&[("ana", 1), ("rui", 3)], &[], None, &["ana", "rui"], &[]);
    check(&[("ana", 1), ("ana", 2)], &[], None, &["ana"], &[]);
    check(&[("ana", 1), ("rui", 3)], &["Rui@Example.org"], None, &["ana"], &["rui"]);
    check(&[("ana", 1), ("rui", 3)], &["bot@example.org"], Some("ana"), &["rui"], &["ana"]);
}

/// 2,000 single bytes of the document and 2,000 of the signature, changed to any other value.
#[test]
fn no_approval_survives_a_changed_byte() {
    let good = signed(&approval(|_| {}), 1);
    assert!(ask(&good, at(0), &[]).is_ok());
    let refused = |document: Vec<u8>, signature: Vec<u8>| match (
        String::from_utf8(document),
        String::from_utf8(signature),
    ) {
        (Ok(document), Ok(signature)) => ask(&Signed { document, signature }, at(0), &[]).is_err(),
        _ => true, // not even a text
    };
    mutations(good.document.as_bytes(), |bytes| refused(bytes, good.signature.clone().into_bytes()));
    mutations(good.signature.as_bytes(), |bytes| refused(good.document.clone().into_bytes(), bytes));
}

/// A plan file that somebody changes after it was signed: it is no plan any more, or one with another hash.
#[test]
fn no_approval_survives_a_changed_byte_of_the_plan() {
    let file = canonical::to_bytes(&a_plan());
    let known = people(&[("ana", &[1])]);
    let good = signed(&approval(|a| a.plan_hash = a_plan().hash()), 1);
    let holds = |bytes: &[u8]| {
        let Ok(plan) = canonical::read::<Plan>(bytes) else { return false };
        let (plan_hash, consumed) = (plan.hash(), BTreeSet::new());
        let wanted = Wanted { plan_hash: &plan_hash, env: "prod", now: at(0), consumed: &consumed };
        verify(&good, &known, &wanted).is_ok()
    };
    assert!(holds(&file));
    mutations(&file, |bytes| !holds(&bytes));
}

/// Release 2.0 into an empty prod: a migration, seeds and a component with a secret.
fn a_plan() -> Plan {
    let release = gates::testing::release();
    let name = SecretName("hmac of the value".into());
    let secrets = [("backend".to_string(), [("AUTH_SECRET".to_string(), name)].into())].into();
    let target = Target {
        env: "prod",
        release: &release,
        baseline: None,
        secrets: &secrets,
        policy: gates::testing::policy(),
        people: people(&[("ana", &[1])]).hash(),
        projection: Digest::of(b"projection"),
        objects: None,
    };
    plan::plan(target, &World::default())
}

fn mutations(good: &[u8], refused: impl Fn(Vec<u8>) -> bool) {
    let mut runner = TestRunner::new(Config { cases: 2_000, failure_persistence: None, ..Config::default() });
    let one_byte = (0..good.len(), 1..=255u8);
    let outcome = runner.run(&one_byte, |(place, change)| {
        let mut bytes = good.to_vec();
        bytes[place] ^= change;
        prop_assert!(refused(bytes), "byte {place} xor {change} was believed");
        Ok(())
    });
    outcome.unwrap();
}
