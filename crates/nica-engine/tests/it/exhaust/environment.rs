//! Everything that happens by itself: Postgres finishes what was sent, the supervisor reads its letters, processes
//! start and end, users write.

use super::rules::Wrong;
use super::state::{ANCHOR, Ask, At, Broken, Hold, Letter, PARTS, Session, State, Statement, Work};
use super::world::{Did, Out, SmallWorld};

impl SmallWorld {
    pub(crate) fn environment_steps(&self, here: &State, out: &mut Out<'_>) {
        self.postgres(here, out);
        self.letters(here, out);
        self.supervisor(here, out);
        self.collector(here, out);
        self.users(here, out);
    }

    fn postgres(&self, here: &State, out: &mut Out<'_>) {
        for (j, x) in here.sessions.iter().enumerate() {
            if matches!(x.hold, Hold::Free | Hold::Hung) || (j > 0 && here.sessions[j - 1] == *x) {
                continue;
            }
            let mut s = *here;
            s.sessions[j] = Session::default();
            let rolled_back = s;
            self.commit(&mut s, *x);
            if x.attached {
                self.follow(&mut s, usize::from(x.owner) - 1, x.work);
            }
            out.go(Did::Commits { work: x.work, fence: x.fence }, true, s);
            if !x.attached {
                out.go(Did::RollsBack { work: x.work, fence: x.fence }, true, rolled_back);
            }
        }
    }

    fn letters(&self, here: &State, out: &mut Out<'_>) {
        for (j, letter) in here.letters.iter().enumerate() {
            if letter.fence == 0 || (j > 0 && here.letters[j - 1] == *letter) {
                continue;
            }
            let mut s = *here;
            s.letters[j] = Letter::default();
            let dropped = s;
            let applied = self.deliver(&mut s, *letter);
            if letter.waiting != 0 {
                let d = &mut s.deployers[usize::from(letter.waiting) - 1];
                (d.at, d.work) = (At::Decide, Work::Nothing);
            }
            let did = if applied { Did::Applies(*letter) } else { Did::Refuses(*letter) };
            out.go(did, true, s);
            if here.budget.duplicates > 0 {
                s.budget.duplicates -= 1;
                let fresh = letter.fresh && letter.ask == Ask::Create;
                s.post(Letter { waiting: 0, fresh, ..*letter });
                out.go(Did::AppliesAndAgain(*letter), true, s);
            }
            if letter.waiting == 0 {
                out.go(Did::Drops(*letter), true, dropped);
            }
        }
    }

    /// Nobody waits for it, and it can only be refused: the target's fence never falls, and a counter that moved
    /// on never comes back. Leaving it out halves the world and changes nothing that anybody can see.
    pub(crate) fn forget_harmless_letters(&self, s: &mut State) {
        let keeps_fence = !self.rules.is(Wrong::NoTargetFence) && !self.rules.is(Wrong::TargetFenceInMemory);
        let counts =
            !self.rules.is(Wrong::NoExpectedGeneration) && !self.rules.is(Wrong::ExpectedGenerationIsHash);
        let fence = s.target.fence;
        let (open, anchor_of) = (s.records.open, s.records.anchor_of);
        for l in s.letters.iter_mut().filter(|l| l.waiting == 0) {
            if self.objects() {
                // An anchor of a run that is over owns nothing and is swept.
                let harmless = match l.ask {
                    Ask::Create => false,
                    Ask::Anchor => !open || l.run != anchor_of,
                    Ask::Set | Ask::Foreground | Ask::Orphan => counts && !l.fresh,
                };
                if harmless {
                    *l = Letter::default();
                }
                continue;
            }
            if (keeps_fence && l.fence < fence) || (counts && !l.fresh) {
                *l = Letter::default();
            }
        }
    }

    /// The supervisor reads one `set`: fence, then the generation that it was decided on; both are persisted with it.
    fn deliver(&self, s: &mut State, letter: Letter) -> bool {
        if self.objects() {
            return self.answer(s, letter);
        }
        let p = usize::from(letter.part);
        let fenced = letter.fence < s.target.fence && !self.rules.is(Wrong::NoTargetFence);
        let expected = if self.rules.is(Wrong::ExpectedGenerationIsHash) {
            letter.expected == s.target.parts[p].asked && !self.applied_before(s, letter)
        } else {
            letter.fresh || self.rules.is(Wrong::NoExpectedGeneration)
        };
        if fenced || !expected {
            return false;
        }
        if letter.fence < s.target.top {
            s.break_with(Broken::LowerFenceAtTarget);
        }
        s.target.parts[p].asked = letter.release;
        self.raise_target(s, letter.fence);
        if self.rules.is(Wrong::RemembersApplied) {
            s.target.parts[p].applied |= applied_bit(letter);
        }
        self.generation_moved(s, letter.part);
        true
    }

