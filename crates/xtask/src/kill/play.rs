//! Plays one case in a fresh world and judges how it ended.
//!
//! Fault, then one plain run that is left alone, then everything that was stopped goes on and everything that was
//! held arrives: after each of the last two, the reading, the ledger and the exit code must say the same thing.

mod fault;
mod late;
mod ledger;
mod users;
mod verdict;

pub(crate) use verdict::{Ended, Outcome, Verdict};

use super::case::{Case, Fault, How, Story, Then};
use super::deployer::Deployer;
use super::gate::Trap;
use super::lines::Lines;
use super::oracle::{self, Attic, Golden, State};
use super::proc::Limit;
use super::project::Release;
use super::slot::{Base, Slot};
use super::timeline::Timeline;
use super::world::World;
use super::writer::Writer;
use anyhow::{Context as _, Result, bail};
use fault::Struck;
use std::path::{Path, PathBuf};
use std::time::Duration;
use users::{Judged, Users};

const RUNS_MAX: usize = 3;
/// In which a supervisor would begin what a late word asked of it.
const LATE_EFFECT: Duration = Duration::from_millis(1200);
/// A row that both releases have, so that nothing of a run would touch it.
const MEDDLE: &str = "UPDATE limits SET value = value + 1 WHERE metric = 'protein'";
/// The component that users ask.
const SERVICE: &str = "api";
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(crate) struct Played {
    pub verdict: Verdict,
    pub timeline: Timeline,
}

pub(crate) fn play(slot: &Slot, case: &Case, golden: &Golden) -> Result<Played> {
    let world = World::of(slot, case.story.base())?;
    let timeline = world.timeline.clone();
    let mut stage = Stage::begin(&world, case, golden)?;
    let verdict = match stage.play() {
        Ok(()) => stage.verdict(),
        Err(error) => Verdict::broken(format!("{error:#}")),
    };
    stage.tell();
    Ok(Played { verdict, timeline })
}

impl Story {
    fn base(self) -> Base {
        if self == Story::Again { Base::Undone } else { Base::Fresh }
    }
}

struct Stage<'a> {
    world: &'a World<'a>,
    case: &'a Case,
    golden: &'a Golden,
    lines: Lines,
    writer: Option<Writer>,
    users: Users,
    actors: Vec<Deployer>,
    struck: Vec<Struck>,
    unreached: bool,
    /// Runs that ended with 40.
    unreachable: u32,
    wrong: Vec<String>,
    /// Users did, for too long.
    waited: Option<String>,
    ended: Option<Ended>,
    /// As the world was when a stranger had changed it.
    meddled: Option<State>,
}

