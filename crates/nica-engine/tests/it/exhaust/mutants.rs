//! Mutants of `next` and `undo`, made from outside: the real functions are asked, but about a world or records that
//! a wrong reading of the design would have seen.

use super::book::{Planned, Question, Seen};
use super::rules::{Rules, Wrong};
use super::state::{Anchor, Owned, Part};
use nica_engine::effect::Effect;
use nica_engine::plan::{Plan, Status};

/// Steps in an order that the design does not have.
pub(crate) fn misplan(rules: &Rules, plan: &mut Plan) {
    if rules.is(Wrong::DeletesBeforeCommit) {
        plan.steps.sort_by_key(|e| match e {
            Effect::Delete { .. } => 1,
            Effect::Bake | Effect::Commit => 2,
            Effect::Unanchor => 3,
            _ => 0,
        });
    }
    if rules.is(Wrong::UnanchorAfterSettle) {
        plan.steps.retain(|e| *e != Effect::Unanchor);
    }
    if rules.is(Wrong::UnwantedKept) {
        let known = |c: &String| plan.baseline.as_ref().is_some_and(|b| b.components.contains_key(c));
        plan.steps.retain(|e| !matches!(e, Effect::Delete { component, .. } if !known(component)));
    }
}

pub(crate) fn misread(rules: &Rules, planned: &Planned, statuses: &mut [Status], question: Question) -> Seen {
    let mut seen = question.seen;
    if question.back && rules.is(Wrong::CreatedStaysEffective) {
        // As if it were inert already.
        let owned = |p: &&mut Part| p.owner == Owned::Anchor && p.asked > 0;
        seen.parts.iter_mut().filter(owned).for_each(|p| p.inert = true);
    }
    let downs_to_come = question.back && downs_left(planned, statuses, &seen);
    misread_objects(rules, planned, downs_to_come, &mut seen);
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

fn misread_objects(rules: &Rules, planned: &Planned, downs_left: bool, seen: &mut Seen) {
    let downs_first = downs_left && rules.is(Wrong::BarrierBeforeAnchor);
    let created = |p: usize| rules.part_of(p, planned.base) == 0 && rules.part_of(p, planned.target) > 0;
    for (p, part) in seen.parts.iter_mut().enumerate().filter(|(p, _)| created(*p)) {
        let by_name = match part.owner {
            Owned::Nobody => part.asked > 0 && rules.is(Wrong::CreateWithoutAnchor),
            Owned::Gone => rules.is(Wrong::OwnerNotCompared),
            Owned::Anchor => false,
        };
        if by_name && seen.anchor != Anchor::Absent {
            part.owner = Owned::Anchor;
        }
        // What comes after it was looked for is not looked for.
        let overlooked = by_name && part.owner == Owned::Nobody;
        if overlooked || (downs_first && (part.inert || !rules.kind(p).runs())) {
            (part.asked, part.inert) = (0, false);
        }
    }
    if downs_first {
        seen.anchor = Anchor::Absent;
    }
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
