//! Plays many cases side by side: each slot is one place for worlds.

use super::apart::{self, Job};
use super::build::{self, Profile};
use super::case::Case;
use super::enumerate;
use super::guard::Guard;
use super::minimum::{self, Minimum};
use super::mutants::{self, Mutant};
use super::options::Wish;
use super::play::Outcome;
use super::prepare::{Prepared, Turn};
use super::record::Record;
use super::report;
use super::slot::Slot;
use super::variant;
use super::{folder, open_to_all};
use crate::suite::Counts;
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Cases of a sweep that nobody asked more of.
const SLICE: usize = 40;
const TRIES_ALONE: usize = 2;
/// Short: socket paths end at 108 bytes.
pub(crate) const PREFIX: &str = "nk";

pub(crate) fn sweep(wish: &Wish) -> Result<Counts> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).context("become a subreaper")?;
    let home = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder()).context("make a folder")?.keep();
    let _guard = Guard::of(&home, wish.keep)?;
    open_to_all(&home)?;
    if wish.keep {
        println!("worlds stay in {}", home.display());
    }
    if wish.mutants { sweep_mutants(wish, &home) } else { sweep_product(wish, &home) }
}

fn sweep_product(wish: &Wish, home: &Path) -> Result<Counts> {
    let profile = if wish.all { Profile::Release } else { Profile::Dev };
    let nica = wish.nica.clone().map_or_else(|| build::nica(profile), Ok)?;
    let slots = slots(wish, home, &nica, Some(variant::other(profile)?))?;
    let prepared = Prepared::open(&slots[0])?;
    let cases = enumerate::all(&prepared)?;
    let mut number = judge_number(&prepared, &cases)?;
    let chosen = choose(wish, &cases)?;
    if wish.list {
        chosen.iter().for_each(|case| println!("{:<12} {case}", case.fault.kill_point()));
        return Ok(number);
    }
    let record = wish.all.then(|| Record::open(&slots[0], wish.anew)).transpose()?;
    let known = record.as_ref().map(|record| &record.known);
    let known = |case: &Case| known.and_then(|known| known.get(&case.to_string())).cloned();
    let (done, left): (Vec<_>, Vec<_>) = chosen
        .into_iter()
        .map(Job::of)
        .partition(|job| known(&job.case).is_some_and(|result| !result.verdict.slow));
    if let Some(record) = &record {
        println!(
            "{:>5} of them recorded before, {} to play ({})",
            done.len(),
            left.len(),
            record.path.display()
        );
    }
    let done = done.into_iter().filter_map(|job| known(&job.case).map(|result| (job, result)));
    let mut results: Vec<_> = done.collect();
    let tell = |job: &Job, result: &report::Result| told(wish, record.as_ref(), job, result);
    results.extend(alone_again(&slots, play_all(&slots, left, tell), tell));
    number += sum_up(&results, cases.len());
    Ok(number)
}

/// What was only slow is played again while nothing else is: beside other worlds a machine is late for reasons of its
/// own. Slow each time is slow.
fn alone_again(
    slots: &[Slot],
    results: Vec<(Job, report::Result)>,
    told: impl Fn(&Job, &report::Result) + Sync,
) -> Vec<(Job, report::Result)> {
    let (mut slow, mut rest): (Vec<_>, Vec<_>) =
        results.into_iter().partition(|(_, result)| result.verdict.slow);
    for _ in 0..TRIES_ALONE {
        let jobs: Vec<Job> = slow.into_iter().map(|(job, _)| job).collect();
        if jobs.is_empty() {
            return rest;
        }
        println!("{} were only slow, again alone", jobs.len());
        let (still, settled) =
            play_all(&slots[..1], jobs, &told).into_iter().partition(|(_, r)| r.verdict.slow);
        slow = still;
        rest.extend::<Vec<_>>(settled);
    }
    rest.extend(slow);
    rest
}

