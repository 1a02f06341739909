//! What can be said after `./x test kill`.

use super::actor::LISTEN;
use super::apart::Job;
use super::case::Case;
use super::guard::{GUARD, KEEP};
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;

pub(crate) enum Options {
    Sweep(Wish),
    /// For the sweep's own child processes.
    Listen,
    Guard {
        home: PathBuf,
        keep: bool,
    },
    Prepare {
        slot: PathBuf,
        passenger: PathBuf,
    },
    Play {
        slot: PathBuf,
        job: Job,
    },
}

/// What somebody asked for.
#[derive(Default)]
pub(crate) struct Wish {
    /// The whole sweep, on release builds.
    pub all: bool,
    /// Only print what there is.
    pub list: bool,
    /// These and nothing else.
    pub cases: Vec<Case>,
    /// About so many, spread over all kinds.
    pub count: Option<usize>,
    /// Another one picks other cases of a slice, and another order of the whole.
    pub seed: Option<u64>,
    /// `K/N`: the K-th of N equal parts of the whole.
    pub part: Option<(usize, usize)>,
    /// Forget what an earlier sweep of these builds recorded.
    pub anew: bool,
    /// Worlds that are played side by side.
    pub slots: Option<usize>,
    /// Judge this program instead of building one; a mutant, for example.
    pub nica: Option<PathBuf>,
    /// Judge the judge: each mutant must be found.
    pub mutants: bool,
    /// This one of them alone.
    pub mutant: Option<String>,
    /// Leave the worlds' folders behind.
    pub keep: bool,
}

pub(crate) const HELP: &str = "./x test kill [--all [--part K/N] [--anew]] [--list] [--case ID|FILE]... [--count N] [--seed N] \
    [--slots N] [--nica FILE] [--mutants [--mutant NAME]] [--keep]";

pub(crate) fn parse(args: &[String]) -> Result<Options> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        [LISTEN] => return Ok(Options::Listen),
        [GUARD, home] => return Ok(Options::Guard { home: home.into(), keep: false }),
        [GUARD, home, KEEP] => return Ok(Options::Guard { home: home.into(), keep: true }),
        ["--prepare", slot, passenger] => {
            return Ok(Options::Prepare { slot: slot.into(), passenger: passenger.into() });
        }
        ["--play", slot, case, ref mutant @ ..] => {
            let mutant = mutant.first().map(|name| name.to_string());
            return Ok(Options::Play { slot: slot.into(), job: Job { case: Case::parse(case)?, mutant } });
        }
        _ => {}
    }
    let mut wish = Wish::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("read {word}: a value is missing; {HELP}"));
        match *word {
            "--all" => wish.all = true,
            "--list" => wish.list = true,
            KEEP => wish.keep = true,
            "--mutants" => wish.mutants = true,
            "--case" => wish.cases.push(case(value()?)?),
            "--count" => wish.count = Some(value()?.parse().context("read --count")?),
            "--seed" => wish.seed = Some(value()?.parse().context("read --seed")?),
            "--part" => wish.part = Some(part(value()?)?),
            "--anew" => wish.anew = true,
            "--slots" => wish.slots = Some(value()?.parse().context("read --slots")?),
            "--mutant" => wish.mutant = Some(value()?.to_string()),
            "--nica" => wish.nica = Some(PathBuf::from(value()?)),
            other => bail!("read {other:?}: the words are {HELP}"),
        }
    }
    Ok(Options::Sweep(wish))
}

fn part(word: &str) -> Result<(usize, usize)> {
    let numbers = word.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match numbers {
        Some((k, n)) if (1..=n).contains(&k) => Ok((k, n)),
        _ => bail!("read --part {word}: the first of four parts is 1/4"),
    }
}

/// By its id, or by a file that holds it.
fn case(word: &str) -> Result<Case> {
    if word.ends_with(".toml") { super::minimum::case_file(word.as_ref()) } else { Case::parse(word) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_one_of_its_number() {
        let check =
            |word: &str, expected: Option<(usize, usize)>| assert_eq!(part(word).ok(), expected, "{word}");
        check("1/4", Some((1, 4)));
        check("4/4", Some((4, 4)));
        for wrong in ["0/4", "5/4", "1", "1/0", "a/b", ""] {
            check(wrong, None);
        }
    }
}
