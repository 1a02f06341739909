//! `promoted`: has this very release hash been live in the environment before, and long enough?
//!
//! Time is that environment's own database time since its run settled; whatever went live there later ended it.

use super::input::Predecessor;
use super::{Gate, GateInput};
use crate::canonical::Digest;
use crate::finding::Finding;
use crate::ledger::Passed;
use crate::next::Ending;
use crate::span;
use std::time::Duration;

pub(super) const GATE: Gate = Gate {
    id: "promoted",
    codes: &["unreachable", "never", "undone", "soak"],
    applies: |input| !input.policy.after.is_empty(),
    judge,
};

fn judge(input: &GateInput) -> Vec<Finding> {
    input.policy.after.iter().filter_map(|before| judge_one(input, before)).collect()
}

fn judge_one(input: &GateInput, before: &str) -> Option<Finding> {
    let subject = format!("release {}", input.release.version);
    let predecessor = match input.predecessors.get(before) {
        Some(Ok(predecessor)) => predecessor,
        unread => {
            let cause = unread.and_then(|u| u.as_ref().err()).map_or("it was not asked", String::as_str);
            let says = format!("the ledger of {before} could not be read");
            let finding = Finding::inconclusive("promoted/unreachable", subject, says).cause(cause);
            return Some(finding.next(format!("nica doctor --env {before}")));
        }
    };
    let hash = input.release.hash();
    // A run that was refused at its opening changed nothing there, and a contract run changes no program.
    let counts = |run: &&Passed| {
        run.release.hash == hash && !matches!(run.ending, Ending::Refused | Ending::Contracted)
    };
    let Some(last) = predecessor.runs.iter().rev().find(counts) else {
        let says = format!("release has never been live in {before}");
        let finding = Finding::refuse("promoted/never", subject, says);
        return Some(finding.next(format!("nica deploy --env {before} --release RELEASE")));
    };
    match last.ending {
        Ending::Live => soak(input, before, predecessor, last),
        _ => {
            let says = format!("the last run of this release in {before} did not end live");
            let finding = Finding::refuse("promoted/undone", subject, says);
            let finding = finding.evidence(format!("ledger entry {}", last.entry));
            Some(finding.next(format!("see why: nica history --env {before}")))
        }
    }
}

fn soak(input: &GateInput, before: &str, predecessor: &Predecessor, passed: &Passed) -> Option<Finding> {
    let replaced = replaced(&predecessor.runs, passed.entry, &passed.release.hash);
    let end = replaced.map_or(predecessor.now, |run| run.settled_at);
    let since = first_settle(&predecessor.runs, passed);
    let (live_for, asked) = (end.since(since.settled_at), input.policy.soak);
    if live_for >= asked {
        return None;
    }
    let (env, was) = (&input.env, if replaced.is_some() { "was" } else { "has been" });
    let says = format!(
        "release {was} live in {before} for {}, {env} asks for {}",
        span::text(live_for),
        span::text(asked)
    );
    let finding = Finding::refuse("promoted/soak", format!("release {}", input.release.version), says);
    let finding = finding.evidence(format!("ledger entry {}", since.entry));
    Some(finding.next(match replaced {
        Some(_) => format!("deploy it to {before} again and let it run"),
        None => until(since, asked),
    }))
}

fn until(since: &Passed, asked: Duration) -> String {
    let at = since.settled_at.plus(asked).to_minute();
    format!("wait until {at}, or waive with --waive promoted/soak --reason … --until …")
}

/// The first later run that put another release live.
fn replaced<'a>(runs: &'a [Passed], entry: u64, hash: &Digest) -> Option<&'a Passed> {
    runs.iter().find(|run| run.entry > entry && run.ending == Ending::Live && run.release.hash != *hash)
}

