//! Observe, ask the real `next`, and split its action into what is recorded and what is sent.

use super::book::{CONTRACT, Question, Said, Seen};
use super::rules::{Command, Wrong};
use super::state::{Anchor, At, LAST, Part, Session, State, Work};
use super::world::{Did, Exit, Out, SmallWorld, Who};
use nica_engine::effect::Effect;
use nica_engine::release::Phase;

pub(crate) enum Choice {
    Do(Work),
    Leave(Exit),
}

pub(crate) const STARTED: u8 = 1;
pub(crate) const DONE: u8 = 2;
pub(crate) const UNDO_STARTED: u8 = 3;
pub(crate) const UNDONE: u8 = 4;
pub(crate) const RETAINED: u8 = 5;

impl SmallWorld {
    pub(crate) fn decide(&self, here: &State, i: usize, out: &mut Out<'_>) {
        let (d, calm) = (&here.deployers[i], i == LAST);
        if here.records.fence != d.fence && !self.rules.is(Wrong::NoGuard) {
            let mut s = *here;
            s.leave(i, Exit::Fenced);
            return out.go(Did::Exits { who: Who(i), why: Exit::Fenced }, calm, s);
        }
        for choice in self.choices(here, i) {
            let mut s = *here;
            s.deployers[i].connected = true;
            match choice {
                Choice::Leave(why) => {
                    s.leave(i, why);
                    out.go(Did::Exits { who: Who(i), why }, calm, s);
                }
                Choice::Do(Work::TurnBack) if self.rules.is(Wrong::DirectionInMemory) => {
                    s.deployers[i].back = true;
                    out.go(Did::Decides { who: Who(i), work: Work::TurnBack }, calm, s);
                }
                Choice::Do(work) => {
                    self.undertake(&mut s, i, work);
                    out.go(Did::Decides { who: Who(i), work }, calm, s);
                }
            }
        }
    }

    pub(crate) fn choices(&self, s: &State, i: usize) -> Vec<Choice> {
        let done = || vec![Choice::Leave(Exit::Done)];
        if self.rules.commands[i] == Command::MigrateSeed {
            let missing = self.rules.migrations[0].is_some() && s.schema.migrations[0] != 1;
            return if missing { vec![Choice::Do(Work::ByHand)] } else { done() };
        }
        if s.records.open {
            return self.superseding(s, i).unwrap_or_else(|| self.ask(s, i));
        }
        match self.rules.commands[i] {
            Command::Deploy(r) if self.below_floor(s, r) => vec![Choice::Leave(Exit::BelowFloor)],
            Command::Contract
                if !s.deployers[i].opened && !s.schema.contracted && s.records.baseline >= 2 =>
            {
                let plan = self.book.plan_contract(&self.rules, s.records.baseline, self.see(s));
                vec![Choice::Do(Work::Open { plan })]
            }
            Command::Deploy(r) | Command::Supersede(r)
                if !s.deployers[i].opened && r != s.records.baseline =>
            {
                let plan = self.book.plan(&self.rules, s.records.baseline, r, self.see(s));
                vec![Choice::Do(Work::Open { plan })]
            }
            _ => done(),
        }
    }

    /// Not only where the open run is stuck: more than the command line allows, so that more is searched.
    fn superseding(&self, s: &State, i: usize) -> Option<Vec<Choice>> {
        let Command::Supersede(r) = self.rules.commands[i] else { return None };
        if s.deployers[i].opened {
            return None;
        }
        let plan =
            self.book.plan_supersede(&self.rules, r, (s.records.plan, s.records.statuses), self.see(s))?;
        Some(vec![Choice::Do(Work::Supersede { plan })])
    }

    /// As the gate `migration` judges, by the real rule.
    fn below_floor(&self, s: &State, release: u8) -> bool {
        let floor = s.schema.contracted.then_some(CONTRACT);
        self.book.release(release).is_below(floor) && !self.rules.is(Wrong::FloorForgotten)
    }

    fn ask(&self, s: &State, i: usize) -> Vec<Choice> {
        let question = Question {
            plan: s.records.plan,
            statuses: s.records.statuses,
            back: s.records.back || s.deployers[i].back,
            seen: self.see(s),
            refused: s.deployers[i].refused,
        };
        let choice = |said: &Said| match *said {
            Said::Perform(step) => Some(Choice::Do(Work::Record { step, status: STARTED, then: true })),
            Said::Undo(step) => Some(Choice::Do(Work::Record { step, status: UNDO_STARTED, then: true })),
            Said::Note(step, status) => Some(Choice::Do(Work::Record { step, status, then: false })),
            Said::TurnBack => Some(Choice::Do(Work::TurnBack)),
            Said::Settle(ending) => Some(Choice::Do(Work::Settle { ending })),
            // The last one looks again and again; where only this is left to it, the checker says so.
            Said::Hold | Said::Stuck if i != LAST => Some(Choice::Leave(Exit::Stuck)),
            Said::Hold | Said::Stuck | Said::Await => None,
        };
        self.book.ask(&self.rules, question).iter().filter_map(choice).collect()
    }

