//! What was held arrives, what was stopped goes on: after each, the world must be as it was settled.

use super::{Stage, ledger, verdict};
use crate::kill::deployer::Deployer;
use crate::kill::gate::Release as Let;
use crate::kill::world::PATIENCE;
use crate::kill::{lines, oracle, proc, psql};
use anyhow::Result;

impl Stage<'_> {
    /// Everything that was stopped goes on, everything that was held arrives; each deployer comes to its end.
    pub(super) fn let_go(&mut self) -> Result<()> {
        for struck in &mut self.struck {
            struck.continue_all(&self.world.timeline)?;
            if struck.restarts {
                self.world.restart_supervisor()?;
            }
            if let Some(question) = struck.repeat.take() {
                self.world.timeline.say(format!("again to the supervisor: {question}"));
                let answer = lines::tell(&self.world.slot.state(), &question)?;
                self.world.timeline.say(format!("it answered: {answer}"));
            }
        }
        for at in 0..self.actors.len() {
            let deployer = &mut self.actors[at];
            if deployer.stopped {
                self.world.timeline.say(format!("{} goes on", deployer.name));
                proc::signal(deployer.process.pid(), proc::Signal::CONT)?;
            }
            deployer.gate.release(Let::Forward);
        }
        let mut actors = std::mem::take(&mut self.actors);
        for deployer in actors.iter_mut().filter(|deployer| deployer.stopped) {
            let code = deployer.await_end(self.world)?;
            self.world.cluster.await_ready()?;
            self.wrong.extend(verdict::may_say(&deployer.name, code, &ledger::last(&self.world.cluster)?));
        }
        self.actors = actors;
        self.world.cluster.await_ready()?;
        psql::await_no_session_like(&self.world.cluster, "nica/%", PATIENCE)?;
        let quiet = || self.actors.iter().all(|deployer| deployer.gate.is_quiet()).then_some(());
        proc::wait_for("wait until all that was held came to its end", PATIENCE, quiet)
    }

    /// Who lived through a delay has settled the run itself. What was delayed comes now, before anybody else is admitted.
    pub(super) fn arrive_late(&mut self, deployer: &Deployer) -> Result<()> {
        let before = self.world.read()?;
        self.world.timeline.say("what was delayed arrives");
        deployer.gate.release(Let::Forward);
        proc::wait_for("wait until what was delayed came to its end", PATIENCE, || {
            deployer.gate.is_quiet().then_some(())
        })?;
        let changed = oracle::changed(&before, &self.world.read()?);
        if !changed.is_empty() {
            self.wrong.push(format!("what was delayed changed a settled world\n{changed}"));
        }
        Ok(())
    }
}
