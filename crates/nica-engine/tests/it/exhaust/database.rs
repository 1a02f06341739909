//! What becomes true when a transaction of ours commits.

use super::book::ENDINGS;
use super::deciding::{DONE, RETAINED, STARTED, UNDO_STARTED, UNDONE};
use super::rules::Wrong;
use super::state::{Broken, Hold, Session, State, Work};
use super::world::SmallWorld;
use nica_engine::effect::Effect;
use nica_engine::next::Ending;
use nica_engine::release::UndoClass;

impl SmallWorld {
    pub(crate) fn commit(&self, s: &mut State, session: Session) {
        let top = if session.hold == Hold::Statement { s.records.top_ended } else { s.records.top };
        if session.fence < top {
            s.break_with(Broken::LowerFenceInPostgres);
        }
        match session.work {
            Work::Open { plan } => open(s, plan),
            Work::ByHand => {
                s.schema.migrations[0] = 1;
                s.schema.kept[0] = true;
            }
            // Outside a transaction: it is recorded by itself, once it was seen.
            Work::Build { migration } => s.schema.migrations[usize::from(migration)] = 1,
            Work::Drop { migration } => s.schema.migrations[usize::from(migration)] = 0,
            _ if !s.records.open => {}
            Work::Settle { ending } => self.settle(s, ending),
            Work::Supersede { plan } => self.supersede(s, plan),
            Work::TurnBack => self.turn_back(s),
            Work::Record { step, status, .. } => self.record(s, step, status),
            Work::Commit { step } => commit(s, step),
            work => self.effect(s, work),
        }
    }

    fn effect(&self, s: &mut State, work: Work) {
        match work {
            Work::Point { step } => s.note(step, DONE),
            Work::Up { step } => {
                s.schema.migrations[self.migration(s, step)] = 1;
                s.note(step, DONE);
            }
            Work::Contract { step } => {
                if s.old_alive() || s.old_connected() {
                    s.break_with(Broken::ContractWhileAlive);
                }
                s.schema.contracted = true;
                s.note(step, DONE);
            }
            Work::Unpark { .. } => self.unpark(s),
            Work::Down { step, copied } => self.down(s, step, copied),
            Work::Seeds { step } => {
                if s.schema.seeds_before == 0 {
                    s.schema.seeds_before = 1 + s.schema.seeds;
                }
                s.schema.seeds = self.rules.seeds_of(self.book.planned(s.records.plan).target);
                s.note(step, DONE);
            }
            Work::SeedsUndo { step } => {
                s.schema.seeds = s.schema.seeds_before.saturating_sub(1);
                s.schema.seeds_before = 0;
                s.note(step, UNDONE);
            }
            _ => unreachable!("{work:?} is no transaction"),
        }
    }

    fn record(&self, s: &mut State, step: u8, status: u8) {
        if status == STARTED {
            if s.records.recovering {
                s.break_with(Broken::DirectionTurned);
            }
            // The row of a step outside a transaction stands there before its statement is sent.
            let effect = &self.book.planned(s.records.plan).plan.steps[usize::from(step)];
            if matches!(effect, Effect::SqlConverge { .. }) {
                let m = self.migration(s, step);
                s.schema.migrations[m] =
                    s.schema.migrations[m].max(1) + u8::from(s.schema.migrations[m] == 0);
            }
        }
        if matches!(status, UNDO_STARTED | UNDONE | RETAINED) {
            s.records.recovering = true;
        }
        s.note(step, status);
    }

    fn down(&self, s: &mut State, step: u8, copied: u8) {
        if s.new_alive() || s.new_in_transaction() {
            s.break_with(Broken::DownWhileAlive);
        }
        let m = self.migration(s, step);
        if m == 0 {
            self.park(s, copied);
        }
        s.schema.migrations[m] = 0;
        s.note(step, UNDONE);
    }

