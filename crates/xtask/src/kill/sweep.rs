//! Plays many cases side by side: each slot is one place for worlds, each case a process of its own.

use super::build::{self, Profile};
use super::case::Case;
use super::enumerate;
use super::minimum::{self, Minimum};
use super::options::Wish;
use super::play::{self, Outcome, Verdict};
use super::prepare::{self, Prepared, Turn};
use super::proc::{self, Signal};
use super::report;
use super::slot::Slot;
use super::{folder, open_to_all};
use crate::suite::Counts;
use anyhow::{Context as _, Result, ensure};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Cases of a sweep that nobody asked more of.
const SLICE: usize = 40;
const RESULT: &str = "result.json";
/// Far above the slowest case; a case that needs more hangs.
const CASE_LIMIT: Duration = Duration::from_secs(600);

/// In a process of its own: makes a slot ready.
pub(crate) fn prepare_here(home: &Path, passenger: &Path) -> Result<Counts> {
    prepare::prepare(&Slot::open(home)?, passenger)?;
    Ok(Counts::one(true))
}

/// In a process of its own: plays one case.
pub(crate) fn play_here(home: &Path, case: &Case) -> Result<Counts> {
    let slot = Slot::open(home)?;
    let prepared = Prepared::open(&slot)?;
    let began = Instant::now();
    let (verdict, timeline) = match play::play(&slot, case, &prepared.golden) {
        Ok(played) => (played.verdict, played.timeline.to_string()),
        Err(error) => (Verdict::broken(format!("{error:#}")), String::new()),
    };
    let result = report::Result { verdict, seconds: began.elapsed().as_secs_f64(), timeline };
    std::fs::write(home.join(RESULT), serde_json::to_vec(&result)?)?;
    // That it was played; how it came out stands in the file.
    Ok(Counts::one(true))
}

pub(crate) fn sweep(wish: &Wish) -> Result<Counts> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).context("become a subreaper")?;
    let home = tempfile::Builder::new().prefix("nk").tempdir_in(folder()).context("make a folder")?;
    open_to_all(home.path())?;
    let slots = slots(wish, home.path())?;
    let mut counts = Counts::default();
    let prepared = Prepared::open(&slots[0])?;
    let cases = enumerate::all(&prepared, slots[0].other.is_some())?;
    counts += judge_number(&prepared, &cases)?;
    let chosen = choose(wish, &cases)?;
    if wish.list {
        chosen.iter().for_each(|case| println!("{:<12} {case}", case.fault.kill_point()));
        return Ok(counts);
    }
    let results = play_all(&slots, chosen, !wish.cases.is_empty());
    report::table(&results);
    for (case, result) in &results {
        counts += match result.verdict.outcome {
            Outcome::Held => Counts { passed: 1, ..Counts::default() },
            Outcome::Unreached => Counts { skipped: 1, ..Counts::default() },
            Outcome::Failed => Counts { failed: 1, ..Counts::default() },
        };
        if result.verdict.outcome == Outcome::Failed {
            report::keep(&crate::repo::root().join("target/kill/failed"), case, result)?;
        }
    }
    if wish.keep {
        println!("worlds are kept in {}", home.keep().display());
    }
    Ok(counts)
}

fn choose(wish: &Wish, cases: &[Case]) -> Result<Vec<Case>> {
    if !wish.cases.is_empty() {
        return Ok(wish.cases.clone());
    }
    if wish.all || (wish.list && wish.count.is_none()) {
        return Ok(cases.to_vec());
    }
    let mut chosen = minimum::kept_cases()?;
    for case in enumerate::slice(cases, wish.count.unwrap_or(SLICE)) {
        if !chosen.contains(&case) {
            chosen.push(case);
        }
    }
    Ok(chosen)
}

/// The points stand in a file for whoever wants to look; their number is one check.
fn judge_number(prepared: &Prepared, cases: &[Case]) -> Result<Counts> {
    let folder = crate::repo::root().join("target/kill");
    std::fs::create_dir_all(&folder)?;
    let mut found = Minimum { cases: cases.len(), points: BTreeMap::new() };
    for (story, turns) in &prepared.turns {
        let points = enumerate::points(turns)?;
        let line = |turn: &&Turn| format!("{:<14} {:<60} {}\n", turn.effect, turn.point, turn.said);
        std::fs::write(
            folder.join(format!("points-{story}.txt")),
            points.iter().map(line).collect::<String>(),
        )?;
        println!("{:>5} points of the story {story}", points.len());
        found.points.insert(story.clone(), points.len());
    }
    println!("{:>5} cases", cases.len());
    let shrunk = Minimum::read()?.shrunk(&found);
    shrunk.iter().for_each(|what| println!("shrunk: {what}"));
    Ok(Counts::one(shrunk.is_empty()))
}