    fn applied_before(&self, s: &State, letter: Letter) -> bool {
        let part = s.target.parts[usize::from(letter.part)];
        part.applied & applied_bit(letter) != 0 && part.asked != letter.release
    }

    pub(crate) fn generation_moved(&self, s: &mut State, part: u8) {
        let compares = |l: &&mut Letter| l.part == part && !matches!(l.ask, Ask::Create | Ask::Anchor);
        s.letters.iter_mut().filter(compares).for_each(|l| l.fresh = false);
        for i in 0..s.deployers.len() {
            if s.deployers[i].fresh && self.part_of_work(s, s.deployers[i].work) == Some(part) {
                s.deployers[i].fresh = false;
            }
        }
    }

    fn part_of_work(&self, s: &State, work: Work) -> Option<u8> {
        use nica_engine::effect::Effect;
        match work {
            Work::Set { part, .. } => Some(part),
            Work::AnchorAway | Work::Unanchor => Some(ANCHOR),
            Work::Record { step, .. } if s.records.open => {
                match &self.book.planned(s.records.plan).plan.steps[usize::from(step)] {
                    Effect::SetDesired { component, .. } | Effect::Delete { component, .. } => {
                        Some(u8::from(component != "backend"))
                    }
                    Effect::Anchor | Effect::Unanchor => Some(ANCHOR),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn supervisor(&self, here: &State, out: &mut Out<'_>) {
        for p in 0..PARTS {
            let part = here.target.parts[p];
            let runs = if part.inert || !self.rules.kind(p).runs() { 0 } else { part.asked };
            if part.acted != runs {
                let mut s = *here;
                s.target.parts[p].acted = runs;
                out.go(Did::SupervisorActs { part: p as u8, release: runs }, true, s);
            }
            for release in 1..4u8 {
                let bit = 1 << release;
                let mut s = *here;
                if part.acted == release && part.alive & bit == 0 {
                    s.target.parts[p].alive |= bit;
                    out.go(Did::ProcessStarts { part: p as u8, release }, true, s);
                } else if part.acted != release && part.alive & bit != 0 {
                    s.target.parts[p].alive &= !bit;
                    out.go(Did::ProcessEnds { part: p as u8, release }, true, s);
                }
            }
        }
        if here.budget.restarts > 0 {
            let mut s = *here;
            s.budget.restarts -= 1;
            for i in 0..s.deployers.len() {
                if s.deployers[i].at == At::Asked {
                    s.no_answer(i);
                }
            }
            if self.rules.is(Wrong::TargetFenceInMemory) {
                s.target.fence = 0;
            }
            out.go(Did::SupervisorRestarts, true, s);
        }
    }

    fn users(&self, here: &State, out: &mut Out<'_>) {
        match here.users.statement {
            Statement::None => self.user_begins(here, out),
            Statement::Hung => {}
            Statement::Old => old_session(here, out),
            statement => {
                if self.rules.users_hang && statement == Statement::Writes {
                    let mut s = *here;
                    s.users.statement = Statement::Hung;
                    out.go(Did::UserHangs, true, s);
                }
                let mut s = *here;
                s.users.statement = Statement::None;
                out.go(Did::UserAborts, true, s);
                let value = u8::from(statement == Statement::Writes);
                (s.users.value, s.users.acknowledged) = (value, value);
                out.go(Did::UserCommits { value }, true, s);
            }
        }
    }

    fn user_begins(&self, here: &State, out: &mut Out<'_>) {
        let locks = |x: &Session| {
            matches!(x.hold, Hold::Transaction | Hold::Hung)
                && matches!(x.work, Work::Up { .. } | Work::Down { .. } | Work::Unpark { .. })
        };
        if here.budget.statements > 0 && self.rules.contract && here.old_alive() {
            let mut s = *here;
            s.budget.statements -= 1;
            s.users.statement = Statement::Old;
            out.go(Did::UserBegins(Statement::Old), true, s);
        }
        let column = here.schema.migrations[0] == 1 && self.rules.users_write();
        if here.budget.statements == 0 || !column || !here.new_alive() || here.sessions.iter().any(locks) {
            return;
        }
        let mut s = *here;
        s.budget.statements -= 1;
        s.users.statement = if s.users.value == 0 { Statement::Writes } else { Statement::Clears };
        out.go(Did::UserBegins(s.users.statement), true, s);
    }
}

/// It may outlive its process, and write long after. What it needs was taken away by a contract: then somebody's request
/// failed.
fn old_session(here: &State, out: &mut Out<'_>) {
    let mut s = *here;
    if here.schema.contracted {
        s.break_with(Broken::Unserved);
        return out.go(Did::OldSessionWrites, true, s);
    }
    s.users.statement = Statement::None;
    out.go(Did::OldSessionEnds, true, s);
}

fn applied_bit(letter: Letter) -> u16 {
    1 << (4 * letter.run + letter.release)
}
