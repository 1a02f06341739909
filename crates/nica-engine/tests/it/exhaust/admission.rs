//! Who may act: the lease, admission at Postgres and at the target; and how a deployer dies.

use super::deciding::Choice;
use super::rules::{Command, Wrong};
use super::state::{At, Deployer, Hold, LAST, Life, Session, State, Work};
use super::world::{Did, Exit, Out, SmallWorld, Who};

impl SmallWorld {
    /// Whoever starts takes the lease: its holder looks dead, or is.
    pub(crate) fn start_deployer(&self, here: &State, i: usize, out: &mut Out<'_>) {
        let command = self.rules.commands[i];
        let by_hand = command == Command::MigrateSeed;
        let others_wait = i != LAST && here.deployers[LAST].life != Life::New;
        if command == Command::Absent || others_wait || (by_hand && here.records.managed) {
            return;
        }
        let mut s = *here;
        let fence = if by_hand && self.rules.is(Wrong::MigrateSeedRaces) {
            s.records.fence + 1
        } else {
            s.records.holder = i as u8 + 1;
            self.take_number(&mut s)
        };
        s.deployers[i] = Deployer { life: Life::Running, fence, connected: true, ..Deployer::default() };
        if !self.rules.is(Wrong::ObservesBeforeAdmission) {
            return out.go(Did::Starts { who: Who(i), fence }, i == LAST, s);
        }
        for choice in self.choices(&s, i) {
            let mut s = s;
            if let Choice::Do(work) = choice {
                s.deployers[i].work = work;
            }
            out.go(Did::ObservesFirst { who: Who(i), work: s.deployers[i].work }, i == LAST, s);
        }
    }

    pub(crate) fn take_number(&self, s: &mut State) -> u8 {
        if self.rules.is(Wrong::LeaseWithoutNumber) {
            return s.records.fence + 1;
        }
        s.records.lease += 1;
        s.records.lease
    }

    pub(crate) fn kill(&self, here: &State, i: usize, out: &mut Out<'_>) {
        if i == LAST || here.budget.kills == 0 {
            return;
        }
        let (mut s, d) = (*here, here.deployers[i]);
        s.budget.kills -= 1;
        s.deployers[i] = Deployer { life: Life::Dead, ..Deployer::default() };
        s.detach(i);
        out.go(Did::Killed { who: Who(i), at: d.at, work: d.work }, false, s);
        let mine = |x: &Session| x.hold == Hold::Transaction && x.owner == i as u8 + 1;
        if self.rules.hosts_die && s.sessions.iter().any(mine) {
            s.sessions.iter_mut().filter(|x| mine(x)).for_each(|x| x.hold = Hold::Hung);
            out.go(Did::HostDies { who: Who(i), work: d.work }, false, s);
        }
    }

    pub(crate) fn admit(&self, here: &State, i: usize, out: &mut Out<'_>) {
        let (fence, calm) = (self.admission_fence(here, i), i == LAST);
        if !self.admission_blocked(here, fence) {
            let mut s = *here;
            s.deployers[i].fence = fence;
            let by_hand = self.rules.commands[i] == Command::MigrateSeed;
            let managed = by_hand && here.records.managed && !self.rules.is(Wrong::MigrateSeedRaces);
            let late = fence <= here.records.fence && !self.rules.is(Wrong::AdmitsUnconditionally);
            if managed || late {
                s.leave(i, Exit::NotAdmitted);
                out.go(Did::Exits { who: Who(i), why: Exit::NotAdmitted }, calm, s);
            } else {
                self.raise(&mut s, i);
                out.go(Did::Admits { who: Who(i), fence }, calm, s);
            }
        }
        if !self.rules.is(Wrong::TransactionsNeverEnded) {
            self.end_lower(here, i, fence, out);
        }
    }