/// Deploying the same release again does not begin its time anew.
fn first_settle<'a>(runs: &'a [Passed], passed: &'a Passed) -> &'a Passed {
    let before = runs.iter().rev().filter(|run| run.entry <= passed.entry && run.ending == Ending::Live);
    before.take_while(|run| run.release.hash == passed.release.hash).last().unwrap_or(passed)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, ids};
    use super::*;
    use crate::instant::Instant;
    use crate::ledger::Named;

    const HOUR: i64 = 3_600_000;

    /// Runs of stage as `(version, ending, settled at this hour)`, entries 118 and up; now is 24:00.
    fn stage(runs: &'static [(&'static str, Ending, i64)]) -> impl Fn(&mut GateInput) {
        let at = |hours: i64| Instant::from_unix_ms(hours * HOUR).unwrap();
        move |input| {
            let this = input.release.hash();
            let run = |(n, (version, ending, hour)): (u64, &(&str, Ending, i64))| {
                let hash = if *version == "2.0" { this.clone() } else { Digest::of(version.as_bytes()) };
                let release = Named { hash, version: version.to_string() };
                Passed { entry: 118 + n, release, ending: *ending, settled_at: at(*hour) }
            };
            let runs = (0..).zip(runs).map(run).collect();
            input.predecessors = [("stage".to_string(), Ok(Predecessor { runs, now: at(24) }))].into();
        }
    }

    #[test]
    fn promoted() {
        use Ending::*;
        let gate = |change: &dyn Fn(&mut GateInput), expected: &[&str]| check("promoted", change, expected);
        gate(&|_| {}, &[]);
        gate(&stage(&[("2.0", Live, 0)]), &[]);
        gate(
            &stage(&[("2.0", Live, 21)]),
            &["refuse[promoted/soak]: release has been live in stage for 3 h, prod asks for 24 h \
               = evidence: ledger entry 118 \
               = next: wait until 1970-01-02 21:00, or waive with --waive promoted/soak --reason … --until …"],
        );
        gate(
            &stage(&[("2.0", Live, 0), ("2.1", Live, 20)]),
            &["refuse[promoted/soak]: release was live in stage for 20 h, prod asks for 24 h \
               = evidence: ledger entry 118 = next: deploy it to stage again and let it run"],
        );
        gate(
            &stage(&[("1.0", Live, 0)]),
            &["refuse[promoted/never]: release has never been live in stage \
               = next: nica deploy --env stage --release RELEASE"],
        );
        gate(
            &stage(&[("2.0", Live, 0), ("2.0", Back, 9)]),
            &["refuse[promoted/undone]: the last run of this release in stage did not end live \
               = evidence: ledger entry 119 = next: see why: nica history --env stage"],
        );
        gate(
            &|i| i.predecessors = [("stage".to_string(), Err("time-out".to_string()))].into(),
            &["inconclusive[promoted/unreachable]: the ledger of stage could not be read = cause: time-out \
               = next: nica doctor --env stage"],
        );
    }

    #[test]
    fn what_does_not_count_does_not_count() {
        use Ending::*;
        // A run of another release that was undone did not replace it; deploying again does not restart its time.
        assert!(ids("promoted", stage(&[("2.0", Live, 0), ("2.1", Back, 9)])).is_empty());
        assert!(ids("promoted", stage(&[("2.0", Live, 0), ("2.1", Back, 9), ("2.0", Live, 23)])).is_empty());
        assert_eq!(
            ids("promoted", stage(&[("2.0", Live, 0), ("2.1", Live, 9), ("2.0", Live, 23)])),
            ["promoted/soak"]
        );
        assert!(ids("promoted", stage(&[("2.0", Live, 0), ("2.0", Refused, 23)])).is_empty());
        assert_eq!(ids("promoted", stage(&[("2.0", Refused, 0)])), ["promoted/never"]);
        assert_eq!(ids("promoted", |i| i.predecessors.clear()), ["promoted/unreachable"]);
        assert!(ids("promoted", |i| (i.policy.after.clear(), i.predecessors.clear()).0).is_empty());
    }
}
