//! A deployer at work: its action split into started, sent, applied, answered and recorded, so that anything can
//! happen between any two of them.

use super::book::STATUSES;
use super::rules::Wrong;
use super::state::{
    ANCHOR, Ask, At, Broken, Deployer, Hold, LAST, Letter, Life, Session, State, Statement, Work,
};
use super::world::{Did, Exit, Out, SmallWorld, Who};
use nica_engine::plan::Status;

impl SmallWorld {
    pub(crate) fn deployer_steps(&self, here: &State, i: usize, out: &mut Out<'_>) {
        let d = &here.deployers[i];
        match d.life {
            Life::New => self.start_deployer(here, i, out),
            Life::Running => {
                self.kill(here, i, out);
                self.run(here, i, d, out);
            }
            Life::Dead | Life::Gone => {}
        }
    }

    fn run(&self, here: &State, i: usize, d: &Deployer, out: &mut Out<'_>) {
        match d.at {
            At::Admit => self.admit(here, i, out),
            At::EndSessions => self.end_sessions(here, i, out),
            At::AdmitTarget => self.admit_target(here, i, out),
            At::Decide => self.decide(here, i, out),
            At::Begin => self.begin(here, i, out),
            At::Build => self.build(here, i, out),
            At::Send => self.send(here, i, out),
            At::InFlight | At::Asked => give_up_waiting(here, i, out),
            At::Lost => self.lost(here, i, out),
        }
    }

    fn begin(&self, here: &State, i: usize, out: &mut Out<'_>) {
        let (mut s, d, calm) = (*here, here.deployers[i], i == LAST);
        if let Some(refused) = self.lock_not_available(here, d.work) {
            s.deployers[i] = Deployer { at: At::Decide, work: Work::Nothing, refused, fresh: false, ..d };
            return out.go(Did::LockTimeout { who: Who(i), work: d.work }, calm, s);
        }
        if here.records.fence != d.fence && !self.rules.is(Wrong::NoGuard) {
            s.leave(i, Exit::Fenced);
            return out.go(Did::Exits { who: Who(i), why: Exit::Fenced }, calm, s);
        }
        if !self.rules.is(Wrong::StatementsWithoutWhere) && !self.applicable(here, d.work) {
            s.deployers[i] = Deployer { at: At::Decide, work: Work::Nothing, fresh: false, ..d };
            return out.go(Did::DecidesAgain { who: Who(i), work: d.work }, calm, s);
        }
        s.deployers[i].at = At::InFlight;
        s.open_session(Hold::Transaction, d.work, d.fence, i);
        out.go(Did::SendsCommit { who: Who(i), work: d.work }, calm, s);
    }

    /// Of a table that a user writes: then the step was refused. Of our own rows: then somebody decides again.
    fn lock_not_available(&self, here: &State, work: Work) -> Option<u8> {
        let guarded = |x: &&Session| matches!(x.hold, Hold::Transaction | Hold::Hung);
        if here.sessions.iter().filter(guarded).any(|x| lock_class(x.work) == lock_class(work)) {
            return Some(0);
        }
        match work {
            Work::Up { step } | Work::Down { step, .. } | Work::Contract { step }
                if !matches!(here.users.statement, Statement::None | Statement::Old) =>
            {
                Some(step + 1)
            }
            _ => None,
        }
    }

    /// Does the statement's WHERE still find its row?
    fn applicable(&self, here: &State, work: Work) -> bool {
        let r = &here.records;
        match work {
            Work::Open { .. } => !r.open,
            Work::ByHand => !r.managed || self.rules.is(Wrong::MigrateSeedRaces),
            Work::Supersede { .. } => r.open && !self.committed(here),
            Work::TurnBack | Work::Commit { .. } => r.open && !r.back && !self.committed(here),
            _ => r.open,
        }
    }

    /// An index build runs only on the very session whose guard passed.
    fn build(&self, here: &State, i: usize, out: &mut Out<'_>) {
        let (mut s, d) = (*here, here.deployers[i]);
        if !d.connected && !self.rules.is(Wrong::ReconnectsWithoutGuard) {
            s.deployers[i].at = At::Lost;
            return out.go(Did::GivesUp { who: Who(i), work: d.work }, i == LAST, s);
        }
        s.deployers[i].at = At::InFlight;
        s.open_session(Hold::Statement, d.work, d.fence, i);
        out.go(Did::Sends { who: Who(i), work: d.work }, i == LAST, s);
    }

