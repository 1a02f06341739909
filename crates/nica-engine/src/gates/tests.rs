//! The registry as a whole: verdicts, waivers, documentation.

use super::testing::{good, waive};
use super::*;
use crate::finding::{Counts, Verdict};
use crate::signature::testing::public;

#[test]
fn a_good_release_passes_every_gate() {
    let report = judge(&good());
    assert_eq!(report.verdict(), Verdict::Pass, "{report:?}");
    assert_eq!(report.counts(), Counts { judged: 11, pass: 11, ..Counts::default() });
}

#[test]
fn gates_without_anything_to_judge_are_counted_apart() {
    let mut input = good();
    input.policy = crate::policy::testing::lax();
    input.migrations.clear();
    input.preflight = None;
    let counts = judge(&input).counts();
    assert_eq!(counts, Counts { judged: 3, pass: 3, not_applicable: 8, ..Counts::default() });
}

/// Waivers of an input whose soak is 24 h too short, each with the key of its person.
fn too_early(waivers: &[(u8, &str, &str, i64)]) -> GateInput {
    let mut input = good();
    input.policy.soak = std::time::Duration::from_secs(48 * 3_600);
    let signed =
        |(key, finding, reason, until): &(u8, &str, &str, i64)| waive(&input, *key, finding, reason, *until);
    input.waivers = waivers.iter().map(signed).collect();
    input
}

#[test]
fn a_waiver_passes_what_it_names_while_it_lasts_and_stays_visible() {
    let check = |waiver: (u8, &str, &str, i64), expected: Verdict, evidence: &str| {
        let report = judge(&too_early(&[waiver]));
        assert_eq!(report.verdict(), expected, "{waiver:?}");
        let finding = report.findings().find(|f| f.id == "promoted/soak").unwrap();
        assert_eq!(finding.evidence.get(1).map_or("", String::as_str), evidence);
    };
    let said = "waived by ana until 1970-01-02 01:00: a fix for everybody";
    check((1, "promoted/soak", "a fix for everybody", 1), Verdict::Pass, said);
    check((1, "promoted", "a fix for everybody", 1), Verdict::Pass, said);
    let says = "a waiver does not count: the waiver of ana expired at 1970-01-02T00:00:00.000Z";
    check((1, "promoted/soak", "a fix for everybody", 0), Verdict::Refuse, says);
    check((1, "promoted/soak", " ", 1), Verdict::Refuse, "a waiver does not count: ana gave no reason");
    check((1, "promoted/never", "a fix for everybody", 1), Verdict::Refuse, "");
    check((1, "promote", "a fix for everybody", 1), Verdict::Refuse, "");
    let stranger = format!("a waiver does not count: the key {} belongs to nobody in people.toml", public(9));
    check((9, "promoted/soak", "a fix for everybody", 1), Verdict::Refuse, &stranger);
}

#[test]
fn a_run_consumes_the_waivers_that_it_needs_and_each_once() {
    let wanted = (1, "promoted/soak", "a fix for everybody", 1);
    let mut input =
        too_early(&[wanted, (2, "window", "nobody is in their office", 1), (2, "promoted", "so do I", 1)]);
    let used: Vec<_> = waived(&input).into_iter().map(|w| (w.person, w.finding)).collect();
    assert_eq!(used, [("ana".to_string(), "promoted/soak".to_string())]);
    input.waivers.truncate(1);
    input.consumed = ["waiver 1 promoted/soak".to_string()].into();
    assert_eq!(judge(&input).verdict(), Verdict::Refuse);
    assert_eq!(waived(&input), []);
}

#[test]
fn a_release_that_is_not_what_it_says_cannot_be_waived() {
    let mut input = good();
    input.contents.as_mut().unwrap().present.clear();
    input.waivers = vec![waive(&input, 1, "release-complete", "it will be all right", 1)];
    let report = judge(&input);
    assert_eq!(report.verdict(), Verdict::Refuse);
    let evidence = report.findings().next().unwrap().evidence.last().unwrap();
    assert_eq!(
        evidence,
        "a waiver of ana does not count: nobody can take a damaged release file upon themselves"
    );
}

#[test]
fn every_gate_and_every_finding_is_explained() {
    for gate in &GATES {
        let section =
            explain(gate.id).unwrap_or_else(|| panic!("docs/gates.md has no section ## {}", gate.id));
        for code in gate.codes {
            let id = format!("{}/{code}", gate.id);
            assert!(section.contains(&format!("`{id}`")), "docs/gates.md does not explain {id}");
            assert_eq!(explain(&id), Some(section));
        }
    }
    assert_eq!(explain("promoted/unheard-of"), None);
    assert_eq!(explain("promote"), None);
}

#[test]
fn the_documentation_explains_no_gate_that_does_not_exist() {
    let headings: Vec<&str> = DOCS.lines().filter_map(|l| l.strip_prefix("## ")).collect();
    assert_eq!(headings, GATES.iter().map(|g| g.id).collect::<Vec<_>>());
}
