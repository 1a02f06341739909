//! What an operator does in the story: makes releases, signs evidence, approves, deploys. How it ended is read from the
//! exit code and the last words, which must mean the same.

use super::judge;
use super::nica::{Ended, Nica, Running};
use super::place::Place;
use super::postgres::Postgres;
use super::report::End;
use super::workspace::{APPROVERS, Edition, Keys, SOAK};
use crate::ci;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use std::path::Path;
use std::time::{Duration, Instant};

/// A deploy that takes longer hangs.
pub(crate) const DEPLOY_LIMIT: Duration = Duration::from_secs(120);
pub(crate) const STEP_LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Delivery<'a> {
    pub(crate) place: &'a Place,
    pub(crate) postgres: &'a Postgres,
    pub(crate) keys: &'a Keys,
    pub(crate) nica: &'a Nica,
}

/// How a deploy came to its end.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    pub(crate) reason: String,
    pub(crate) took: Duration,
    pub(crate) resumed: bool,
}

impl Delivery<'_> {
    /// The release file of an edition, with the evidence that its checks passed.
    pub(crate) fn make_release(&self, edition: &Edition, results: &Path) -> Result<()> {
        let (file, commit) = (self.file(edition), ci::commit()?);
        let create = ["release", "create", "--version", edition.version, "--commit", &commit, "--out", &file];
        self.command(edition, &create)?.expect(0)?;
        let (key, results) = (self.keys.private("ci").display().to_string(), results.display().to_string());
        let sign = ["release", "evidence", "--release", &file, "--kind", "ci", "--key", &key, &results];
        self.command(edition, &sign)?.expect(0).context("sign evidence").map(drop)
    }

    pub(crate) fn deploy(&self, edition: &Edition, env: &str) -> Result<Outcome> {
        let args = self.prepare(edition, env)?;
        outcome(&self.nica.run(&words(&args), DEPLOY_LIMIT)?)
    }

    /// The first deployer is stopped, the second takes over and is killed, the third finishes. `look` is called before
    /// the first wakes up and after it has ended; what it sees must be the same.
    pub(crate) fn deploy_through_deaths<T: PartialEq + std::fmt::Debug>(
        &self,
        edition: &Edition,
        env: &str,
        look: impl Fn() -> Result<T>,
    ) -> Result<Outcome> {
        let args = self.prepare(edition, env)?;
        let began = Instant::now();
        let mut first = self.nica.start(&words(&args))?;
        let fence = self.wait_for(env, &mut first, |done, _| done >= 2)?;
        first.signal(Signal::STOP)?;

        let resume = self.args(edition, &["resume", "--env", env]);
        let mut second = self.nica.start(&words(&resume))?;
        self.wait_for(env, &mut second, |done, admitted| admitted > fence && done >= 3)?;
        second.signal(Signal::KILL)?;
        second.wait(STEP_LIMIT)?;

        let third = outcome(&self.nica.run(&words(&resume), DEPLOY_LIMIT)?)?;
        let took = began.elapsed();
        let before = look()?;
        first.signal(Signal::CONT)?;
        let woken = first.wait(STEP_LIMIT)?;
        let after = look()?;
        let says = said(&woken);
        ensure!(before == after, "see a woken deployer change nothing: {before:?} became {after:?}\n{says}");
        Ok(Outcome { took, resumed: true, ..third })
    }

    pub(crate) fn ledger_is_whole(&self, edition: &Edition, env: &str) -> Result<bool> {
        Ok(self.command(edition, &["ledger", "verify", "--env", env])?.code == Some(0))
    }

    /// Arguments of the deploy; where people must approve, the plan is made and signed first.
    fn prepare(&self, edition: &Edition, env: &str) -> Result<Vec<String>> {
        let release = self.file(edition);
        if env != "prod" {
            return Ok(self.args(edition, &["deploy", "--env", env, "--release", &release]));
        }
        std::thread::sleep(SOAK);
        let plan = edition.folder(self.place).join(format!("{env}.plan")).display().to_string();
        // 4: the plan has changes, whatever its gates say.
        self.command(edition, &["plan", "--env", env, "--release", &release, "--out", &plan])?.expect(4)?;
        for name in APPROVERS {
            let key = self.keys.private(name).display().to_string();
            self.command(edition, &["approve", &plan, "--key", &key])?.expect(0)?;
        }
        Ok(self.args(edition, &["deploy", "--env", env, "--plan", &plan]))
    }

    fn command(&self, edition: &Edition, words_after: &[&str]) -> Result<Ended> {
        self.nica.run(&words(&self.args(edition, words_after)), STEP_LIMIT)
    }

    /// With the policy of the edition.
    fn args(&self, edition: &Edition, words: &[&str]) -> Vec<String> {
        let config = edition.folder(self.place).join("nica.toml").display().to_string();
        ["--json", "--config", &config].iter().chain(words).map(ToString::to_string).collect()
    }

    fn file(&self, edition: &Edition) -> String {
        edition.file(self.place).display().to_string()
    }

    /// Polls the records until `far` (steps done, fence admitted) holds while `running` is still at it; gives the fence.
    fn wait_for(&self, env: &str, running: &mut Running, far: impl Fn(u64, u64) -> bool) -> Result<u64> {
        let until = Instant::now() + STEP_LIMIT;
        loop {
            let (done, fence) = judge::progress(self.postgres, &format!("nica_{env}"))?;
            if far(done, fence) {
                return Ok(fence);
            }
            ensure!(running.is_running()?, "catch a deployer at work: it ended with {done} steps done");
            ensure!(
                Instant::now() < until,
                "see the run go on within {STEP_LIMIT:?}: {done} steps, fence {fence}"
            );
        }
    }
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