    fn send(&self, here: &State, i: usize, out: &mut Out<'_>) {
        let (mut s, d) = (*here, here.deployers[i]);
        let (ask, part, release, inert) = asked(d.work);
        let (expected, run) = match self.rules.is(Wrong::ExpectedGenerationIsHash) {
            true => (here.target.parts[usize::from(part)].asked, here.records.runs),
            false => (0, if ask == Ask::Anchor { here.records.anchor_of } else { 0 }),
        };
        let late_read = self.rules.is(Wrong::VersionAfterStarted) && self.is_there(here, part, ask);
        let (fence, fresh, waiting) = (d.fence, d.fresh || late_read, i as u8 + 1);
        let letter = Letter { fence, part, release, ask, inert, expected, run, fresh, waiting };
        s.post(letter);
        (s.deployers[i].at, s.deployers[i].fresh) = (At::Asked, false);
        out.go(Did::Sends { who: Who(i), work: d.work }, i == LAST, s);
    }

    /// An effect whose answer did not come ends its sender's own fence.
    fn lost(&self, here: &State, i: usize, out: &mut Out<'_>) {
        let (mut s, d, calm) = (*here, here.deployers[i], i == LAST);
        if self.rules.is(Wrong::FenceKeptAfterLostAnswer) {
            s.deployers[i] = Deployer { at: At::Decide, work: Work::Nothing, ..d };
            return out.go(Did::CarriesOn { who: Who(i) }, calm, s);
        }
        if s.records.holder != i as u8 + 1 {
            s.leave(i, Exit::LeaseLost);
            return out.go(Did::Exits { who: Who(i), why: Exit::LeaseLost }, calm, s);
        }
        let fence = self.take_number(&mut s);
        s.deployers[i] =
            Deployer { at: At::Admit, work: Work::Nothing, fence, connected: true, fresh: false, ..d };
        out.go(Did::TakesNextNumber { who: Who(i), fence }, calm, s);
    }
}

/// What a request asks of the target.
fn asked(work: Work) -> (Ask, u8, u8, bool) {
    match work {
        Work::Set { part, release, inert } => (Ask::Set, part, release, inert),
        Work::Create { part, release } => (Ask::Create, part, release, false),
        Work::Anchor => (Ask::Anchor, ANCHOR, 0, false),
        Work::AnchorAway => (Ask::Foreground, ANCHOR, 0, false),
        Work::Unanchor => (Ask::Orphan, ANCHOR, 0, false),
        _ => unreachable!("{work:?} is no request"),
    }
}

fn give_up_waiting(here: &State, i: usize, out: &mut Out<'_>) {
    if here.budget.lost_answers == 0 {
        return;
    }
    let mut s = *here;
    s.budget.lost_answers -= 1;
    s.no_answer(i);
    out.go(Did::GivesUp { who: Who(i), work: here.deployers[i].work }, i == LAST, s);
}

/// What a transaction locks besides the fence row: the run's row, tables, seed rows.
fn lock_class(work: Work) -> u8 {
    match work {
        Work::Up { .. } | Work::Down { .. } | Work::Unpark { .. } | Work::Contract { .. } | Work::ByHand => 1,
        Work::Seeds { .. } | Work::SeedsUndo { .. } => 2,
        _ => 3,
    }
}

impl State {
    /// What was sent stays in flight; its sender no longer waits for it.
    pub(crate) fn no_answer(&mut self, i: usize) {
        self.detach(i);
        self.deployers[i].at = At::Lost;
    }

    pub(crate) fn detach(&mut self, i: usize) {
        let me = i as u8 + 1;
        self.sessions.iter_mut().filter(|x| x.owner == me).for_each(|x| x.attached = false);
        self.letters.iter_mut().filter(|l| l.waiting == me).for_each(|l| l.waiting = 0);
    }

    pub(crate) fn leave(&mut self, i: usize, why: Exit) {
        self.detach(i);
        if self.records.holder == i as u8 + 1 {
            self.records.holder = 0;
        }
        let again = i == LAST && !matches!(why, Exit::Done | Exit::BelowFloor);
        let life = if again { Life::New } else { Life::Gone };
        self.deployers[i] = Deployer { life, ..Deployer::default() };
    }

    fn open_session(&mut self, hold: Hold, work: Work, fence: u8, i: usize) {
        let slot = self.sessions.iter_mut().find(|x| x.hold == Hold::Free).expect("few sessions at once");
        *slot = Session { hold, work, fence, owner: i as u8 + 1, attached: true };
    }

    pub(crate) fn post(&mut self, letter: Letter) {
        let slot = self.letters.iter_mut().find(|l| l.fence == 0).expect("few letters at once");
        *slot = letter;
    }

    pub(crate) fn end_session(&mut self, j: usize) {
        let owner = usize::from(self.sessions[j].owner) - 1;
        self.sessions[j] = Session::default();
        let d = &mut self.deployers[owner];
        if d.life == Life::Running {
            d.connected = false;
            if d.at == At::InFlight {
                d.at = At::Lost;
            }
        }
    }

    pub(crate) fn note(&mut self, step: u8, status: u8) {
        let was: Status = STATUSES[usize::from(self.status(step))];
        if !was.may_become(STATUSES[usize::from(status)]) {
            self.break_with(Broken::IllegalStatus);
        }
        self.set_status(step, status);
    }
}
