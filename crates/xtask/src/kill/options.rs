//! What can be said after `./x test kill`.

use super::actor::LISTEN;
use super::apart::Job;
use super::case::Case;
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;

pub(crate) enum Options {
    Sweep(Wish),
    /// For the sweep's own child processes.
    Listen,
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
    /// Worlds that are played side by side.
    pub slots: Option<usize>,
    /// Judge this program instead of building one; a mutant, for example.
    pub nica: Option<PathBuf>,
    /// Judge the judge: each mutant must be found.
    pub mutants: bool,
    /// Leave the worlds' folders behind.
    pub keep: bool,
}

pub(crate) const HELP: &str = "./x test kill [--all] [--list] [--case ID|FILE]... [--count N] [--slots N] [--nica FILE] [--mutants] [--keep]";

pub(crate) fn parse(args: &[String]) -> Result<Options> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        [LISTEN] => return Ok(Options::Listen),
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
            "--keep" => wish.keep = true,
            "--mutants" => wish.mutants = true,
            "--case" => wish.cases.push(case(value()?)?),
            "--count" => wish.count = Some(value()?.parse().context("read --count")?),
            "--slots" => wish.slots = Some(value()?.parse().context("read --slots")?),
            "--nica" => wish.nica = Some(PathBuf::from(value()?)),
            other => bail!("read {other:?}: the words are {HELP}"),
        }
    }
    Ok(Options::Sweep(wish))
}

/// By its id, or by a file that holds it.
fn case(word: &str) -> Result<Case> {
    if word.ends_with(".toml") { super::minimum::case_file(word.as_ref()) } else { Case::parse(word) }
}
