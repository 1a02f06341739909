//! What the gates said: counts in one line, then each finding with evidence, cause and the next action.

use nica_engine::finding::{Counts, Finding, GateReport, Severity};
use std::cmp::Reverse;

/// Worst first; inside one severity in the order of the gates.
pub(crate) fn gates(report: &GateReport) -> String {
    let mut findings: Vec<&Finding> = report.findings().collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    let lines = findings.into_iter().flat_map(finding);
    std::iter::once(summary(report.counts())).chain(lines).map(|line| line + "\n").collect()
}

fn summary(counts: Counts) -> String {
    let some = |(n, word): (usize, &str)| (n > 0).then(|| format!(" · {n} {word}"));
    let rest = [
        (counts.refuse, "refuse"),
        (counts.inconclusive, "inconclusive"),
        (counts.not_applicable, "not applicable"),
    ];
    let rest: String = rest.into_iter().filter_map(some).collect();
    format!("gates  {} judged: {} pass{rest}", counts.judged, counts.pass)
}

fn finding(finding: &Finding) -> Vec<String> {
    let severity = match finding.severity {
        Severity::Refuse => "refused",
        Severity::Inconclusive => "inconclusive",
        Severity::Note => "note",
    };
    let place = finding.place.iter().map(|place| format!("    --> {place}"));
    let evidence = finding.evidence.iter().map(|line| format!("    = evidence: {line}"));
    let cause = finding.cause.iter().map(|cause| format!("    = cause: {cause}"));
    let head = format!("  {severity}[{}]: {}", finding.id, finding.says);
    let next = format!("    = next: {}", finding.next);
    std::iter::once(head).chain(place).chain(evidence).chain(cause).chain([next]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nica_engine::finding::{Judged, Place};

    fn judged(gate: &str, applies: bool, findings: Vec<Finding>) -> Judged {
        Judged { gate: gate.into(), applies, findings }
    }

    #[test]
    fn findings_are_told_worst_first_with_what_to_do_next() {
        let place = Some(Place { file: "migrations/0042_x/up.sql".into(), line: 3, column: 7 });
        let gates_said = vec![
            judged("ci-green", true, vec![]),
            judged("quarantine", false, vec![]),
            judged("config", true, vec![Finding::note("config/absent", "reader", "reader does not run in prod: it has no configuration there").next("nothing, if that is meant")]),
            judged("drill-fresh", true, vec![Finding::inconclusive("drill-fresh/unreadable", "prod", "the drill record of prod could not be read").cause("store answered 403").next("nica doctor --env prod")]),
            judged("promoted", true, vec![Finding::refuse("promoted/soak", "release 2", "release has been live in stage for 3 h 10 min, prod asks for 24 h").evidence("ledger entry 118").next("wait until 2026-11-25 08:54, or waive with --waive promoted/soak --reason … --until …")]),
            judged("migration", true, vec![Finding::refuse("migration/narrows", "0042_x", "0042_x removes diary.note, which the old program uses").at(place).next("put it into a migration with phase = \"contract\"")]),
        ];
        insta::assert_snapshot!(gates(&GateReport { gates: gates_said }), @r#"
        gates  5 judged: 2 pass · 2 refuse · 1 inconclusive · 1 not applicable
          refused[promoted/soak]: release has been live in stage for 3 h 10 min, prod asks for 24 h
            = evidence: ledger entry 118
            = next: wait until 2026-11-25 08:54, or waive with --waive promoted/soak --reason … --until …
          refused[migration/narrows]: 0042_x removes diary.note, which the old program uses
            --> migrations/0042_x/up.sql:3:7
            = next: put it into a migration with phase = "contract"
          inconclusive[drill-fresh/unreadable]: the drill record of prod could not be read
            = cause: store answered 403
            = next: nica doctor --env prod
          note[config/absent]: reader does not run in prod: it has no configuration there
            = next: nothing, if that is meant
        "#);
    }

    #[test]
    fn a_report_without_findings_is_one_line() {
        let passed = vec![judged("ci-green", true, vec![]), judged("config", true, vec![])];
        insta::assert_snapshot!(gates(&GateReport { gates: passed }), @"gates  2 judged: 2 pass");
    }
}