    fn admission_fence(&self, here: &State, i: usize) -> u8 {
        let fence = here.deployers[i].fence;
        let races = self.rules.commands[i] == Command::MigrateSeed && self.rules.is(Wrong::MigrateSeedRaces);
        if races { fence.max(here.records.fence + 1) } else { fence }
    }

    /// `LOCK TABLE nica.fence IN EXCLUSIVE MODE` waits for every guarded transaction.
    fn admission_blocked(&self, here: &State, fence: u8) -> bool {
        let guarded = |x: &Session| matches!(x.hold, Hold::Transaction | Hold::Hung);
        let building = |x: &Session| x.hold == Hold::Statement && x.fence < fence;
        (!self.rules.is(Wrong::LockBesideTheWork) && here.sessions.iter().any(guarded))
            || (self.rules.is(Wrong::SessionsEndedFirst) && here.sessions.iter().any(building))
    }

    fn raise(&self, s: &mut State, i: usize) {
        let fence = s.deployers[i].fence;
        s.records.fence = fence;
        s.records.top = s.records.top.max(fence);
        let ends_after = self.has_index()
            && !self.rules.is(Wrong::SessionsEndedFirst)
            && !self.rules.is(Wrong::SessionsNeverEnded);
        s.deployers[i].at = if ends_after { At::EndSessions } else { At::AdmitTarget };
        if !ends_after {
            s.records.top_ended = fence;
        }
    }

    /// While it waits for the lock, admission ends transactions of lower fences; statements outside a transaction
    /// hold no lock on the fence and are ended once it is raised.
    fn end_lower(&self, here: &State, i: usize, fence: u8, out: &mut Out<'_>) {
        for (j, x) in here.sessions.iter().enumerate() {
            let statement = x.hold == Hold::Statement && !self.rules.is(Wrong::SessionsEndedFirst);
            if x.hold == Hold::Free || x.fence >= fence || statement {
                continue;
            }
            let mut s = *here;
            s.end_session(j);
            out.go(Did::Ends { who: Who(i), work: x.work, fence: x.fence }, i == LAST, s);
        }
    }

    pub(crate) fn end_sessions(&self, here: &State, i: usize, out: &mut Out<'_>) {
        let (mut s, fence) = (*here, here.deployers[i].fence);
        for j in 0..s.sessions.len() {
            if s.sessions[j].hold == Hold::Statement && s.sessions[j].fence < fence {
                s.end_session(j);
            }
        }
        for d in &mut s.deployers {
            d.connected &= d.fence >= fence;
        }
        s.records.top_ended = fence;
        s.deployers[i].at = At::AdmitTarget;
        out.go(Did::EndsIdleToo { who: Who(i), fence }, i == LAST, s);
    }

    pub(crate) fn admit_target(&self, here: &State, i: usize, out: &mut Out<'_>) {
        let (mut s, d, calm) = (*here, here.deployers[i], i == LAST);
        s.deployers[i].at = At::Decide;
        if self.rules.admit_after_open && !here.records.open {
            return out.go(Did::SkipsTarget { who: Who(i) }, calm, s);
        }
        if s.target.fence > d.fence {
            s.leave(i, Exit::NotAdmitted);
            return out.go(Did::Exits { who: Who(i), why: Exit::NotAdmitted }, calm, s);
        }
        self.raise_target(&mut s, d.fence);
        if d.work != Work::Nothing {
            if s.records.fence != d.fence {
                s.leave(i, Exit::Fenced);
                return out.go(Did::Exits { who: Who(i), why: Exit::Fenced }, calm, s);
            }
            self.undertake(&mut s, i, d.work);
        }
        out.go(Did::AdmitsTarget { who: Who(i), fence: d.fence }, calm, s);
    }

    pub(crate) fn raise_target(&self, s: &mut State, fence: u8) {
        if fence > s.target.fence {
            self.touch(s);
            s.target.parts.iter_mut().for_each(|p| p.applied = 0);
        }
        s.target.fence = s.target.fence.max(fence);
        s.target.top = s.target.top.max(fence);
    }
}
