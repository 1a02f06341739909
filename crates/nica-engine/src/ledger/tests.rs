//! Chains that were tampered with, and what is read out of whole ones.

use super::testing::{chain, entry, named};
use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn thirty() -> Vec<Row> {
    let ending = |n: i64| if n % 5 == 4 { Ending::Back } else { Ending::Live };
    chain((1..=30).map(|n| entry(&format!("2026.11.{n}"), ending(n), n * 100)).collect())
}

fn anchor(rows: &[Row]) -> Anchor {
    rows.last().unwrap().anchor()
}

fn what(rows: &[Row], anchor: Option<&Anchor>) -> String {
    verify(rows, anchor).map_or_else(|bad| bad.to_string(), |entries| format!("{} entries", entries.len()))
}

#[test]
fn the_first_bad_entry_is_named() {
    let good = thirty();
    let anchor = anchor(&good);
    let check = |change: fn(&mut Vec<Row>), says: &str| {
        let mut rows = good.clone();
        change(&mut rows);
        assert_eq!(
            what(&rows, Some(&anchor)),
            says.replace("ANCHOR", anchor.last.short())
                .replace("HASH", rows.last().map_or("", |r| r.hash.short()))
        );
    };
    check(|_| {}, "30 entries");
    check(
        |rows| rows[6].entry = rows[6].entry.replace("\"rui\"", "\"eva\""),
        "ledger entry 7: its text does not have its hash: one of the two was changed",
    );
    check(|rows| drop(rows.remove(11)), "ledger entry 12: missing: the next row is number 13");
    check(|rows| rows.swap(0, 1), "ledger entry 1: missing: the next row is number 2");
    check(|rows| rows.truncate(28), "ledger entry 29: missing: the anchor knows 30 entries, here are 28");
    check(|rows| rows.clear(), "ledger entry 1: missing: the anchor knows 30 entries, here are 0");
    check(
        |rows| {
            let last = rows.pop().unwrap();
            let forged: Entry = serde_json::from_str(&last.entry.replace("\"rui\"", "\"eva\"")).unwrap();
            let before = rows.last().map(Row::anchor);
            rows.push(forged.seal(before.as_ref()));
        },
        "ledger entry 30: its hash is HASH, the anchor says ANCHOR",
    );
}

#[test]
fn a_ledger_may_have_grown_since_its_anchor() {
    let rows = thirty();
    assert_eq!(what(&rows, Some(&rows[9].anchor())), "30 entries");
    assert_eq!(what(&[], None), "0 entries");
}

#[test]
fn a_rewritten_entry_breaks_the_chain_behind_it() {
    let mut rows = thirty();
    let mut forged: Entry = serde_json::from_str(&rows[4].entry).unwrap();
    forged.starter = "eva".into();
    rows[4] = forged.seal(Some(&rows[3].anchor()));
    let says = format!(
        "ledger entry 6: it follows {}, the entry before is {}",
        rows[5].prev.short(),
        rows[4].hash.short()
    );
    assert_eq!(what(&rows, None), says);
}

#[test]
fn a_text_that_belongs_elsewhere_is_not_believed_by_its_row() {
    let mut rows = thirty();
    let good = rows.pop().unwrap();
    let mut forged: Entry = serde_json::from_str(&good.entry).unwrap();
    forged.prev = rows[3].hash.clone();
    let entry = String::from_utf8(canonical::to_bytes(&forged)).unwrap();
    rows.push(Row { hash: Digest::of(entry.as_bytes()), entry, ..good });
    assert_eq!(what(&rows, None), "ledger entry 30: its text does not say what its row says");
}

/// 2,000 seeded edits, deletions, swaps and tail cuts; each is found, and where it begins is named.
#[test]
fn no_tampering_goes_unnoticed() {
    let good = thirty();
    let anchor = anchor(&good);
    let mut random = StdRng::seed_from_u64(20_261_103);
    let mut found = [0; 4];
    for case in 0..2_000 {
        let mut rows = good.clone();
        let at = random.random_range(0..rows.len());
        let kind = random.random_range(0..4);
        match kind {
            0 => edit(&mut rows[at], &mut random),
            1 => drop(rows.remove(at)),
            2 => {
                let other = (at + random.random_range(1..rows.len())) % rows.len();
                rows.swap(at, other);
            }
            _ => rows.truncate(at),
        }
        let bad = verify(&rows, Some(&anchor))
            .expect_err(&format!("case {case}: kind {kind} at {at} went unnoticed"));
        assert!(bad.n <= at as u64 + 1, "case {case}: kind {kind} at {at} was seen only at {}", bad.n);
        found[kind] += 1;
    }
    assert_eq!(found.iter().sum::<i32>(), 2_000);
    assert!(found.iter().all(|n| *n > 400), "{found:?}");
    assert_eq!(what(&good, Some(&anchor)), "30 entries");
}

