//! A slot's work in a process of its own: this program again, so that everything it started ends with it.

use super::actor::Actor;
use super::case::Case;
use super::guard;
use super::play::{self, Verdict};
use super::prepare::{self, Prepared};
use super::proc;
use super::report;
use super::slot::Slot;
use crate::suite::Counts;
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const RESULT: &str = "result.json";
/// Far above the slowest case; a case that needs more hangs.
const CASE_LIMIT: Duration = Duration::from_secs(600);

/// A case to be played, by the product or by a mutant of it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub case: Case,
    pub mutant: Option<String>,
}

impl Job {
    pub(crate) fn of(case: Case) -> Job {
        Job { case, mutant: None }
    }
}

/// Makes a slot ready, apart.
pub(crate) fn prepare(slot: &Slot, passenger: &Path) -> Result<()> {
    let words = ["--prepare".into(), slot.home.clone(), passenger.to_path_buf()];
    run(slot, &words).context("prepare a world")
}

/// Plays one case, apart.
pub(crate) fn play(slot: &Slot, job: &Job) -> report::Result {
    let file = slot.home.join(RESULT);
    let _ = std::fs::remove_file(&file);
    let began = Instant::now();
    let mut words = vec!["--play".into(), slot.home.clone(), PathBuf::from(job.case.to_string())];
    words.extend(job.mutant.iter().map(PathBuf::from));
    let ran = run(slot, &words);
    let read = || -> Result<report::Result> { Ok(serde_json::from_slice(&std::fs::read(&file)?)?) };
    read().unwrap_or_else(|_| {
        let why = ran.err().map_or("the case said nothing".to_string(), |error| format!("{error:#}"));
        let seconds = began.elapsed().as_secs_f64();
        report::Result { verdict: Verdict::broken(why), seconds, timeline: String::new() }
    })
}

/// The other side of `prepare`.
pub(crate) fn prepare_here(home: &Path, passenger: &Path) -> Result<Counts> {
    prepare::prepare(&Slot::open(home)?, passenger)?;
    Ok(Counts::one(true))
}

/// The other side of `play`.
pub(crate) fn play_here(home: &Path, job: &Job) -> Result<Counts> {
    let slot = Slot { mutant: job.mutant.clone(), ..Slot::open(home)? };
    let prepared = Prepared::open(&slot)?;
    let began = Instant::now();
    let (verdict, timeline) = match play::play(&slot, &job.case, &prepared.golden) {
        Ok(played) => (played.verdict, played.timeline.to_string()),
        Err(error) => (Verdict::broken(format!("{error:#}")), String::new()),
    };
    let result = report::Result { verdict, seconds: began.elapsed().as_secs_f64(), timeline };
    std::fs::write(home.join(RESULT), serde_json::to_vec(&result)?)?;
    // That it was played; how it came out stands in the file.
    Ok(Counts::one(true))
}

/// This program again, with these words; everything it started is gone afterwards.
fn run(slot: &Slot, words: &[PathBuf]) -> Result<()> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(proc::this_program()).args(["test", "kill"]).args(words);
    let mut actor = Actor::start(command, &slot.home, "case")?;
    let status = actor.wait(CASE_LIMIT)?;
    actor.kill()?;
    guard::end_all(&slot.home)?;
    let status = status.with_context(|| format!("end within {} s", CASE_LIMIT.as_secs()))?;
    ensure!(status.success(), "{}: {}", proc::describe(status), actor.printed().trim());
    Ok(())
}