    /// A row that was never moved back is newer than the table: nobody could write it meanwhile.
    fn park(&self, s: &mut State, copied: u8) {
        let parking = self.rules.migrations[0].is_some_and(|m| m.class == UndoClass::Parking);
        let value = if self.rules.is(Wrong::ParkedBeforeLock) { copied } else { s.users.value };
        let waits = s.users.attic != 0;
        let keeps = if self.rules.is(Wrong::AtticRowKept) { value == 0 } else { waits };
        if parking && (!keeps || self.rules.is(Wrong::DownReplacesWaitingRows)) {
            s.users.attic = value;
        }
        (s.users.value, s.users.copied_back) = (0, false);
    }

    fn unpark(&self, s: &mut State) {
        s.users.value = s.users.attic;
        if self.rules.is(Wrong::AtticRowKept) {
            s.users.copied_back = s.users.attic != 0;
        } else {
            s.users.attic = 0;
        }
    }

    fn turn_back(&self, s: &mut State) {
        if self.committed(s) {
            s.break_with(Broken::DirectionTurned);
        }
        s.records.back = true;
    }

    /// The old run is closed and the new one opened in one commit; seed rows to take back change their run.
    fn supersede(&self, s: &mut State, plan: u8) {
        if self.committed(s) {
            s.break_with(Broken::DirectionTurned);
        }
        self.keep_retained(s);
        let (anchor_of, anchor) = (s.records.anchor_of, s.target.anchor);
        s.records.open = false;
        open(s, plan);
        let inherits =
            self.book.planned(plan).plan.supersedes.as_ref().is_some_and(|old| old.anchor.is_some());
        if inherits {
            (s.records.anchor_of, s.target.anchor) = (anchor_of, anchor);
        }
        if self.rules.is(Wrong::SupersedeForgets) {
            s.schema.seeds_before = 0;
        }
    }

    fn keep_retained(&self, s: &mut State) {
        for (step, effect) in self.book.planned(s.records.plan).plan.steps.iter().enumerate() {
            if s.status(step as u8) == RETAINED && effect.migration().is_some() {
                s.schema.kept[self.migration(s, step as u8)] = true;
            }
        }
    }

    fn settle(&self, s: &mut State, number: u8) {
        let planned = self.book.planned(s.records.plan);
        let live = ENDINGS[usize::from(number)] == Ending::Live;
        if live != self.committed(s) {
            s.break_with(Broken::DirectionTurned);
        }
        self.keep_retained(s);
        if live {
            // An older release that goes live keeps what is there; a newer one owns it.
            s.schema.kept = s.schema.migrations.map(|m| m != 0 && planned.target < 2);
        }
        s.records.baseline = if live { planned.target } else { planned.base };
        s.schema.seeds_before = 0;
        (s.records.open, s.records.plan, s.records.statuses) = (false, 0, 0);
        (s.records.back, s.records.recovering) = (false, false);
        s.deployers.iter_mut().for_each(|d| d.back = false);
    }

    pub(crate) fn committed(&self, s: &State) -> bool {
        let steps = &self.book.planned(s.records.plan).plan;
        steps.commit_step().is_some_and(|n| s.status(n as u8) == DONE)
    }

    /// Which migration a step is about.
    pub(crate) fn migration(&self, s: &State, step: u8) -> usize {
        let planned = self.book.planned(s.records.plan);
        let migration = planned.plan.steps[usize::from(step)].migration();
        usize::from(migration.expect("asked of migration steps only").id.starts_with("0002"))
    }
}

fn open(s: &mut State, plan: u8) {
    if s.records.open {
        s.break_with(Broken::TwoRuns);
    }
    s.records.runs += 1;
    s.records.anchor_of = s.records.runs;
    // This run's has another name.
    s.sweep_anchor();
    (s.records.open, s.records.managed) = (true, true);
    (s.records.plan, s.records.statuses) = (plan, 0);
    (s.records.back, s.records.recovering) = (false, false);
}

fn commit(s: &mut State, step: u8) {
    if s.records.back || s.records.recovering {
        s.break_with(Broken::DirectionTurned);
    }
    s.note(step, DONE);
}
