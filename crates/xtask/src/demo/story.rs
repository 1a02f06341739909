//! The story itself: which release goes where, what happens to it, and what is measured meanwhile.
//!
//! Nothing here knows how it will end. Ends and reasons are what `nica` reports, checked against what an outsider
//! sees; a story that goes otherwise than expected is an error with everything that was said.

use super::http::PATIENCE;
use super::judge::{self, State};
use super::nica::{Ended, Nica, Running};
use super::place::Place;
use super::postgres::Postgres;
use super::report::{End, Ledger, Release, Report, Requests, Rows};
use super::table::{self, Seen};
use super::tally::Tally;
use super::traffic::Traffic;
use super::workspace::{APPROVERS, EDITIONS, ENVIRONMENTS, Edition, Keys};
use super::writer::{Memory, Writer};
use crate::ci;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// A deploy that takes longer hangs.
const DEPLOY_LIMIT: Duration = Duration::from_secs(120);
const STEP_LIMIT: Duration = Duration::from_secs(30);
/// Requests in a second, all readers together.
const READS_PER_SECOND: u32 = 100;
const PATHS: [&str; 4] =
    ["/api/v1/foods?q=arroz", "/api/v1/notes/n1", "/api/v1/foods?q=feij%C3%A3o", "/api/v1/notes/n2"];

pub(crate) struct Story<'a> {
    pub(crate) place: &'a Place,
    pub(crate) postgres: &'a Postgres,
    pub(crate) keys: &'a Keys,
    pub(crate) nica: &'a Nica,
    /// Shows a line of the growing table.
    pub(crate) show: &'a dyn Fn(&str),
    releases: Vec<Release>,
    people: Option<(Traffic, Writer)>,
    tally: Tally,
}

/// How a deploy came to its end.
struct Outcome {
    end: End,
    reason: String,
    took: Duration,
    resumed: bool,
}