fn slots(wish: &Wish, home: &Path) -> Result<Vec<Slot>> {
    let passenger = build::program("xtask", "sweep-passenger", Profile::Dev)?;
    let dev = || build::program("nica", "nica", Profile::Dev);
    let (nica, other) = match (&wish.nica, wish.all) {
        (Some(nica), _) => (nica.clone(), None),
        (None, true) => (build::program("nica", "nica", Profile::Release)?, Some(dev()?)),
        (None, false) => (dev()?, None),
    };
    let nica = std::path::absolute(nica)?;
    let count = wish.slots.unwrap_or_else(|| default_slots(wish));
    let make = |n: usize| Slot::create(&home.join(n.to_string()), &nica, other.clone());
    let slots: Vec<Slot> = (0..count.max(1)).map(make).collect::<Result<_>>()?;
    let prepared: Vec<Result<()>> = std::thread::scope(|scope| {
        let passenger = &passenger;
        let running: Vec<_> =
            slots.iter().map(|slot| scope.spawn(move || prepare_apart(slot, passenger))).collect();
        running.into_iter().map(|thread| thread.join().expect("a thread that only waits")).collect()
    });
    prepared.into_iter().collect::<Result<Vec<()>>>()?;
    Ok(slots)
}

/// A case mostly waits, so there is room for more than there are processors; whoever wants the whole sweep has
/// nothing else to do meanwhile.
fn default_slots(wish: &Wish) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    match (wish.cases.len(), wish.all) {
        (1, _) => 1,
        (_, true) => 2 * processors + 1,
        (_, false) => processors + 1,
    }
}

fn prepare_apart(slot: &Slot, passenger: &Path) -> Result<()> {
    let words = ["--prepare".into(), slot.home.clone(), passenger.to_path_buf()];
    run_apart(slot, &words).context("prepare a world")
}

fn play_all(slots: &[Slot], cases: Vec<Case>, whole: bool) -> Vec<(Case, report::Result)> {
    let queue = Mutex::new(VecDeque::from(cases));
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for slot in slots {
            let (queue, results) = (&queue, &results);
            scope.spawn(move || {
                loop {
                    let next = lock(queue).pop_front();
                    let Some(case) = next else { break };
                    let result = play_apart(slot, &case);
                    let mut results = lock(results);
                    report::case(&case, &result, whole);
                    results.push((case, result));
                }
            });
        }
    });
    results.into_inner().expect("no holder of this lock panics")
}

fn play_apart(slot: &Slot, case: &Case) -> report::Result {
    let file = slot.home.join(RESULT);
    let _ = std::fs::remove_file(&file);
    let began = Instant::now();
    let words = ["--play".into(), slot.home.clone(), PathBuf::from(case.to_string())];
    let ran = run_apart(slot, &words);
    let read = || -> Result<report::Result> { Ok(serde_json::from_slice(&std::fs::read(&file)?)?) };
    read().unwrap_or_else(|_| {
        let why = ran.err().map_or("the case said nothing".to_string(), |error| format!("{error:#}"));
        report::Result {
            verdict: Verdict::broken(why),
            seconds: began.elapsed().as_secs_f64(),
            timeline: String::new(),
        }
    })
}

/// This program again, with these words; everything it started is gone afterwards.
fn run_apart(slot: &Slot, words: &[PathBuf]) -> Result<()> {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(std::env::current_exe()?)
        .args(["test", "kill"])
        .args(words);
    let mut actor = super::actor::Actor::start(command, &slot.home, "case")?;
    let status = actor.wait(CASE_LIMIT)?;
    actor.kill()?;
    end_orphans(slot);
    let status = status.with_context(|| format!("end within {} s", CASE_LIMIT.as_secs()))?;
    ensure!(status.success(), "{}: {}", proc::describe(status), actor.printed().trim());
    Ok(())
}

/// What a case left behind came back to us; it is known by this slot's folder in its words or its environment.
fn end_orphans(slot: &Slot) {
    let home = slot.home.display().to_string();
    let ours = |pid: &u32| {
        let words = [proc::command_line(*pid), proc::environment(*pid)].concat();
        proc::alive(*pid) && words.iter().any(|word| word.contains(&home))
    };
    for pid in proc::descendants(std::process::id()).into_iter().filter(ours) {
        let _ = proc::signal(pid, Signal::KILL);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