impl<'a> Stage<'a> {
    fn begin(world: &'a World<'a>, case: &'a Case, golden: &'a Golden) -> Result<Stage<'a>> {
        let lines = Lines::interpose(&world.slot.state())?;
        let writer = Some(Writer::start(world.cluster.socket_folder()));
        let users = Users::of(case, &world.slot.listens[SERVICE]);
        Ok(Stage {
            world,
            case,
            golden,
            lines,
            writer,
            users,
            actors: Vec::new(),
            struck: Vec::new(),
            unreached: false,
            unreachable: 0,
            wrong: Vec::new(),
            waited: None,
            ended: None,
            meddled: None,
        })
    }

    fn play(&mut self) -> Result<()> {
        self.run_into(&self.case.fault)?;
        if let Some(second) = &self.case.second {
            self.run_into(second)?;
        }
        let ended = self.settle()?;
        self.ended = Some(ended.clone());
        self.judge(&ended, "after the run that was left alone");
        self.let_go()?;
        self.judge_for_a_while(&ended);
        match self.users.judge(&self.world.timeline) {
            Judged::Served => {}
            Judged::Unmeasured => self.unreached = true,
            Judged::Waited(why) => self.waited = Some(why),
        }
        self.judge_rows()
    }

    fn release(&self) -> Release {
        match self.case.story {
            Story::Forward | Story::Again => Release::Good,
            Story::Back => Release::Bad,
        }
    }

    /// Starts a deployer and strikes where the case says.
    fn run_into(&mut self, fault: &Fault) -> Result<()> {
        let nica = self.build(self.case.then == Then::Ours)?;
        let mut deployer = self.start(&nica, Some(fault.trap()))?;
        let fell = self.fall(&mut deployer, fault);
        // Also one that hangs: its story is what is asked for then.
        self.actors.push(deployer);
        fell
    }

    fn fall(&mut self, deployer: &mut Deployer, fault: &Fault) -> Result<()> {
        let struck = fault::strike(self.world, deployer, fault)?;
        self.unreached |= !struck.reached;
        if deployer.stopped {
            self.users.meet_a_sleeper();
        }
        if fault.how == How::KillMeddle {
            self.world.cluster.psql(MEDDLE)?;
            self.meddled = Some(self.world.read()?);
        }
        let goes_on = struck.reached && !struck.deployer_is_down;
        self.struck.push(struck);
        if goes_on {
            let code = deployer.await_end(self.world)?;
            self.world.cluster.await_ready()?;
            let ledger = ledger::last(&self.world.cluster)?;
            self.wrong.extend(verdict::may_say(&deployer.name, code, &ledger));
            if fault.how == How::Delay && !ledger.open {
                self.arrive_late(deployer)?;
            }
        }
        Ok(())
    }

    fn start(&self, nica: &Path, trap: Option<Trap>) -> Result<Deployer> {
        let name = format!("deploy-{}", self.actors.len() + 1);
        Deployer::deploy(self.world, &self.lines, (&name, nica), self.release(), trap)
    }

    /// The plain run that must settle. One that says it could not reach somebody is no such run: where a server process
    /// is stopped it must say so, and on a crowded machine the server ends a transaction that was silent too long.
    fn settle(&mut self) -> Result<Ended> {
        for _ in 0..RUNS_MAX {
            self.world.cluster.await_ready()?;
            let found_open = ledger::last(&self.world.cluster)?.open;
            let code = self.plain_run()?;
            self.world.cluster.await_ready()?;
            if code == EXIT_UNREACHABLE {
                self.unreachable += 1;
                self.continue_backends()?;
                continue;
            }
            return Ok(Ended { code, found_open, ledger: ledger::last(&self.world.cluster)? });
        }
        bail!("settle within {RUNS_MAX} runs: each said that it could not reach somebody")
    }

    fn plain_run(&mut self) -> Result<i32> {
        let nica = self.build(self.case.then == Then::Other)?;
        let name = format!("deploy-{}", self.actors.len() + 1);
        let mut deployer = match self.case.then {
            Then::Next => Deployer::deploy(self.world, &self.lines, (&name, &nica), Release::Good, None)?,
            Then::Resume => {
                let name = format!("resume-{}", self.actors.len() + 1);
                Deployer::resume(self.world, &self.lines, (&name, &nica), self.release())?
            }
            _ => self.start(&nica, None)?,
        };
        let code = deployer.await_end(self.world)?;
        self.actors.push(deployer);
        code.context("read an exit code: the run was ended by a signal")
    }

    /// The program that is judged, or the other build of it.
    fn build(&self, other: bool) -> Result<PathBuf> {
        let Slot { nica, other: second, .. } = self.world.slot;
        if !other {
            return Ok(nica.clone());
        }
        second.clone().context("find the other build: mutants have none")
    }

    fn continue_backends(&mut self) -> Result<()> {
        self.struck.iter_mut().try_for_each(|struck| struck.continue_backend(&self.world.timeline))
    }

    /// A late word at the supervisor would show in replicas a moment after its answer: so they, and they alone, are
    /// looked at for a while.
    fn judge_for_a_while(&mut self, ended: &Ended) {
        let when = "after all that was stopped went on and all that was held arrived";
        self.judge(ended, when);
        if !self.struck.iter().any(|struck| struck.at_supervisor) {
            return;
        }
        let limit = Limit::new(LATE_EFFECT);
        let before = self.world.read_workloads().ok();
        while self.wrong.is_empty() && !limit.passed() {
            std::thread::sleep(LOOK_AGAIN);
            if self.world.read_workloads().ok() != before {
                return self.judge(ended, when);
            }
        }
    }

    fn judge(&mut self, ended: &Ended, when: &str) {
        let mut wrong = match self.world.read() {
            Ok(state) => match &self.meddled {
                Some(meddled) => verdict::judge_meddled(meddled, &state, ended),
                None => verdict::judge(self.case, self.golden, &state, ended),
            },
            Err(error) => vec![format!("{error:#}")],
        };
        match ledger::last(&self.world.cluster) {
            Ok(now) if now != ended.ledger => {
                wrong.push(format!("the ledger changed: {} is now {now}", ended.ledger))
            }
            Ok(_) => {}
            Err(error) => wrong.push(format!("{error:#}")),
        }
        self.wrong.extend(wrong.into_iter().map(|why| format!("{when}: {why}")));
    }

    fn judge_rows(&mut self) -> Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let (mut written, waits) = writer.end();
        let journal = verdict::Journal::read(&self.world.slot.journal());
        let (people, replicas) = (written.len(), journal.rows.len());
        let longest = waits.first().copied().unwrap_or_default().as_millis();
        self.world
            .timeline
            .say(format!("{people} rows of people, {replicas} of replicas; longest wait {longest} ms"));
        written.extend(journal.rows);
        self.wrong.extend(journal.broken);
        // Where the new release is live, what was parked is back; the attic does not count.
        let live = self.ended.as_ref().is_some_and(|ended| ended.ledger.ending == "live");
        let attic = if live { Attic::none() } else { Attic::read(&self.world.cluster)? };
        self.wrong.extend(oracle::lost(&self.world.cluster, &attic, &written)?);
        Ok(())
    }

    fn verdict(&mut self) -> Verdict {
        let wrong = (std::mem::take(&mut self.wrong), self.waited.take());
        Verdict::of(wrong, self.unreached, self.unreachable, self.ended.as_ref())
    }

    /// Traffic and output of every actor, for whoever reads a failure.
    fn tell(&self) {
        self.actors.iter().for_each(|deployer| deployer.tell(self.world));
    }
}

const EXIT_UNREACHABLE: i32 = 40;
