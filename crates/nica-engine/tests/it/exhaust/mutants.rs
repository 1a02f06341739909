//! Mutants of `next` and `undo`, made from outside: the real functions are asked, but about a world or records that
//! a wrong reading of the design would have seen.

use super::book::{Planned, Question, Seen};
use super::rules::{Rules, Wrong};
use super::state::Part;
use nica_engine::effect::Effect;
use nica_engine::plan::Status;

pub(crate) fn misread(rules: &Rules, planned: &Planned, statuses: &mut [Status], question: Question) -> Seen {
    let mut seen = question.seen;
    if rules.is(Wrong::DoneTrusted) {
        trust_records(rules, planned, statuses, question.back, &mut seen);
    }
    if rules.is(Wrong::ContractIgnoresSessions) {
        seen.old_sessions = false;
    }
    if planned.plan.is_contract() && rules.is(Wrong::BarrierSkipped) {
        only_live(rules, planned, &mut seen);
    }
    if rules.is(Wrong::BarrierWithoutSessions) {
        seen.sessions = false;
    }
    if question.back && rules.is(Wrong::StickyByWhatIsSeen) && !someone_new_alive(&seen) {
        forget_start(planned, statuses);
    }
    if question.back && rules.is(Wrong::BarrierSkipped) {
        nobody_new_alive(planned, &mut seen);
    }
    if question.back && rules.is(Wrong::UndoOrderSwapped) && downs_left(planned, statuses, &seen) {
        baseline_serves(rules, planned, &mut seen);
    }
    seen
}

/// A step is what its record says, whatever the world shows.
fn trust_records(rules: &Rules, planned: &Planned, statuses: &[Status], back: bool, seen: &mut Seen) {
    for (n, effect) in planned.plan.steps.iter().enumerate() {
        let Effect::SetDesired { component, .. } = effect else { continue };
        let p = usize::from(component != "backend");
        let done = statuses[n] == Status::Done;
        let believed = match back {
            false if done => rules.part_of(p, planned.target),
            true if !done => rules.part_of(p, planned.base),
            _ => continue,
        };
        seen.parts[p] = Part::running(believed);
    }
}

fn someone_new_alive(seen: &Seen) -> bool {
    seen.parts.iter().any(|p| p.alive & 0b1100 != 0)
}

fn forget_start(planned: &Planned, statuses: &mut [Status]) {
    for (n, effect) in planned.plan.steps.iter().enumerate() {
        if matches!(effect, Effect::SetDesired { .. }) {
            statuses[n] = Status::Pending;
        }
    }
}

fn nobody_new_alive(planned: &Planned, seen: &mut Seen) {
    seen.sessions = false;
    for part in &mut seen.parts {
        part.alive &= !(1 << planned.target);
        part.acted = part.asked;
    }
}

fn only_live(rules: &Rules, planned: &Planned, seen: &mut Seen) {
    seen.old_sessions = false;
    for (p, part) in seen.parts.iter_mut().enumerate() {
        *part = Part::running(rules.part_of(p, planned.base));
    }
}

fn downs_left(planned: &Planned, statuses: &[Status], seen: &Seen) -> bool {
    let migrations = planned.plan.steps.iter().zip(statuses).filter(|(e, _)| e.migration().is_some());
    seen.migrations != [0, 0] && migrations.into_iter().any(|(_, s)| *s != Status::Retained)
}

/// Downs come first: as if the components had gone back already.
fn baseline_serves(rules: &Rules, planned: &Planned, seen: &mut Seen) {
    seen.sessions = false;
    for (p, part) in seen.parts.iter_mut().enumerate() {
        *part = Part::running(rules.part_of(p, planned.base));
    }
}
