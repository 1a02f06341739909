//! Counts, and the table at the end with one line for each suite.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

pub(crate) struct Outcome {
    pub name: &'static str,
    pub what: &'static str,
    pub counts: Counts,
    pub took: Duration,
    /// What this machine lacks, so that nothing could be checked.
    pub unavailable: Option<String>,
}

impl Counts {
    pub(crate) fn one(green: bool) -> Counts {
        Counts { passed: u64::from(green), failed: u64::from(!green), skipped: 0 }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The form that continuous integration reads.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Outcome {
    /// A suite that checked nothing is not green, unless it says what the machine lacks.
    pub(crate) fn is_green(&self) -> bool {
        self.counts.failed == 0 && (self.counts.passed > 0 || self.unavailable.is_some())
    }
}

pub(crate) fn print(outcomes: &[Outcome]) {
    println!("\n{}", table(outcomes));
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text =
        format!("{:<8} {:<42} {:>7} {:>7} {:>8} {:>9}\n", "suite", "", "passed", "failed", "skipped", "time");
    let mut sum = Counts::default();
    for Outcome { name, what, counts, took, unavailable } in outcomes {
        let Counts { passed, failed, skipped } = counts;
        let seconds = took.as_secs_f64();
        text += &format!("{name:<8} {what:<42} {passed:>7} {failed:>7} {skipped:>8} {seconds:>7.1} s\n");
        if let Some(why) = unavailable {
            text += &format!("{:<8} skipped: {why}\n", "");
        }
        sum += *counts;
    }
    text += &format!("\n{sum}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(passed: u64, failed: u64, skipped: u64) -> Outcome {
        let counts = Counts { passed, failed, skipped };
        Outcome { name: "cargo", what: "tests", counts, took: Duration::from_millis(1500), unavailable: None }
    }

    #[test]
    fn the_last_line_is_the_sum_and_nothing_else() {
        let table = table(&[outcome(3, 0, 1), outcome(2, 1, 0)]);
        assert_eq!(table.lines().last(), Some("5 passed, 1 failed, 1 skipped"));
    }

    #[test]
    fn nothing_checked_is_not_green() {
        assert!(outcome(1, 0, 0).is_green());
        assert!(!outcome(0, 0, 3).is_green() && !outcome(5, 1, 0).is_green());
    }

    #[test]
    fn what_the_machine_lacks_stands_in_the_summary() {
        let skipped = Outcome { unavailable: Some("a cluster needs root".into()), ..outcome(0, 0, 7) };
        assert!(skipped.is_green());
        let table = table(&[skipped]);
        assert!(table.contains("skipped: a cluster needs root\n"), "{table}");
        assert_eq!(table.lines().last(), Some("0 passed, 0 failed, 7 skipped"));
    }
}