impl<'a> Story<'a> {
    pub(crate) fn new(
        place: &'a Place,
        postgres: &'a Postgres,
        keys: &'a Keys,
        nica: &'a Nica,
        show: &'a dyn Fn(&str),
    ) -> Story<'a> {
        Story {
            place,
            postgres,
            keys,
            nica,
            show,
            releases: Vec::new(),
            people: None,
            tally: Tally::default(),
        }
    }

    /// All of it; the report lacks only whether the place was cleared.
    pub(crate) fn tell(mut self) -> Result<Report> {
        (self.show)(&table::head());
        let [one, two, three, four, five, six] = &EDITIONS;
        self.promote(one, End::Live)?;
        self.promote(two, End::Live)?;
        self.promote(three, End::Back)?;
        self.promote(four, End::Back)?;
        self.deliver(five, "dev", End::Refused)?;
        self.deliver(six, "dev", End::Live)?;
        self.deliver(six, "stage", End::Live)?;
        self.survive(six)?;
        self.judge()
    }

    fn promote(&mut self, edition: &Edition, in_prod: End) -> Result<()> {
        self.deliver(edition, "dev", End::Live)?;
        self.deliver(edition, "stage", End::Live)?;
        self.deliver(edition, "prod", in_prod)
    }

    fn deliver(&mut self, edition: &Edition, env: &str, expected: End) -> Result<()> {
        let args = self.prepare(edition, env)?;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ended = self.nica.run(&args, DEPLOY_LIMIT)?;
        let outcome = outcome(&ended)?;
        ensure!(
            outcome.end == expected,
            "see {} {} in {env}: {}",
            edition.version,
            expected.word(),
            said(&ended)
        );
        self.note(edition, env, outcome)
    }

    /// Arguments of the deploy; where people must approve, the plan is made and signed first.
    fn prepare(&self, edition: &Edition, env: &str) -> Result<Vec<String>> {
        let config = edition.folder(self.place).join("nica.toml").display().to_string();
        let release = edition.file(self.place).display().to_string();
        let mut deploy = vec!["--json", "--config", &config, "deploy", "--env", env];
        let plan = edition.folder(self.place).join(format!("{env}.plan")).display().to_string();
        if env == "prod" {
            let args =
                ["--json", "--config", &config, "plan", "--env", env, "--release", &release, "--out", &plan];
            // 4: the plan has changes, whatever its gates say.
            self.nica.run(&args, STEP_LIMIT)?.expect(4)?;
            for name in APPROVERS {
                let key = self.keys.private(name).display().to_string();
                self.nica
                    .run(&["--json", "--config", &config, "approve", &plan, "--key", &key], STEP_LIMIT)?
                    .expect(0)?;
            }
            deploy.extend(["--plan", &plan]);
        } else {
            deploy.extend(["--release", &release]);
        }
        Ok(deploy.into_iter().map(str::to_string).collect())
    }

    /// The first deployer is stopped, the second takes over and is killed, the third finishes; the first wakes up.
    fn survive(&mut self, edition: &Edition) -> Result<()> {
        let args = self.prepare(edition, "prod")?;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let began = Instant::now();
        let mut first = self.nica.start(&args)?;
        let (_, fence) = self.wait_for(&mut first, |done, _| done >= 2)?;
        first.signal(Signal::STOP)?;

        let config = edition.folder(self.place).join("nica.toml").display().to_string();
        let resume = ["--json", "--config", config.as_str(), "resume", "--env", "prod"];
        let mut second = self.nica.start(&resume)?;
        self.wait_for(&mut second, |done, admitted| admitted > fence && done >= 3)?;
        second.signal(Signal::KILL)?;
        second.wait(STEP_LIMIT)?;

        let ended = self.nica.run(&resume, DEPLOY_LIMIT)?;
        let outcome = Outcome { took: began.elapsed(), resumed: true, ..outcome(&ended)? };
        ensure!(outcome.end == End::Live, "see {} live in prod: {}", edition.version, said(&ended));

        let before = State::read(self.postgres, "nica_prod", &self.components()?)?;
        first.signal(Signal::CONT)?;
        let woken = first.wait(STEP_LIMIT)?;
        let after = State::read(self.postgres, "nica_prod", &self.components()?)?;
        ensure!(
            before == after,
            "see a woken deployer change nothing: {before:?} became {after:?}\n{}",
            said(&woken)
        );
        self.note(edition, "prod", outcome)
    }

    /// Polls the records until `far` (steps done, fence admitted) holds while `running` is still at it.
    fn wait_for(&self, running: &mut Running, far: impl Fn(u64, u64) -> bool) -> Result<(u64, u64)> {
        let until = Instant::now() + STEP_LIMIT;
        loop {
            let (done, fence) = judge::progress(self.postgres, "nica_prod")?;
            if far(done, fence) {
                return Ok((done, fence));
            }
            ensure!(running.is_running()?, "catch a deployer at work: it ended with {done} steps done");
            ensure!(
                Instant::now() < until,
                "see the run go on within {STEP_LIMIT:?}: {done} steps done, fence {fence}"
            );
        }
    }

    /// Writes the row, checks what is served, and lets people in after the first release of prod.
    fn note(&mut self, edition: &Edition, env: &str, outcome: Outcome) -> Result<()> {
        let release = Release {
            release: edition.version.to_string(),
            env: env.to_string(),
            end: outcome.end,
            resumed: outcome.resumed,
            reason: outcome.reason,
            seconds_to_end: (outcome.took.as_secs_f64() * 1000.0).round() / 1000.0,
        };
        self.releases.push(release.clone());
        let seen = if env == "prod" { self.seen() } else { Seen::default() };
        (self.show)(&table::row(&release, &seen));
        seen.samples.iter().for_each(|sample| (self.show)(&format!("  {sample}")));
        self.check_served(env)?;
        if env == "prod" && self.people.is_none() {
            self.people = Some(self.let_people_in()?);
        }
        Ok(())
    }

    /// Readers ask for notes, so somebody writes some first.
    fn let_people_in(&self) -> Result<(Traffic, Writer)> {
        let addresses = self.components()?;
        let writer = Writer::start(addresses[0]);
        let until = Instant::now() + STEP_LIMIT;
        while writer.written() < 5 {
            ensure!(Instant::now() < until, "see a note written within {STEP_LIMIT:?}: {:?}", writer.take());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok((Traffic::start(&addresses, READS_PER_SECOND, &PATHS), writer))
    }

    /// What people saw since the last row.
    fn seen(&mut self) -> Seen {
        let Some((traffic, writer)) = &self.people else { return Seen::default() };
        let mut tally = traffic.take();
        tally.add(&writer.take());
        self.tally.add(&tally);
        let failed = tally.failed(&Report::undone(&self.releases));
        Seen { failed, longest_wait: Some(tally.longest_wait), samples: tally.samples }
    }

    /// The last live release of an environment is what answers there.
    fn check_served(&self, env: &str) -> Result<()> {
        let live = self.releases.iter().rfind(|release| release.env == env && release.end == End::Live);
        let Some(live) = live else { return Ok(()) };
        let number = ENVIRONMENTS.iter().position(|name| *name == env).context("one of the three")?;
        for component in 0..2 {
            let served = judge::version(self.place.listen(number, component).parse()?)?;
            ensure!(served == live.release, "see {} served in {env}: {served} is", live.release);
        }
        Ok(())
    }

    /// Where prod's two components listen.
    fn components(&self) -> Result<Vec<SocketAddr>> {
        (0..2).map(|component| Ok(self.place.listen(2, component).parse()?)).collect()
    }

    fn judge(mut self) -> Result<Report> {
        let (traffic, writer) = self.people.take().context("let people in")?;
        self.tally.add(&traffic.stop());
        let (written, memory) = writer.stop();
        self.tally.add(&written);
        let lost = self.lost(&memory)?;
        let ledger = self.ledger()?;
        let undone = Report::undone(&self.releases);
        let requests = Requests::of(&self.tally, &undone);
        (self.show)(&format!(
            "\nrequests  {} sent, {} failed, {} errors of releases that were taken back, longest wait {} ms\n\
             rows      {} written, {} lost\nledger    {} entries, {}",
            requests.sent,
            requests.failed,
            requests.errors_of_undone,
            self.tally.longest_wait.as_millis(),
            memory.written(),
            lost.len(),
            ledger.entries,
            if ledger.verified { "verified" } else { "BROKEN" },
        ));
        lost.iter().take(10).for_each(|value| (self.show)(&format!("  {value}")));
        let rows = Rows { written: memory.written(), lost: lost.len() as u64 };
        Ok(Report { releases: self.releases, requests, rows, ledger, cleaned_up: false })
    }

    fn lost(&self, memory: &Memory) -> Result<Vec<String>> {
        // A story in which nobody wrote into the parked column proves nothing about parking.
        ensure!(memory.promised("mood") > 0, "see somebody write a mood while the fourth release served");
        Ok(memory.lost(&judge::notes(self.postgres, "nica_prod")?))
    }

    fn ledger(&self) -> Result<Ledger> {
        let config = EDITIONS[5].folder(self.place).join("nica.toml").display().to_string();
        let mut ledger = Ledger { entries: 0, verified: true };
        for env in ENVIRONMENTS {
            ledger.entries += judge::ledger_entries(self.postgres, &format!("nica_{env}"))?;
            let ended = self
                .nica
                .run(&["--json", "--config", &config, "ledger", "verify", "--env", env], PATIENCE * 2)?;
            ledger.verified &= ended.code == Some(0);
        }
        Ok(ledger)
    }
}

