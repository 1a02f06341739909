//! What a sweep says: one line a case, the whole story of a failed one, and how many of which kind held.

use super::apart::Job;
use super::case::Case;
use super::mutants::Mutant;
use super::play::{Outcome, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// How one case came out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Result {
    pub verdict: Verdict,
    pub seconds: f64,
    pub timeline: String,
}

impl Result {
    /// The whole story of a failed case stands in `target/kill/failed`.
    pub(crate) fn told_shortly(&self) -> Result {
        Result { timeline: String::new(), ..self.clone() }
    }
}

pub(crate) fn case(case: &Case, result: &Result, whole: bool) {
    let Result { verdict, seconds, timeline } = result;
    let outcome = format!("{:?}", verdict.outcome).to_lowercase();
    println!("{outcome:<9} {seconds:6.1} s  {:<12} {:<10} {case}", case.fault.kill_point(), verdict.end);
    for why in &verdict.wrong {
        println!("          {}", why.trim_end().replace('\n', "\n          "));
    }
    if verdict.outcome == Outcome::Failed || whole {
        println!("{timeline}");
    }
    if verdict.outcome == Outcome::Failed {
        println!("          again: ./x test kill --case {case}\n");
    }
}

/// Actor and fault against outcome.
pub(crate) fn table(results: &[(Job, Result)]) {
    let mut rows: BTreeMap<(String, String), [u32; 3]> = BTreeMap::new();
    for (Job { case, .. }, result) in results {
        let step = case.fault.kill_point();
        let kind = (
            format!("{} {} {}", case.story.name(), case.fault.actor.name(), case.fault.how.name()),
            step.rsplit(' ').next().unwrap_or_default().to_string(),
        );
        rows.entry(kind).or_default()[result.verdict.outcome as usize] += 1;
    }
    println!("{:<34} {:<4} {:>6} {:>9} {:>6}", "run, actor, fault", "at", "held", "unreached", "failed");
    for ((kind, at), [held, unreached, failed]) in rows {
        println!("{kind:<34} {at:<4} {held:>6} {unreached:>9} {failed:>6}");
    }
}

/// Whether this mutant was found, and by what.
pub(crate) fn mutant(mutant: &Mutant, results: &[&(Job, Result)]) -> bool {
    let red = results.iter().find(|(_, result)| result.verdict.outcome == Outcome::Failed);
    let word = if red.is_some() { "found" } else { "MISSED" };
    println!("{word:<7} {:<28} {}", mutant.name, mutant.why);
    for (job, result) in results {
        let wrong = result.verdict.wrong.first().map(String::as_str).unwrap_or("nothing was wrong");
        println!(
            "        {:?} {}: {}",
            result.verdict.outcome,
            job.case,
            wrong.lines().next().unwrap_or_default()
        );
        if red.is_none() {
            println!("{}", result.timeline);
        }
    }
    red.is_some()
}

/// Of a hundred cases so many may miss their point, and a few of every sweep: a poll less, and a turn is not said.
const UNREACHED_PERCENT_MAX: usize = 10;
const UNREACHED_MAX: usize = 3;

/// Whether nearly all cases came by the point that they are about.
pub(crate) fn few_unreached(unreached: usize, played: usize) -> bool {
    let few = unreached <= UNREACHED_MAX.max(played * UNREACHED_PERCENT_MAX / 100);
    if unreached > 0 {
        let word = if few { "" } else { ": TOO MANY" };
        println!("{unreached} of {played} cases did not come by their point{word}");
    }
    few
}

/// A failed case as a file that replays it, and its story beside it; what holds again is failed no more.
pub(crate) fn keep(folder: &Path, case: &Case, result: &Result) -> anyhow::Result<()> {
    if result.verdict.outcome != Outcome::Failed {
        let _ = std::fs::remove_file(folder.join(format!("{case}.toml")));
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    let why = result.verdict.wrong.join("; ").replace('\n', " ");
    let file = super::minimum::CaseFile { case: case.to_string(), why };
    std::fs::write(folder.join(format!("{case}.toml")), toml::to_string(&file)?)?;
    Ok(std::fs::write(folder.join(format!("{case}.txt")), &result.timeline)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_cases_that_miss_their_point_are_a_failure() {
        for (unreached, played, few) in
            [(0, 1, true), (3, 41, true), (5, 41, false), (400, 4000, true), (401, 4000, false)]
        {
            assert_eq!(few_unreached(unreached, played), few, "{unreached} of {played}");
        }
    }
}