fn outcome(ended: &Ended) -> Result<Outcome> {
    let word = ended.field("end").and_then(|end| end.as_str().map(str::to_string));
    let end = match (ended.code, word.as_deref()) {
        (Some(0), Some("live")) => End::Live,
        (Some(20), Some("back")) => End::Back,
        (Some(20), Some("absent")) => End::Absent,
        (Some(12), Some("superseded")) => End::Superseded,
        (Some(10..=13), None | Some("refused")) => End::Refused,
        _ => bail!("understand the end of `{}`: {}", ended.what, said(ended)),
    };
    Ok(Outcome { end, reason: reason(ended, end), took: ended.took, resumed: ended.told("resumed") })
}

fn reason(ended: &Ended, end: End) -> String {
    if end == End::Live {
        return String::new();
    }
    let field = ended.field("reason").and_then(|reason| reason.as_str().map(str::to_string));
    let mut lines = ended.err.lines().chain(ended.out.lines());
    field.or_else(|| lines.find(|line| line.contains("refused[")).map(str::to_string)).unwrap_or_default()
}

fn said(ended: &Ended) -> String {
    format!("exit code {:?}\n{}{}", ended.code, ended.out, ended.err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: i32, out: &str, expected: Option<(End, &str)>) {
        let (what, err, took) = ("nica deploy".into(), String::new(), Duration::from_secs(1));
        let ended = Ended { what, code: Some(code), signal: None, out: out.into(), err, took };
        let found = outcome(&ended).ok().map(|outcome| (outcome.end, outcome.reason));
        assert_eq!(found, expected.map(|(end, reason)| (end, reason.to_string())), "{code} {out}");
    }

    #[test]
    fn exit_code_and_last_words_must_say_the_same() {
        let settled = |end: &str| format!(r#"{{"end":"{end}","reason":"crash loop","exit":0}}"#);
        let refused = "refused[migration/drops]: a column is dropped";
        check(0, &settled("live"), Some((End::Live, "")));
        check(20, &settled("back"), Some((End::Back, "crash loop")));
        check(20, &settled("absent"), Some((End::Absent, "crash loop")));
        check(10, refused, Some((End::Refused, refused)));
        check(0, &settled("back"), None);
        check(20, &settled("live"), None);
        check(70, "", None);
    }
}