/// What `nica` says about the end, by exit code and by its last words: they must mean the same.
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
    let line = || {
        ended.err.lines().chain(ended.out.lines()).find(|line| line.contains("refused[")).map(str::to_string)
    };
    field.or_else(line).unwrap_or_default()
}

fn said(ended: &Ended) -> String {
    format!("exit code {:?}\n{}{}", ended.code, ended.out, ended.err)
}

/// The release file of an edition, with the evidence that its checks passed.
pub(crate) fn make_release(
    nica: &Nica,
    place: &Place,
    edition: &Edition,
    keys: &Keys,
    results: &Path,
) -> Result<()> {
    let config = edition.folder(place).join("nica.toml").display().to_string();
    let file = edition.file(place).display().to_string();
    let commit = ci::commit()?;
    let create = [
        "--config",
        &config,
        "release",
        "create",
        "--version",
        edition.version,
        "--commit",
        &commit,
        "--out",
        &file,
    ];
    nica.run(&create, STEP_LIMIT)?.expect(0)?;
    let (key, results) = (keys.private("ci").display().to_string(), results.display().to_string());
    let evidence =
        ["--config", &config, "release", "evidence", &file, "--kind", "ci", &results, "--key", &key];
    nica.run(&evidence, STEP_LIMIT)?.expect(0).map(drop).map_err(|error| anyhow!("sign evidence: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32, out: &str) -> Ended {
        Ended {
            what: "nica deploy".into(),
            code: Some(code),
            signal: None,
            out: out.into(),
            err: String::new(),
            took: Duration::from_secs(1),
        }
    }

    fn check(code: i32, out: &str, expected: Option<(End, &str)>) {
        let found = outcome(&ended(code, out)).ok().map(|outcome| (outcome.end, outcome.reason));
        assert_eq!(found, expected.map(|(end, reason)| (end, reason.to_string())), "{code} {out}");
    }

    #[test]
    fn exit_code_and_last_words_must_say_the_same() {
        let settled = |ending: &str| format!(r#"{{"end":"{ending}","reason":"crash loop","exit":0}}"#);
        check(0, &settled("live"), Some((End::Live, "")));
        check(20, &settled("back"), Some((End::Back, "crash loop")));
        check(20, &settled("absent"), Some((End::Absent, "crash loop")));
        check(
            10,
            "refused[migration/drops]: a column is dropped",
            Some((End::Refused, "refused[migration/drops]: a column is dropped")),
        );
        check(0, &settled("back"), None);
        check(20, &settled("live"), None);
        check(70, "", None);
    }
}
