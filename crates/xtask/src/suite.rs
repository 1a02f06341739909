//! `./x test`: every suite of the project in one table, run in order, counted, summed up on the last line.
//!
//! What passes is one line; what fails is shown in full. The last line is `N passed, N failed, N skipped`, which is
//! what continuous integration reads.

mod child;
mod demo;
mod kubernetes;
mod libtest;
mod summary;

use crate::cluster;
use crate::config;
use crate::image;
use crate::kill;
use crate::repo;
use crate::tidy;
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

pub(crate) use child::Child;
pub(crate) use summary::{Counts, Outcome};

pub(crate) struct Suite {
    pub name: &'static str,
    pub what: &'static str,
    how: How,
}

/// How a suite is run, and how its result is counted.
enum How {
    /// A command that is right or wrong: one check.
    Check(&'static [&'static str]),
    /// The house rules: one check each.
    Tidy,
    /// A command that prints like Rust's test harness. `whole` stands where nobody named something smaller, and then
    /// fewer than `at_least` is a failure: a filter that matches nothing is no proof.
    Libtest { command: &'static [&'static str], whole: &'static [&'static str], at_least: u64 },
    /// The demo's story, held against its promise.
    Demo,
    /// Cases of the kill sweep: one check each.
    Kill,
    /// Cases of the test cluster: one check each.
    Cluster,
    /// Tests that need an API server.
    Kubernetes,
    /// Cases of the images: one check each.
    Images,
}

/// Longer than the slowest suite on two cold cores; a suite that needs more hangs.
const SUITE_LIMIT: Duration = Duration::from_secs(40 * 60);

pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "fmt",
        what: "formatting",
        how: How::Check(&["cargo", "fmt", "--all", "--check", "--", "-l", "--color", "never"]),
    },
    Suite {
        name: "clippy",
        what: "lints, warnings are errors",
        how: How::Check(&["cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    Suite { name: "tidy", what: "house rules", how: How::Tidy },
    Suite {
        name: "cargo",
        what: "unit and integration tests of all crates",
        how: How::Libtest {
            command: &["cargo", "test", "--no-fail-fast"],
            whole: &["--workspace"],
            at_least: 600,
        },
    },
    Suite {
        name: "wide",
        what: "the largest small worlds, tens of millions of states, on an optimised build",
        how: How::Libtest {
            command: &[
                "cargo",
                "test",
                "--release",
                "-p",
                "nica-engine",
                "--test",
                "it",
                "wide_",
                "--",
                "--ignored",
                // Two gigabytes each: no more than two at once.
                "--test-threads",
                "2",
            ],
            whole: &[],
            at_least: 44,
        },
    },
    Suite { name: "demo", what: "the whole story, as its user sees it", how: How::Demo },
    Suite { name: "kill", what: "runs killed and stopped at every point", how: How::Kill },
    Suite { name: "cluster", what: "a real Kubernetes starts, serves and goes", how: How::Cluster },
    Suite { name: "kubernetes", what: "the kubernetes target at a real API server", how: How::Kubernetes },
    Suite { name: "images", what: "both images built, run, and run by a kubelet", how: How::Images },
];

pub(crate) fn run(name: Option<&str>, args: &[String]) -> Result<bool> {
    let chosen: Vec<&Suite> = match name {
        None => SUITES.iter().collect(),
        Some(name) => vec![find(name)?],
    };
    let mut outcomes = Vec::new();
    for suite in chosen {
        println!("── {} · {}", suite.name, suite.what);
        outcomes.push(suite.run(args, name.is_some() || config::is_ci())?);
    }
    summary::print(&outcomes);
    Ok(outcomes.iter().all(Outcome::is_green))
}

pub(crate) fn find(name: &str) -> Result<&'static Suite> {
    let known = || SUITES.iter().map(|suite| suite.name).collect::<Vec<_>>().join(", ");
    match SUITES.iter().find(|suite| suite.name == name) {
        Some(suite) => Ok(suite),
        None => bail!("find suite `{name}`: there are {}", known()),
    }
}

impl Suite {
    /// `asked`: by its name or by CI, so that it may take its time; programs of other projects are built only then.
    pub(crate) fn run(&self, args: &[String], asked: bool) -> Result<Outcome> {
        let began = Instant::now();
        let mut unavailable = None;
        let counts = match self.how {
            How::Check(command) => check(command, args)?,
            How::Tidy => judge_tidy()?,
            How::Kill => kill::run(args)?,
            How::Demo => demo::run(args)?,
            How::Cluster => {
                let (counts, why) = cluster::suite(args, asked)?;
                unavailable = why;
                counts
            }
            How::Kubernetes => {
                let (counts, why) = kubernetes::run(args, asked)?;
                unavailable = why;
                counts
            }
            How::Images => {
                let (counts, why) = image::suite(asked)?;
                unavailable = why;
                counts
            }
            How::Libtest { command, whole, at_least } => {
                let (whole, at_least) = if args.is_empty() { (whole, at_least) } else { (&[][..], 0) };
                enough(libtest(&[command, whole].concat(), args)?, at_least)
            }
        };
        Ok(Outcome { name: self.name, what: self.what, counts, took: began.elapsed(), unavailable })
    }
}

fn check(command: &[&str], args: &[String]) -> Result<Counts> {
    let mut output = String::new();
    let child = Child::start(command, args, &repo::root())?;
    let ended = child.read(SUITE_LIMIT, |line| {
        output.push_str(line);
        output.push('\n');
    })?;
    if !ended.success {
        println!("{output}{}", ended.why);
    }
    Ok(Counts::one(ended.success))
}

fn judge_tidy() -> Result<Counts> {
    let mut counts = Counts::default();
    for (_, findings) in tidy::findings()? {
        counts += Counts::one(findings.is_empty());
        findings.iter().for_each(|finding| println!("{finding}\n"));
    }
    Ok(counts)
}

/// Fewer tests than there were is one failure more.
fn enough(counts: Counts, at_least: u64) -> Counts {
    let ran = counts.passed + counts.failed;
    if ran >= at_least {
        return counts;
    }
    println!("{ran} tests ran, there are {at_least} at least");
    Counts { failed: counts.failed + 1, ..counts }
}

/// Runs a command that prints like Rust's test harness, shows what matters and counts.
pub(crate) fn libtest(command: &[&str], args: &[String]) -> Result<Counts> {
    let mut reader = libtest::Reader::default();
    let child = Child::start(command, args, &repo::root())?;
    let ended = child.read(SUITE_LIMIT, |line| {
        if let Some(text) = reader.line(line) {
            println!("{text}");
        }
    })?;
    let (rest, counts) = reader.end(ended.success);
    if !ended.success {
        println!("{rest}{}", ended.why);
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_found_by_its_name_or_the_names_are_told() {
        assert!(find("cargo").is_ok());
        let error = find("crago").err().expect("no such suite").to_string();
        assert_eq!(
            error,
            "find suite `crago`: there are fmt, clippy, tidy, cargo, wide, demo, kill, cluster, kubernetes, images"
        );
    }

    #[test]
    fn fewer_tests_than_there_were_is_a_failure() {
        let counts = Counts { passed: 28, failed: 0, skipped: 0 };
        assert_eq!(enough(counts, 29).failed, 1);
        assert_eq!(enough(counts, 28), counts);
    }

    #[test]
    fn a_command_that_fails_is_one_failure() {
        assert_eq!(check(&["false"], &[]).expect("it starts"), Counts { passed: 0, failed: 1, skipped: 0 });
        assert_eq!(check(&["true"], &[]).expect("it starts"), Counts { passed: 1, failed: 0, skipped: 0 });
    }
}
