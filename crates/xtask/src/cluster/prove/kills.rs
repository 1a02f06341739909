//! `./x test cluster --kills N [--seed S]`: somebody dies at a random instant of a start, N times.
//!
//! A living guard clears everything away alone. Where it was the one that died, the kernel ends what ran, and the
//! next command removes the rest.

use super::cases::{Cleanup, LIMIT, guard_of, nothing_left, start};
use super::marks::{self, Machine, Marks};
use crate::cluster::names::Name;
use crate::cluster::running;
use crate::cluster::state::{self, State};
use crate::kill::proc::{self, Signal};
use anyhow::{Context as _, Result, bail};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::path::Path;
use std::time::Duration;

pub(crate) const HELP: &str = "./x test cluster [--kills N] [--seed S]";
/// More of them early, where a start takes its first steps. Later a cluster of one node is up.
const INSTANT_MAX_SECS: f64 = 9.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Starter,
    Guard,
    Both,
    /// The first process inside, and its parent outside.
    Inside,
    Outside,
}

const EVERYBODY: [Who; 5] = [Who::Starter, Who::Guard, Who::Both, Who::Inside, Who::Outside];

/// What is played: the cases, or so many kills.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kills {
    pub count: u32,
    pub seed: u64,
}

pub(crate) fn parse(args: &[String]) -> Result<Option<Kills>> {
    let (mut count, mut seed) = (None, rand::random());
    for pair in args.chunks(2) {
        match pair {
            [word, value] if word == "--kills" => count = Some(value.parse().context("read --kills")?),
            [word, value] if word == "--seed" => seed = value.parse().context("read --seed")?,
            _ => bail!("read {args:?}: the words are {HELP}"),
        }
    }
    Ok(count.map(|count| Kills { count, seed }))
}

impl Kills {
    pub(crate) fn cases(&self) -> Vec<(Who, f64)> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut case = || {
            let who = *EVERYBODY.choose(&mut random).expect("there are some");
            let early: f64 = random.random::<f64>().powi(2);
            (who, early * INSTANT_MAX_SECS)
        };
        (0..self.count).map(|_| case()).collect()
    }
}

pub(crate) fn play(number: usize, who: Who, instant: f64, machine: &Machine) -> Result<String> {
    let name = Name::parse(&format!("k{number}-{}", std::process::id()))?;
    let home = state::home(&name);
    let _cleanup = Cleanup(home.clone());
    let mut starter = start(&name)?;
    std::thread::sleep(Duration::from_secs_f64(instant));
    let stays = starter.try_wait()?.is_some();
    let known = State::read(&home).ok();
    let marks = known.as_ref().and_then(Marks::seen);
    let guarded = state::is_guarded(&home);
    let pids = match who {
        Who::Starter => vec![starter.id()],
        Who::Guard => guard_of(&home).ok().into_iter().collect(),
        Who::Both => guard_of(&home).ok().into_iter().chain([starter.id()]).collect(),
        Who::Inside => known.iter().filter_map(|state| Some(state.init.as_ref()?.pid)).collect(),
        Who::Outside => outside(&home).into_iter().collect(),
    };
    // A starter that has ended was waited for: its number may be somebody else's by now.
    let kill = |pid: &&u32| !(stays && **pid == starter.id());
    pids.iter().filter(kill).try_for_each(|pid| proc::signal(*pid, Signal::KILL))?;
    starter.wait()?;
    let alone = guarded && !stays && matches!(who, Who::Starter) || matches!(who, Who::Inside | Who::Outside);
    if alone && !pids.is_empty() {
        proc::wait_for("see the guard clear up alone", LIMIT, || (!home.exists()).then_some(()))?;
    }
    if let Some(state) = known.as_ref().filter(|_| matches!(who, Who::Guard | Who::Both) && !pids.is_empty())
    {
        proc::wait_for("see everything inside end", LIMIT, || marks::inside(state).is_empty().then_some(()))?;
    }
    if home.exists() {
        running::end(&home)?;
    }
    if let Some(marks) = marks {
        nothing_left(&marks)?;
    }
    machine.must_be_the_same()?;
    Ok(format!("{} processes killed", pids.len()))
}

/// The parent of the first process inside.
fn outside(home: &Path) -> Option<u32> {
    let (word, home) = ("unshare".to_string(), home.display().to_string());
    let outside = |pid: &u32| {
        let words = proc::command_line(*pid);
        words.first() == Some(&word) && words.contains(&home) && words.contains(&"inside".to_string())
    };
    proc::all().into_iter().find(outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_the_same_kills_again() {
        let words = ["--kills", "50", "--seed", "7"].map(String::from);
        let kills = parse(&words).expect("right").expect("kills");
        assert_eq!(kills, Kills { count: 50, seed: 7 });
        assert_eq!(kills.cases(), Kills { count: 50, seed: 7 }.cases());
        assert_ne!(kills.cases(), Kills { count: 50, seed: 8 }.cases());
        assert!(EVERYBODY.iter().all(|who| kills.cases().iter().any(|(other, _)| other == who)));
    }

    #[test]
    fn other_words_are_refused() {
        assert_eq!(parse(&[]).expect("right"), None);
        for bad in [&["--kill", "3"][..], &["--kills"], &["--kills", "x"]] {
            let words: Vec<String> = bad.iter().map(|word| word.to_string()).collect();
            assert!(parse(&words).is_err(), "{bad:?}");
        }
    }
}
