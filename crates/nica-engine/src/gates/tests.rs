//! The registry as a whole: verdicts, waivers, documentation.

use super::testing::good;
use super::*;
use crate::finding::{Counts, Verdict};
use crate::instant::Instant;
use crate::ledger::Waiver;

#[test]
fn a_good_release_passes_every_gate() {
    let report = judge(&good());
    assert_eq!(report.verdict(), Verdict::Pass, "{report:?}");
    assert_eq!(report.counts(), Counts { judged: 7, pass: 7, ..Counts::default() });
}

#[test]
fn gates_without_anything_to_judge_are_counted_apart() {
    let mut input = good();
    input.policy = crate::policy::testing::lax();
    input.migrations.clear();
    let counts = judge(&input).counts();
    assert_eq!(counts, Counts { judged: 3, pass: 3, not_applicable: 4, ..Counts::default() });
}

#[test]
fn a_waiver_passes_what_it_names_while_it_lasts_and_stays_visible() {
    let soak_too_long = |finding: &str, person: &str, reason: &str, until: i64| {
        let mut input = good();
        input.policy.soak = std::time::Duration::from_secs(48 * 3_600);
        let until = Instant::from_unix_ms(until * 3_600_000).unwrap();
        let (finding, person, reason) = (finding.to_string(), person.to_string(), reason.to_string());
        input.waivers = vec![Waiver { finding, person, reason, until }];
        judge(&input)
    };
    let check = |finding: &str, person: &str, reason: &str, until, expected| {
        assert_eq!(
            soak_too_long(finding, person, reason, until).verdict(),
            expected,
            "{finding} {person} {until}"
        );
    };
    check("promoted/soak", "ana", "a fix for everybody", 25, Verdict::Pass);
    check("promoted", "ana", "a fix for everybody", 25, Verdict::Pass);
    check("promoted/soak", "ana", "a fix for everybody", 24, Verdict::Refuse);
    check("promoted/soak", "somebody", "a fix for everybody", 25, Verdict::Refuse);
    check("promoted/soak", "ana", " ", 25, Verdict::Refuse);
    check("promoted/never", "ana", "a fix for everybody", 25, Verdict::Refuse);
    let report = soak_too_long("promoted/soak", "ana", "a fix for everybody", 25);
    let note = report.findings().next().unwrap();
    assert_eq!(note.evidence[1], "waived by ana until 1970-01-02 01:00: a fix for everybody");
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
