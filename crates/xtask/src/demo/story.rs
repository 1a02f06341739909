//! The story itself: which release goes where, what happens to it, and what is measured meanwhile.
//!
//! Nothing here makes an end. Ends and reasons are what `nica` reports, checked against what an outsider sees; a story
//! that goes otherwise than promised is an error with everything that was said.

use super::delivery::{Delivery, Outcome};
use super::judge::{self, State};
use super::people::People;
use super::report::{End, Ledger, Release, Report, Requests, Rows};
use super::table::{self, Seen};
use super::tally::Tally;
use super::workspace::{EDITIONS, ENVIRONMENTS, Edition};
use super::writer::Memory;
use anyhow::{Context as _, Result, ensure};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) struct Story<'a> {
    delivery: Delivery<'a>,
    /// Shows a line of the growing table.
    show: &'a dyn Fn(&str),
    releases: Vec<Release>,
    people: Option<People>,
}

impl<'a> Story<'a> {
    pub(crate) fn new(delivery: Delivery<'a>, show: &'a dyn Fn(&str)) -> Story<'a> {
        Story { delivery, show, releases: Vec::new(), people: None }
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

    fn deliver(&mut self, edition: &Edition, env: &str, promised: End) -> Result<()> {
        let outcome = self.delivery.deploy(edition, env)?;
        self.note(edition, env, promised, outcome)
    }

    fn survive(&mut self, edition: &Edition) -> Result<()> {
        let components = self.components()?;
        let look = || State::read(self.delivery.postgres, "nica_prod", &components);
        let outcome = self.delivery.deploy_through_deaths(edition, "prod", look)?;
        self.note(edition, "prod", End::Live, outcome)
    }

    /// Writes the row, checks what is served, and lets people in after the first release of prod.
    fn note(&mut self, edition: &Edition, env: &str, promised: End, outcome: Outcome) -> Result<()> {
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
        let (end, word) = (release.end.word(), promised.word());
        ensure!(
            release.end == promised,
            "see {} {word} in {env}: it is {end}, {}",
            release.release,
            release.reason
        );
        self.check_served(env)?;
        if env == "prod" && self.people.is_none() {
            self.people = Some(People::let_in(&self.components()?)?);
        }
        Ok(())
    }

    /// What people saw since the last row.
    fn seen(&mut self) -> Seen {
        let Some(people) = &mut self.people else { return Seen::default() };
        let tally = people.look();
        let failed = tally.failed(&Report::undone(&self.releases));
        Seen { failed, longest_wait: Some(tally.longest_wait), samples: tally.samples }
    }

    /// The last live release of an environment is what answers there.
    fn check_served(&self, env: &str) -> Result<()> {
        let live = self.releases.iter().rfind(|release| release.env == env && release.end == End::Live);
        let Some(live) = live else { return Ok(()) };
        let number = ENVIRONMENTS.iter().position(|name| *name == env).context("one of the three")?;
        for component in 0..2 {
            let served = judge::version(self.delivery.place.listen(number, component).parse()?)?;
            ensure!(served == live.release, "see {} served in {env}: {served} is", live.release);
        }
        Ok(())
    }

    /// Where prod's two components listen.
    fn components(&self) -> Result<Vec<SocketAddr>> {
        (0..2).map(|component| Ok(self.delivery.place.listen(2, component).parse()?)).collect()
    }

    fn judge(mut self) -> Result<Report> {
        let (tally, memory) = self.people.take().context("let people in")?.leave();
        let lost = self.lost(&memory)?;
        let ledger = self.ledger()?;
        let requests = Requests::of(&tally, &Report::undone(&self.releases));
        let rows = Rows { written: memory.written(), lost: lost.len() as u64 };
        (self.show)(&summary(&requests, &tally, &rows, &ledger));
        lost.iter().take(10).for_each(|value| (self.show)(&format!("  {value}")));
        Ok(Report { releases: self.releases, requests, rows, ledger, cleaned_up: false })
    }

    fn lost(&self, memory: &Memory) -> Result<Vec<String>> {
        // A story in which nobody wrote into the parked column proves nothing about parking.
        ensure!(memory.promised("mood") > 0, "see somebody write a mood while the fourth release served");
        Ok(memory.lost(&judge::notes(self.delivery.postgres, "nica_prod")?))
    }

    fn ledger(&self) -> Result<Ledger> {
        let mut ledger = Ledger { entries: 0, verified: true };
        for env in ENVIRONMENTS {
            ledger.entries += judge::ledger_entries(self.delivery.postgres, &format!("nica_{env}"))?;
            ledger.verified &= self.delivery.ledger_is_whole(&EDITIONS[5], env)?;
        }
        Ok(ledger)
    }
}

fn summary(requests: &Requests, tally: &Tally, rows: &Rows, ledger: &Ledger) -> String {
    let Requests { sent, failed, errors_of_undone } = requests;
    let wait = Duration::as_millis(&tally.longest_wait);
    let verified = if ledger.verified { "verified" } else { "BROKEN" };
    format!(
        "\nrequests  {sent} sent, {failed} failed, {errors_of_undone} errors of releases that were taken back, \
         longest wait {wait} ms\nrows      {} written, {} lost\nledger    {} entries, {verified}",
        rows.written, rows.lost, ledger.entries
    )
}
