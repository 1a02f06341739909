//! `./x test cluster`: a cluster is started, used, ended and killed, and the machine is looked over each time.
//!
//! Each case is one check. Where no cluster can be had all of them are skipped, with the reason in the summary; a run
//! of everything does not begin to build Kubernetes, only CI and whoever names this suite do.

mod ask;
mod cases;
mod kills;
mod marks;
mod objects;

use super::obtain::Wanted;
use super::running::{Running, Wish};
use crate::config;
use crate::suite::Counts;
use anyhow::Result;
use kills::Kills;
use marks::Machine;
use std::time::Instant;

/// Counts, and why nothing was checked if nothing was.
pub(crate) fn suite(args: &[String], asked: bool) -> Result<(Counts, Option<String>)> {
    let kills = kills::parse(args)?;
    if config::test_kubeconfig().is_some() {
        return Ok(skipped(
            "NICA_TEST_KUBECONFIG names a cluster that is not ours to start and end".to_string(),
        ));
    }
    let machine = Machine::look()?;
    let wish = Wish { name: None, wanted: Wanted { nodes: 2, kwok: 2 }, build: asked };
    let mut judge = Judge::default();
    let mut unavailable = None;
    let mut running = None;
    judge.case(cases::UP, || match Running::start(&wish, |step| println!("    {step}"))? {
        Ok(up) => {
            let said = format!("ready after {:.1} s", up.seconds);
            running = Some(up);
            Ok(said)
        }
        Err(why) => {
            unavailable = Some(why.to_string());
            Ok("not available".to_string())
        }
    });
    if let Some(why) = unavailable {
        return Ok(skipped(why));
    }
    let Some(running) = running else { return Ok((judge.counts, None)) };
    match kills {
        None => judge.cases(running, &machine),
        Some(kills) => judge.kills(running, &kills, &machine),
    }
    Ok((judge.counts, None))
}

fn skipped(why: String) -> (Counts, Option<String>) {
    (Counts { skipped: cases::count(), ..Counts::default() }, Some(why))
}

/// Plays cases, says how each went, and counts.
#[derive(Default)]
pub(crate) struct Judge {
    pub(crate) counts: Counts,
}

impl Judge {
    fn cases(&mut self, running: Running, machine: &Machine) {
        for (what, case) in cases::WHILE_UP {
            self.case(what, || case(&running));
        }
        self.case(cases::DOWN, || cases::down_leaves_nothing(running, machine));
        for (what, case) in cases::KILLS {
            self.case(what, || case(machine));
        }
    }

    fn kills(&mut self, running: Running, kills: &Kills, machine: &Machine) {
        self.case(cases::DOWN, || cases::down_leaves_nothing(running, machine));
        println!("  seed {}", kills.seed);
        for (number, (who, instant)) in kills.cases().into_iter().enumerate() {
            let what = format!("{who:?}_dies_{instant:.2}_s_after_the_start_and_nothing_is_left");
            self.case(&what, || kills::play(number, who, instant, machine));
        }
    }

    /// A case that others stand on: what it made, if it passed.
    pub(crate) fn gives<T>(&mut self, what: &str, play: impl FnOnce() -> Result<(T, String)>) -> Option<T> {
        let mut made = None;
        self.case(what, || {
            let (thing, said) = play()?;
            made = Some(thing);
            Ok(said)
        });
        made
    }

    pub(crate) fn case(&mut self, what: &str, play: impl FnOnce() -> Result<String>) {
        let began = Instant::now();
        let result = play();
        let took = began.elapsed().as_secs_f64();
        match &result {
            Ok(said) => println!("  {what:<66} {took:>5.1} s   {said}"),
            Err(error) => println!("  FAILED {what}\n    {error:#}"),
        }
        self.counts += Counts::one(result.is_ok());
    }
}
