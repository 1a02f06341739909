//! The jobs of .github/workflows/ci.yml, each runnable by hand with the same command.
//!
//! Each job leaves `target/ci/JOB.json`: what was checked, the verdict, how much. That file is what evidence about a
//! release is signed from, so "could not look" is a verdict of its own and never a pass.

mod deny;
mod migrations;

use crate::repo;
use crate::suite::{self, Child, Counts};
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Job {
    /// Formatting, lints, house rules, shell scripts, dependencies
    Lint,
    /// Every target of every crate type-checks, and the documentation's links hold
    Types,
    /// Migrations and seeds on a fresh database
    Migrations,
    /// What `./x test` runs beyond lint
    Test,
}

pub(crate) const JOBS: &[Job] = &[Job::Lint, Job::Types, Job::Migrations, Job::Test];

const FORMAT: u32 = 1;
const CHECK_LIMIT: Duration = Duration::from_secs(20 * 60);

#[derive(Serialize)]
struct Report {
    format: u32,
    job: &'static str,
    /// What was checked out; with `-dirty` when files differ from it.
    commit: String,
    checks: Vec<Check>,
    at: String,
}

#[derive(Serialize, Debug, PartialEq, Eq)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    /// How many things were looked at.
    count: u64,
}

#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Pass,
    Refuse,
    Inconclusive,
}

impl Job {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Job::Lint => "lint",
            Job::Types => "types",
            Job::Migrations => "migrations",
            Job::Test => "test",
        }
    }

    fn checks(self) -> Result<Vec<Check>> {
        match self {
            Job::Lint => Ok(vec![
                suite("fmt")?,
                suite("clippy")?,
                suite("tidy")?,
                tool(
                    "shellcheck",
                    &["shellcheck", "x", ".ci/run", "infra/docker/frontend-start.sh"],
                    &["shellcheck", "--version"],
                )?,
                deny::check()?,
            ]),
            Job::Types => Ok(vec![
                command("check", &["cargo", "check", "--workspace", "--all-targets"])?,
                command("doc", &["cargo", "doc", "--workspace", "--no-deps", "--document-private-items"])?,
            ]),
            Job::Migrations => migrations::checks(),
            Job::Test => {
                let beyond_lint =
                    suite::SUITES.iter().filter(|suite| !["fmt", "clippy", "tidy"].contains(&suite.name));
                beyond_lint.map(|suite| self::suite(suite.name)).collect()
            }
        }
    }
}

pub(crate) fn run(job: Job) -> Result<bool> {
    let checks = job.checks()?;
    for check in &checks {
        println!("{:<14} {:<14} {:>6}", check.name, check.verdict.word(), check.count);
    }
    let green = checks.iter().all(|check| check.verdict != Verdict::Refuse);
    let folder = repo::root().join("target/ci");
    std::fs::create_dir_all(&folder).with_context(|| format!("make folder {}", folder.display()))?;
    write(&folder.join(format!("{}.json", job.name())), job.name(), checks)?;
    println!("result: target/ci/{}.json", job.name());
    Ok(green)
}

/// What can be checked in a second, for the evidence of the demo's releases.
pub(crate) fn quick_report(path: &Path) -> Result<()> {
    let quick =
        |name: &'static str| suite::find(name)?.run(&[], true).map(|outcome| Check::of(name, outcome.counts));
    write(path, "quick", vec![quick("fmt")?, quick("tidy")?])
}

fn write(path: &Path, job: &'static str, checks: Vec<Check>) -> Result<()> {
    let report = Report { format: FORMAT, job, commit: commit()?, checks, at: now() };
    std::fs::write(path, serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("write {}", path.display()))
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Refuse => "refuse",
            Verdict::Inconclusive => "not checked",
        }
    }
}

impl Check {
    fn of(name: &'static str, counts: Counts) -> Check {
        let verdict = match counts {
            Counts { failed: 0, passed: 0, .. } => Verdict::Inconclusive,
            Counts { failed: 0, .. } => Verdict::Pass,
            _ => Verdict::Refuse,
        };
        Check { name, verdict, count: counts.passed + counts.failed }
    }
}

fn suite(name: &'static str) -> Result<Check> {
    println!("── {name}");
    Ok(Check::of(name, suite::find(name)?.run(&[], true)?.counts))
}

fn command(name: &'static str, command: &[&str]) -> Result<Check> {
    println!("── {name}");
    let mut output = String::new();
    let ended = Child::start(command, &[], &repo::root())?.read(CHECK_LIMIT, |line| {
        output.push_str(line);
        output.push('\n');
    })?;
    if !ended.success {
        println!("{output}{}", ended.why);
    }
    Ok(Check::of(name, Counts::one(ended.success)))
}

/// A checker that may not be there: then it is said, and never counted as a pass.
fn tool(name: &'static str, checks: &[&str], asks_version: &[&str]) -> Result<Check> {
    let mut version = Command::new(asks_version[0]);
    version.args(&asks_version[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if version.status().is_ok_and(|status| status.success()) {
        return command(name, checks);
    }
    println!(
        "── {name}\nnot checked: `{}` is not installed",
        asks_version[..asks_version.len() - 1].join(" ")
    );
    Ok(Check::of(name, Counts::default()))
}

/// What is checked out; with `-dirty` when files differ from it.
pub(crate) fn commit() -> Result<String> {
    let out = Command::new("git")
        .args(["describe", "--always", "--abbrev=40", "--dirty", "--exclude", "*"])
        .current_dir(repo::root())
        .output()
        .context("start git")?;
    anyhow::ensure!(out.status.success(), "name the commit: {}", String::from_utf8_lossy(&out.stderr).trim());
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_string())
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(passed: u64, failed: u64, verdict: Verdict) {
        assert_eq!(Check::of("a", Counts { passed, failed, skipped: 1 }).verdict, verdict);
    }

    #[test]
    fn what_was_not_looked_at_is_no_pass() {
        check(3, 0, Verdict::Pass);
        check(3, 1, Verdict::Refuse);
        check(0, 0, Verdict::Inconclusive);
    }

    #[test]
    fn a_missing_tool_is_inconclusive() {
        let missing = ["no-such-tool-of-ours", "--version"];
        assert_eq!(
            tool("a", &["true"], &missing).expect("it is only missing").verdict,
            Verdict::Inconclusive
        );
        assert_eq!(tool("a", &["false"], &["true", "-"]).expect("it runs").verdict, Verdict::Refuse);
    }

    #[test]
    fn the_report_says_what_evidence_is_made_of() {
        let checks = vec![Check { name: "fmt", verdict: Verdict::Pass, count: 1 }];
        let report = Report { format: FORMAT, job: "lint", commit: "c".into(), checks, at: "t".into() };
        assert_eq!(
            serde_json::to_string(&report).expect("plain data"),
            r#"{"format":1,"job":"lint","commit":"c","checks":[{"name":"fmt","verdict":"pass","count":1}],"at":"t"}"#
        );
    }
}
