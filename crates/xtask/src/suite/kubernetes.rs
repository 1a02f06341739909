//! The tests of the kubernetes target, of its hands and of `nica` itself, at an API server that is started for them
//! alone, with simulated nodes and real ones.
//!
//! Where none can be had all of them are skipped, and the summary says why; a run of everything does not begin to build
//! Kubernetes.

use super::{Counts, enough, libtest};
use crate::cluster::{Running, Wanted, Wish};
use crate::config;
use anyhow::Result;

/// Packages with such tests, and how many there are.
const SUITES: [(&str, u64); 2] = [("nica-effects", 41), ("nica", 14)];
const TESTS: u64 = SUITES[0].1 + SUITES[1].1;

/// Counts, and why nothing was checked if nothing was.
pub(super) fn run(args: &[String], asked: bool) -> Result<(Counts, Option<String>)> {
    if let Some(kubeconfig) = config::test_kubeconfig() {
        return Ok((play(&[("NICA_TEST_KUBECONFIG", kubeconfig.display().to_string())], args)?, None));
    }
    let wish = Wish { name: None, wanted: Wanted { nodes: 2, kwok: 2 }, build: asked };
    let running = match Running::start(&wish, |step| println!("    {step}"))? {
        Ok(running) => running,
        Err(why) => return Ok((Counts { skipped: TESTS, ..Counts::default() }, Some(why.to_string()))),
    };
    let kubeconfig = running.state.kubeconfig().display().to_string();
    let host = running.state.range.outer_end().to_string();
    let counts = play(&[("NICA_TEST_KUBECONFIG", kubeconfig), ("NICA_CLUSTER_HOST", host)], args);
    running.end()?;
    Ok((counts?, None))
}

fn play(variables: &[(&str, String)], args: &[String]) -> Result<Counts> {
    let variables: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut all = Counts::default();
    for (package, known) in SUITES {
        let tests = ["cargo", "test", "-p", package, "--test", "it", "kubernetes::", "--", "--ignored"];
        let told = ["env"].into_iter().chain(variables.iter().map(String::as_str)).chain(tests);
        let counts = libtest(&told.collect::<Vec<_>>(), args)?;
        all += if args.is_empty() { enough(counts, known) } else { counts };
    }
    Ok(all)
}
