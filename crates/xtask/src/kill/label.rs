//! Names for turns that stay the same from run to run.
//!
//! Clocks, fences and identifiers differ between two runs of the same release, and a poll may ask twice or ten
//! times. So a point is named by the phase of the run (which step's record was written last), the first words of
//! what is said without its numbers, and how often that was said in this phase.

use anyhow::{Context as _, Result};
use std::collections::HashMap;
use std::fmt;

/// One turn of one run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Point {
    pub phase: String,
    pub words: String,
    /// From 1, among equal words of this phase.
    pub nth: u32,
}

#[derive(Default)]
pub(crate) struct Labels {
    phase: Option<String>,
    counted: HashMap<(String, String), u32>,
}

/// Words of the statement that enter the name.
const WORDS: usize = 5;
/// Phase before the first step.
const OPENING: &str = "opening";
/// The heartbeat goes its own way: what it says belongs to no step.
pub(crate) const BEAT: &str = "beat";

impl Labels {
    /// Names this turn. The turn that records a step belongs to the phase that it ends.
    pub(crate) fn name(&mut self, said: &str) -> Point {
        let running = self.phase.clone().unwrap_or_else(|| OPENING.to_string());
        let phase = if is_beat(said) { BEAT.to_string() } else { running };
        let words = words(said);
        let nth = self.counted.entry((phase.clone(), words.clone())).or_default();
        *nth += 1;
        let point = Point { phase, words, nth: *nth };
        if let Some(next) = phase_begun(said) {
            self.phase = Some(next);
        }
        point
    }
}

/// The first words in small letters, digits and signs left out: `update-nica-step-set-status`.
fn words(said: &str) -> String {
    let said = without_comments(said.split(" -- ").next().unwrap_or(said));
    let letters =
        |word: &str| word.chars().filter(|c| c.is_ascii_alphabetic() || *c == '_').collect::<String>();
    let parts = said.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map(letters);
    let words: Vec<String> = parts.filter(|word| !word.is_empty()).take(WORDS).collect();
    words.join("-").to_lowercase()
}

fn without_comments(said: &str) -> String {
    let mut rest = said;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    kept + rest
}

/// `UPDATE nica.step SET status = 'started' … n = 3` begins the phase `03-started`, bound values included.
fn phase_begun(said: &str) -> Option<String> {
    if !said.to_lowercase().contains("update nica.step") {
        return None;
    }
    let (status, n) = (value_of(said, "status")?, value_of(said, "n")?.parse::<u32>().ok()?);
    Some(format!("{n:02}-{status}"))
}

fn is_beat(said: &str) -> bool {
    said.contains("nica.lease SET beat")
}

/// What stands after `COLUMN =`: a literal, or the bound value that its `$k` names.
fn value_of(said: &str, column: &str) -> Option<String> {
    let (sql, bound) = said.split_once(" -- ").unwrap_or((said, ""));
    let after = sql.split(&format!(" {column} = ")).nth(1)?;
    let word: String =
        after.chars().take_while(|c| c.is_ascii_alphanumeric() || "$'_".contains(*c)).collect();
    match word.strip_prefix('$') {
        Some(k) => Some(bound.split(", ").nth(k.parse::<usize>().ok()? - 1)?.to_string()),
        None => Some(word.trim_matches('\'').to_string()),
    }
}

impl Point {
    pub(crate) fn parse(text: &str) -> Result<Point> {
        let wrong = || format!("read the point {text:?}: a point looks like `03-started.commit-1`");
        let (phase, rest) = text.split_once('.').with_context(wrong)?;
        let (words, nth) = rest.rsplit_once('-').with_context(wrong)?;
        Ok(Point {
            phase: phase.to_string(),
            words: words.to_string(),
            nth: nth.parse().with_context(wrong)?,
        })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}-{}", self.phase, self.words, self.nth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leaves_out_what_differs_between_runs() {
        let check = |said: &str, expected: &str| assert_eq!(words(said), expected, "{said}");
        check("SELECT nica.guard(17)", "select-nica-guard");
        check("/* step 3 */ ALTER TABLE note ADD COLUMN mood text", "alter-table-note-add-column");
        check("UPDATE nica.step SET status = $1 WHERE n = $2 -- done, 3", "update-nica-step-set-status");
        check("COMMIT", "commit");
    }

    #[test]
    fn the_record_of_a_step_begins_a_phase() {
        let mut labels = Labels::default();
        let mut name = |said: &str| labels.name(said).to_string();
        assert_eq!(name("COMMIT"), "opening.commit-1");
        assert_eq!(name("COMMIT"), "opening.commit-2");
        name("UPDATE nica.step SET status = $3 WHERE run = $1 AND n = $2 -- dev-7-ab, 3, started");
        assert_eq!(name("COMMIT"), "03-started.commit-1");
        name("UPDATE nica.step SET status = 'done' WHERE n = 3");
        assert_eq!(name("COMMIT"), "03-done.commit-1");
    }

    #[test]
    fn a_point_reads_back_from_its_text() {
        let point = Point { phase: "03-done".into(), words: "commit".into(), nth: 2 };
        assert_eq!(Point::parse(&point.to_string()).expect("its own text"), point);
        assert!(Point::parse("commit").is_err());
    }
}