fn told(wish: &Wish, record: Option<&Record>, job: &Job, result: &report::Result) {
    report::case(&job.case, result, !wish.cases.is_empty());
    let kept = report::keep(&crate::repo::root().join("target/kill/failed"), &job.case, result)
        .and_then(|()| record.map_or(Ok(()), |record| record.keep(&job.case, result)));
    if let Err(error) = kept {
        println!("          could not be written down: {error:#}");
    }
}

fn sum_up(results: &[(Job, report::Result)], enumerated: usize) -> Counts {
    report::table(results);
    println!("{} of {enumerated} cases have a result", results.len());
    let of = |outcome| results.iter().filter(|(_, result)| result.verdict.outcome == outcome).count();
    let (held, failed, unreached) = (of(Outcome::Held), of(Outcome::Failed), of(Outcome::Unreached));
    let mut counts = Counts { passed: held as u64, failed: failed as u64, skipped: unreached as u64 };
    counts += Counts::one(report::few_unreached(unreached, results.len()));
    counts
}

/// Each mutant must turn at least one of its cases red: then the sweep would find such a program.
fn sweep_mutants(wish: &Wish, home: &Path) -> Result<Counts> {
    let all = mutants::all()?;
    let slots = slots(wish, home, &mutants::build(&all)?, None)?;
    let asked = |mutant: &&Mutant| wish.mutant.as_ref().is_none_or(|name| *name == mutant.name);
    let all: Vec<&Mutant> = all.iter().filter(asked).collect();
    let told = |mutant: &Mutant| {
        let job = |case: &Case| Job { case: case.clone(), mutant: Some(mutant.name.clone()) };
        mutant.cases.iter().map(job).collect::<Vec<Job>>()
    };
    let results = play_all(&slots, all.iter().copied().flat_map(told).collect(), |_, _| {});
    let mut counts = Counts::default();
    for mutant in all.iter().filter(|mutant| !mutant.cases.is_empty()) {
        let of = results.iter().filter(|(job, _)| job.mutant.as_deref() == Some(&mutant.name));
        counts += Counts::one(report::mutant(mutant, &of.collect::<Vec<_>>()));
    }
    Ok(counts)
}

fn choose(wish: &Wish, cases: &[Case]) -> Result<Vec<Case>> {
    if !wish.cases.is_empty() {
        return Ok(wish.cases.clone());
    }
    if wish.all || (wish.list && wish.count.is_none()) {
        let (k, n) = wish.part.unwrap_or((1, 1));
        return Ok(enumerate::shuffled(cases, wish.seed).into_iter().skip(k - 1).step_by(n).collect());
    }
    let mut chosen = minimum::kept_cases()?;
    for case in enumerate::slice(cases, wish.count.unwrap_or(SLICE), wish.seed) {
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

fn slots(wish: &Wish, home: &Path, nica: &Path, other: Option<PathBuf>) -> Result<Vec<Slot>> {
    let passenger = build::passenger()?;
    let nica = std::path::absolute(nica)?;
    let count = wish.slots.unwrap_or_else(|| default_slots(wish));
    let make = |n: usize| Slot::create(&home.join(n.to_string()), &nica, other.clone());
    let slots: Vec<Slot> = (0..count.max(1)).map(make).collect::<Result<_>>()?;
    let prepared: Vec<Result<()>> = std::thread::scope(|scope| {
        let passenger = &passenger;
        let running: Vec<_> =
            slots.iter().map(|slot| scope.spawn(move || apart::prepare(slot, passenger))).collect();
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

/// `told` is called as each job ends.
fn play_all(
    slots: &[Slot],
    jobs: Vec<Job>,
    told: impl Fn(&Job, &report::Result) + Sync,
) -> Vec<(Job, report::Result)> {
    let queue = Mutex::new(VecDeque::from(jobs));
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for slot in slots {
            let (queue, results, told) = (&queue, &results, &told);
            scope.spawn(move || {
                loop {
                    let next = lock(queue).pop_front();
                    let Some(job) = next else { break };
                    let result = apart::play(slot, &job);
                    let mut results = lock(results);
                    told(&job, &result);
                    results.push((job, result));
                }
            });
        }
    });
    results.into_inner().expect("no holder of this lock panics")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
