//! Waivers that hold, and every way in which they do not.

use super::testing::signed;
use super::*;
use crate::people::testing::people;
use crate::signature::testing::public;

const DAY: i64 = 24 * 3_600_000;

fn at(ms: i64) -> Instant {
    Instant::from_unix_ms(ms).unwrap()
}

fn plan_hash() -> Digest {
    Digest::of(b"plan")
}

fn waived(change: impl FnOnce(&mut Waived)) -> Waived {
    let mut waived = Waived {
        format: 1,
        plan_hash: plan_hash(),
        env: "prod".into(),
        finding: "promoted/soak".into(),
        reason: "a fix for everybody".into(),
        until: at(DAY),
        nonce: "n1".into(),
    };
    change(&mut waived);
    waived
}

fn ask(signed: &Signed, now: i64, consumed: &[&str]) -> Result<Waiver, NotWaived> {
    let known = people(&[("ana", &[1, 2]), ("rui", &[3])]);
    let consumed = consumed.iter().map(|n| n.to_string()).collect();
    verify(
        signed,
        &known,
        &Wanted { plan_hash: &plan_hash(), env: "prod", now: at(now), consumed: &consumed },
    )
}

#[test]
fn a_waiver_holds_for_one_plan_one_environment_a_while_and_once() {
    let check = |change: fn(&mut Waived), key, now, consumed: &[&str], says: &str| {
        let answer = ask(&signed(&waived(change), key), now, consumed);
        let said = answer.map_or_else(|e| e.to_string(), |w| format!("{} waived {}", w.person, w.finding));
        assert_eq!(said, says);
    };
    check(|_| {}, 1, 0, &[], "ana waived promoted/soak");
    check(|_| {}, 3, DAY - 1, &["n2"], "rui waived promoted/soak");
    check(|_| {}, 1, DAY, &[], "the waiver of ana expired at 1970-01-02T00:00:00.000Z");
    check(|_| {}, 1, 0, &["n1"], "the waiver of ana was used by an earlier run");
    check(|_| {}, 9, 0, &[], &format!("the key {} belongs to nobody in people.toml", public(9)));
    check(|w| w.env = "stage".into(), 1, 0, &[], "ana waived it for stage, not for prod");
    check(|w| w.reason = " \n".into(), 1, 0, &[], "ana gave no reason");
    check(|w| w.format = 2, 1, 0, &[], "the waiver has format 2, this nica reads up to 1");
    let (other, wanted) = (Digest::of(b"other"), plan_hash());
    let says = format!(
        "ana waived it for plan {}, what would be applied now is plan {}",
        other.short(),
        wanted.short()
    );
    check(|w| w.plan_hash = Digest::of(b"other"), 1, 0, &[], &says);
    let says =
        "the waiver of ana is valid until 1970-04-02T00:00:00.000Z, longer than the 90 d that are allowed";
    check(|w| w.until = at(91 * DAY), 1, 0, &[], says);
}

#[test]
fn a_signature_for_an_approval_waives_nothing() {
    let document = waived(|_| {}).to_document();
    let key = crate::signature::testing::private(1);
    let signature = signature::sign(&key, crate::approval::NAMESPACE, document.as_bytes()).unwrap();
    let error = ask(&Signed { document, signature }, 0, &[]).unwrap_err();
    assert_eq!(error.to_string(), "the signature is made for `nica-approval`, not for `nica-waiver`");
}

#[test]
fn no_waiver_survives_a_changed_byte() {
    let good = signed(&waived(|_| {}), 1);
    for at in 0..good.document.len() {
        let mut bytes = good.document.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(document) = String::from_utf8(bytes) else { continue };
        assert!(ask(&Signed { document, signature: good.signature.clone() }, 0, &[]).is_err(), "byte {at}");
    }
}