/// One byte of the text, the number or a hash, changed to another one.
fn edit(row: &mut Row, random: &mut StdRng) {
    match random.random_range(0..8) {
        0 => row.n += random.random_range(1..9),
        1 => row.hash = flip(&row.hash, random),
        2 => row.prev = flip(&row.prev, random),
        _ => {
            let mut bytes = row.entry.clone().into_bytes();
            let at = random.random_range(0..bytes.len());
            let other = random.random_range(b' '..=b'~');
            bytes[at] = if bytes[at] == other { b'\t' } else { other };
            row.entry = String::from_utf8(bytes).unwrap();
        }
    }
}

fn flip(digest: &Digest, random: &mut StdRng) -> Digest {
    let mut bytes = digest.as_str().to_string().into_bytes();
    let at = random.random_range(0..bytes.len());
    bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    Digest::try_from(String::from_utf8(bytes).unwrap()).unwrap()
}

#[test]
fn what_is_live_is_the_last_release_that_went_live() {
    let live = |version: &str| entry(version, Ending::Live, 1);
    let check = |entries: &[Entry], expected: Option<Named>| assert_eq!(baseline(entries), expected.as_ref());
    check(&[], None);
    check(&[entry("1", Ending::Absent, 1)], None);
    check(&[live("1"), entry("2", Ending::Back, 2), entry("3", Ending::Refused, 3)], Some(named("1")));
    check(&[live("1"), live("2"), live("1")], Some(named("1")));
}

#[test]
fn a_quarantine_holds_until_it_is_lifted_by_name() {
    let digest = Digest::of(b"backend 3");
    let suspect =
        Suspect { component: "backend".into(), digest: digest.clone(), reason: "crash loop".into() };
    let bad = Entry { n: 3, quarantined: vec![suspect], ..entry("3", Ending::Back, 3) };
    let lift = Lift { digest: digest.clone(), person: "ana".into(), reason: "the disk was full".into() };
    let lifted = Entry { n: 4, lifted: vec![lift], ..entry("4", Ending::Live, 4) };
    let held = quarantine(std::slice::from_ref(&bad));
    let expected = Quarantined {
        component: "backend".into(),
        reason: "crash loop".into(),
        env: "stage".into(),
        entry: 3,
    };
    assert_eq!(held.get(&digest), Some(&expected));
    assert!(quarantine(&[bad.clone(), lifted.clone()]).is_empty());
    assert!(quarantine(&[bad.clone(), lifted, bad]).contains_key(&digest));
}

#[test]
fn what_was_accepted_by_hand_is_what_back_means() {
    let accepted = |n: u64, live: Option<&str>| {
        let named = live.map(|version| entry(version, Ending::Live, 0).release);
        Entry {
            n,
            accepted: Some(Accepted { hash: Digest::of(b"signed"), live: named }),
            ..entry("2", Ending::Accepted, 9)
        }
    };
    let check = |entries: &[Entry], expected: Option<&str>| {
        assert_eq!(baseline(entries).map(|named| named.version.as_str()), expected);
    };
    let one = entry("1", Ending::Live, 1);
    check(&[one.clone(), accepted(2, Some("1"))], Some("1"));
    check(&[one.clone(), accepted(2, Some("2"))], Some("2"));
    check(&[accepted(1, None)], None);
    check(&[accepted(1, None), entry("3", Ending::Live, 10)], Some("3"));
    assert_eq!(baseline_bake(&[one.clone(), accepted(2, Some("1"))]), one.bake.as_ref());
    assert_eq!(baseline_bake(&[one, accepted(2, Some("2"))]), None, "it never baked to its end");
}