    fn see(&self, s: &State) -> Seen {
        Seen {
            migrations: s.schema.migrations,
            parked: s.users.attic != 0 && !s.users.copied_back,
            seeds: s.schema.seeds,
            seeds_to_undo: s.schema.seeds_before != 0,
            parts: s.target.parts.map(|p| Part { applied: 0, ..p }),
            sessions: s.new_in_transaction(),
            old_sessions: s.old_connected(),
            contracted: s.schema.contracted,
            anchor: s.target.anchor,
        }
    }

    pub(crate) fn undertake(&self, s: &mut State, i: usize, work: Work) {
        let d = &mut s.deployers[i];
        (d.work, d.at) = (work, At::Begin);
        match work {
            Work::Record { step, status, then } => {
                if then {
                    d.refused = 0;
                    let effect = s
                        .records
                        .open
                        .then(|| self.book.planned(s.records.plan).plan.steps[usize::from(step)].clone());
                    d.fresh = match effect {
                        Some(Effect::SetDesired { .. } | Effect::Delete { .. } | Effect::Unanchor) => true,
                        Some(Effect::Anchor) => status == UNDO_STARTED,
                        Some(Effect::Create { .. }) => s.target.anchor != Anchor::Absent,
                        _ => false,
                    } && !self.rules.is(Wrong::VersionAfterStarted);
                }
                if !self.rules.records_in_flight {
                    let fence = d.fence;
                    self.commit(s, Session { work, fence, ..Session::default() });
                    self.follow(s, i, work);
                }
            }
            Work::Open { .. } | Work::Supersede { .. } => d.opened = true,
            Work::Down { .. } => unreachable!("a down is undertaken after its record"),
            _ => {}
        }
    }

    /// A transaction of ours is committed and answered: what comes next.
    pub(crate) fn follow(&self, s: &mut State, i: usize, work: Work) {
        let d = &mut s.deployers[i];
        (d.at, d.work) = (At::Decide, Work::Nothing);
        if let Work::Open { .. } = work
            && self.rules.admit_after_open
        {
            d.at = At::AdmitTarget;
        }
        if matches!(work, Work::Settle { .. })
            && self.rules.is(Wrong::UnanchorAfterSettle)
            && s.target.anchor == Anchor::There
        {
            (d.at, d.work, d.fresh) = (At::Send, Work::Unanchor, true);
        }
        let Work::Record { step, status, then: true } = work else { return };
        if !s.records.open {
            return; // only mutants come here: the run was settled by somebody else meanwhile
        }
        let planned = self.book.planned(s.records.plan);
        let undo = status == UNDO_STARTED;
        let effect = &planned.plan.steps[usize::from(step)];
        let expand = effect.migration().filter(|m| m.phase == Phase::Expand);
        let migration = expand.map_or(0, |_| self.migration(s, step));
        let d = &mut s.deployers[i];
        (d.work, d.at) = match effect {
            Effect::RestorePoint => (Work::Point { step }, At::Begin),
            Effect::Sql { migration } if migration.phase == Phase::Contract => {
                (Work::Contract { step }, At::Begin)
            }
            Effect::Sql { .. } if undo => {
                let early = self.rules.is(Wrong::ParkedBeforeLock);
                (Work::Down { step, copied: if early { s.users.value } else { 0 } }, At::Begin)
            }
            Effect::Sql { .. } => (Work::Up { step }, At::Begin),
            Effect::SqlConverge { .. } => {
                let migration = migration as u8;
                (if undo { Work::Drop { migration } } else { Work::Build { migration } }, At::Build)
            }
            Effect::Unpark { .. } => (Work::Unpark { step }, At::Begin),
            Effect::Seeds { .. } if undo => (Work::SeedsUndo { step }, At::Begin),
            Effect::Seeds { .. } => (Work::Seeds { step }, At::Begin),
            Effect::Commit => (Work::Commit { step }, At::Begin),
            Effect::SetDesired { component, desired, before } => {
                let part = part(component);
                let wanted = if undo { before.as_ref() } else { Some(desired) };
                let (release, inert) = self.book.which(usize::from(part), wanted);
                (Work::Set { part, release, inert }, At::Send)
            }
            Effect::Delete { component, .. } => {
                (Work::Set { part: part(component), release: 0, inert: false }, At::Send)
            }
            Effect::Anchor if undo => (Work::AnchorAway, At::Send),
            Effect::Anchor => (Work::Anchor, At::Send),
            Effect::Create { component, desired } => {
                let part = part(component);
                (
                    Work::Create { part, release: self.book.which(usize::from(part), Some(desired)).0 },
                    At::Send,
                )
            }
            Effect::Unanchor if self.rules.is(Wrong::ForegroundOnSuccess) => (Work::AnchorAway, At::Send),
            Effect::Unanchor => (Work::Unanchor, At::Send),
            Effect::Await { .. } | Effect::Bake => unreachable!("nothing is performed by waiting"),
        };
    }
}

fn part(component: &str) -> u8 {
    u8::from(component != "backend")
}
