//! The real values behind the small numbers: releases, plans and worlds, and what the real `next` says to them.
//!
//! `next` is pure, so each question is asked once and its answer kept; that is what makes an unoptimised build
//! quick enough. The answers stay real: nothing here decides.

mod real;

use super::rules::{Rules, Wrong};
use super::state::{Anchor, MIGRATIONS, Owned, PARTS, Part};
use nica_engine::canonical::Digest;
use nica_engine::effect::{Desired, Generation};
use nica_engine::next::{Action, Direction, Ending, next};
use nica_engine::plan::{Doomed, Live, Object, Plan, Status, contract, desired, plan, supersede};
use nica_engine::release::Release;
use nica_engine::world::{
    AnchorSeen, ComponentSeen, MigrationSeen, Owner, Refused, SeedsSeen, Verdict, World,
};
use real::{release, target};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

pub(crate) const STATUSES: [Status; 6] =
    [Status::Pending, Status::Started, Status::Done, Status::UndoStarted, Status::Undone, Status::Retained];
pub(crate) const ENDINGS: [Ending; 6] =
    [Ending::Live, Ending::Back, Ending::Absent, Ending::Refused, Ending::Superseded, Ending::Contracted];
/// The contract that N and later releases have.
pub(crate) const CONTRACT: &str = "0003_drop";
const NAMES: [&str; PARTS] = ["backend", "reader"];
const IDS: [&str; MIGRATIONS] = ["0001_note", "0002_more"];

/// What a deployer sees when it looks.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    pub(crate) migrations: [u8; MIGRATIONS],
    pub(crate) parked: bool,
    pub(crate) seeds: u8,
    pub(crate) seeds_to_undo: bool,
    pub(crate) parts: [Part; PARTS],
    pub(crate) sessions: bool,
    pub(crate) old_sessions: bool,
    pub(crate) contracted: bool,
    pub(crate) anchor: Anchor,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) plan: u8,
    pub(crate) statuses: u32,
    pub(crate) back: bool,
    pub(crate) seen: Seen,
    pub(crate) refused: u8,
}

/// `Action`, small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    Perform(u8),
    Undo(u8),
    Note(u8, u8),
    Await,
    TurnBack,
    Settle(u8),
    Hold,
    Stuck,
}

/// What an observer may find to have happened meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chance {
    Nothing,
    Aborted,
    ForwardUntil,
    RolloutLate,
    BakePending,
    BakeRefuses,
    BakeInconclusive,
    BarrierLate,
    DownUntil,
    UndoLate,
}

const FORWARD: [Chance; 7] = [
    Chance::Nothing,
    Chance::Aborted,
    Chance::ForwardUntil,
    Chance::RolloutLate,
    Chance::BakePending,
    Chance::BakeRefuses,
    Chance::BakeInconclusive,
];
const BACK: [Chance; 4] = [Chance::Nothing, Chance::BarrierLate, Chance::DownUntil, Chance::UndoLate];

pub(crate) struct Planned {
    pub(crate) base: u8,
    pub(crate) target: u8,
    pub(crate) plan: Plan,
}

/// Contract, from, to, seen; and the run that is superseded, with its statuses.
type PlanKey = (bool, u8, u8, Seen, (u8, u32));

pub(crate) struct Book {
    releases: Vec<Release>,
    desired: Vec<BTreeMap<String, Desired>>,
    /// By release; none where the target is a supervisor.
    objects: Vec<Option<Vec<Object>>>,
    plans: RefCell<Vec<Rc<Planned>>>,
    plan_ids: RefCell<HashMap<PlanKey, u8>>,
    answers: RefCell<HashMap<Question, Rc<[Said]>>>,
}

impl Book {
    pub(crate) fn new(rules: &Rules) -> Book {
        let releases: Vec<Release> = (0..4).map(|r| release(rules, r)).collect();
        let of = |r: u8| rules.objects.map(|_| real::objects(rules, r));
        let objects: Vec<Option<Vec<Object>>> = (0..4).map(of).collect();
        let all = releases.iter().zip(&objects);
        let desired = all.map(|(r, o)| desired(&target(r, o.as_deref(), None, Digest::of(b"")))).collect();
        Book {
            releases,
            desired,
            objects,
            plans: RefCell::default(),
            plan_ids: RefCell::default(),
            answers: RefCell::default(),
        }
    }

    /// The real plan from what was seen to a release, numbered.
    pub(crate) fn plan(&self, rules: &Rules, base: u8, to: u8, seen: Seen) -> u8 {
        let key = (false, base, to, projection(seen), (0, 0));
        if let Some(id) = self.plan_ids.borrow().get(&key) {
            return *id;
        }
        let live = (base > 0).then(|| self.live(base));
        let release = &self.releases[usize::from(to)];
        let world = self.world(rules, to, seen, Chance::Nothing);
        let objects = self.objects[usize::from(to)].as_deref();
        let mut plan = plan(target(release, objects, live, projected(seen)), &world);
        super::mutants::misplan(rules, &mut plan);
        self.number(key, Planned { base, target: to, plan })
    }

    /// The real plan of the contract run for what is live.
    pub(crate) fn plan_contract(&self, rules: &Rules, live: u8, seen: Seen) -> u8 {
        let key = (true, live, live, projection(seen), (0, 0));
        if let Some(id) = self.plan_ids.borrow().get(&key) {
            return *id;
        }
        let world = self.world(rules, live, seen, Chance::Nothing);
        let release = &self.releases[usize::from(live)];
        let plan = contract(target(release, None, Some(self.live(live)), projected(seen)), &world);
        self.number(key, Planned { base: live, target: live, plan })
    }

    /// The real plan that takes the open run's place; none where it cannot.
    pub(crate) fn plan_supersede(
        &self,
        rules: &Rules,
        to: u8,
        (old, statuses): (u8, u32),
        seen: Seen,
    ) -> Option<u8> {
        let open = self.planned(old);
        let key = (false, open.base, to, projection(seen), (old, statuses));
        if let Some(id) = self.plan_ids.borrow().get(&key) {
            return Some(*id);
        }
        let world = self.world(rules, to, seen, Chance::Nothing);
        let live = (open.base > 0).then(|| self.live(open.base));
        let objects = self.objects[usize::from(to)].as_deref();
        let target = target(&self.releases[usize::from(to)], objects, live, projected(seen));
        let statuses = unpacked(statuses, open.plan.steps.len());
        let doomed = Doomed { run: "old", plan: &open.plan, statuses: &statuses };
        let mut taken = supersede(target.clone(), &world, &doomed).ok()?;
        if rules.is(Wrong::SupersedeForgets) {
            taken = plan(target, &world);
        }
        if let Some(old) = &mut taken.supersedes {
            old.effective &= !rules.is(Wrong::SupersedeForgetsStart);
            if rules.is(Wrong::SupersedeForgetsPrograms) {
                old.generations.clear();
            }
            if rules.is(Wrong::SupersedeForgetsAnchor) {
                old.anchor = None;
            }
        }
        super::mutants::misplan(rules, &mut taken);
        Some(self.number(key, Planned { base: open.base, target: to, plan: taken }))
    }

    fn number(&self, key: PlanKey, planned: Planned) -> u8 {
        let known = self.plans.borrow().iter().position(|p| p.plan == planned.plan);
        let id = known.unwrap_or_else(|| {
            self.plans.borrow_mut().push(Rc::new(planned));
            self.plans.borrow().len() - 1
        });
        let id = u8::try_from(id + 1).expect("few plans in a small world");
        self.plan_ids.borrow_mut().insert(key, id);
        id
    }

    pub(crate) fn release(&self, number: u8) -> &Release {
        &self.releases[usize::from(number)]
    }

    pub(crate) fn planned(&self, id: u8) -> Rc<Planned> {
        self.plans.borrow()[usize::from(id) - 1].clone()
    }

    /// Everything that the real `next` may say here, over what may have happened meanwhile.
    pub(crate) fn ask(&self, rules: &Rules, question: Question) -> Rc<[Said]> {
        if let Some(known) = self.answers.borrow().get(&question) {
            return known.clone();
        }
        let mut said = Vec::new();
        for chance in if question.back { &BACK[..] } else { &FORWARD[..] } {
            let answer = self.ask_once(rules, question, *chance);
            if !said.contains(&answer) {
                said.push(answer);
            }
        }
        let said: Rc<[Said]> = said.into();
        self.answers.borrow_mut().insert(question, said.clone());
        said
    }

    fn ask_once(&self, rules: &Rules, question: Question, chance: Chance) -> Said {
        let planned = self.planned(question.plan);
        let plan = &planned.plan;
        let mut statuses = unpacked(question.statuses, plan.steps.len());
        let seen = super::mutants::misread(rules, &planned, &mut statuses, question);
        let mut world = self.world(rules, planned.target, seen, chance);
        world.drifted = projected(question.seen) != plan.projection;
        world.refused = question
            .refused
            .checked_sub(1)
            .map(|step| Refused { step: usize::from(step), why: "lock not available".to_string() });
        if rules.is(Wrong::BarrierWaitsForSessionsForEver) {
            world.clock.barrier = false;
        }
        let direction = if question.back { Direction::Back } else { Direction::Forward };
        small(next(plan, &statuses, direction, &world))
    }

    fn live(&self, release: u8) -> Live {
        let r = &self.releases[usize::from(release)];
        Live {
            release: r.hash(),
            version: r.version.clone(),
            components: self.desired[usize::from(release)].clone(),
        }
    }

    fn generation(&self, part: usize, release: u8) -> Generation {
        self.desired[usize::from(release)][NAMES[part]].generation()
    }

    /// Which release's state this is, and whether the inert one.
    pub(crate) fn which(&self, part: usize, desired: Option<&Desired>) -> (u8, bool) {
        let Some(desired) = desired else { return (0, false) };
        let is_it = |r: &u8, inert: bool| self.state_of(part, *r, inert).as_ref() == Some(desired);
        let find = |inert: bool| (1..4u8).find(|r| is_it(r, inert)).map(|r| (r, inert));
        find(false).or_else(|| find(true)).expect("a state of some release")
    }

    fn state_of(&self, part: usize, release: u8, inert: bool) -> Option<Desired> {
        let r = usize::from(release);
        if !inert {
            return self.desired[r].get(NAMES[part]).cloned();
        }
        self.objects[r].iter().flatten().find(|o| o.component == NAMES[part])?.inert.clone()
    }

    fn world(&self, rules: &Rules, to: u8, seen: Seen, chance: Chance) -> World {
        let mut world = World::default();
        for (m, id) in IDS.iter().enumerate() {
            match seen.migrations[m] {
                1 => world.migrations.insert(id.to_string(), MigrationSeen::Applied),
                2 => world.migrations.insert(id.to_string(), MigrationSeen::Started),
                _ => None,
            };
        }
        if seen.contracted {
            world.migrations.insert(CONTRACT.to_string(), MigrationSeen::Applied);
        }
        if seen.parked {
            world.parked.insert(IDS[0].to_string());
        }
        world.seeds =
            SeedsSeen { as_released: seen.seeds == rules.seeds_of(to), to_undo: seen.seeds_to_undo };
        for (p, part) in seen.parts.iter().enumerate() {
            if let Some(component) = self.component(rules, p, *part) {
                world.components.insert(NAMES[p].to_string(), component);
            }
        }
        if seen.sessions {
            world.sessions.extend([2, 3].map(|r| self.generation(usize::from(!rules.main), r)));
        }
        if seen.old_sessions {
            world.sessions.insert(self.generation(usize::from(!rules.main), 1));
        }
        world.anchor = match seen.anchor {
            Anchor::Absent => AnchorSeen::Absent,
            Anchor::There => AnchorSeen::There,
            Anchor::Foreground | Anchor::Orphan => AnchorSeen::Deleting,
        };
        happen(&mut world, chance);
        world
    }

    /// The supervisor's answer: processes, and what it is about to start.
    fn component(&self, rules: &Rules, p: usize, part: Part) -> Option<ComponentSeen> {
        let kind = rules.kind(p);
        let starting = part.acted != part.asked && kind.runs() && !rules.is(Wrong::SupervisorForgetsStarts);
        let alive = part.alive | if starting { 1 << part.acted & !1 } else { 0 };
        if part.asked == 0 && alive == 0 {
            return None;
        }
        Some(ComponentSeen {
            generation: self.state_of(p, part.asked, part.inert).map(|d| d.generation()),
            replicas: u32::from(part.asked > 0 && !part.inert && kind.runs()),
            owner: match part.owner {
                Owned::Nobody => Owner::Nobody,
                Owned::Anchor => Owner::Anchor,
                Owned::Gone => Owner::Other,
            },
            passive: !kind.runs(),
            ready: u32::from(part.asked > 0 && part.alive >> part.asked & 1 == 1),
            alive: (1..4u8).filter(|r| alive >> r & 1 == 1).map(|r| self.generation(p, r)).collect(),
            ..ComponentSeen::default()
        })
    }
}

fn unpacked(statuses: u32, steps: usize) -> Vec<Status> {
    (0..steps).map(|n| STATUSES[(statuses >> (3 * n) & 7) as usize]).collect()
}

fn happen(world: &mut World, chance: Chance) {
    world.verdict = Verdict::Pass;
    match chance {
        Chance::Nothing => {}
        Chance::Aborted => world.abort = true,
        Chance::ForwardUntil => world.clock.forward_until = true,
        Chance::RolloutLate => world.clock.rollout = true,
        Chance::BakePending => world.verdict = Verdict::Pending,
        Chance::BakeRefuses => world.verdict = Verdict::Refuse("too many errors".to_string()),
        Chance::BakeInconclusive => world.verdict = Verdict::Inconclusive("no samples".to_string()),
        Chance::BarrierLate => world.clock.barrier = true,
        Chance::DownUntil => world.clock.down_until = true,
        Chance::UndoLate => world.clock.undo = true,
    }
}

/// What of it is state of the environment; the rest may change without voiding a plan.
fn projection(seen: Seen) -> Seen {
    let parts = seen.parts.map(|p| Part { acted: 0, alive: 0, applied: 0, ..p });
    let anchor = Anchor::Absent;
    Seen { parts, anchor, sessions: false, old_sessions: false, seeds_to_undo: false, ..seen }
}

fn projected(seen: Seen) -> Digest {
    // What is about to be collected is nobody's state.
    let asked = seen.parts.map(|p| if p.owner == Owned::Gone { (0, false) } else { (p.asked, p.inert) });
    Digest::of_value(&(asked, seen.migrations, seen.contracted, seen.seeds, seen.parked))
}

fn small(action: Action) -> Said {
    let status = |s| STATUSES.iter().position(|x| *x == s).expect("every status stands in the table") as u8;
    let ending = |e| ENDINGS.iter().position(|x| *x == e).expect("every ending stands in the table") as u8;
    match action {
        Action::Perform(n) => Said::Perform(n as u8),
        Action::Undo(n) => Said::Undo(n as u8),
        Action::Note(n, s) => Said::Note(n as u8, status(s)),
        Action::Await(_) => Said::Await,
        Action::TurnBack(_) => Said::TurnBack,
        Action::Settle(e) => Said::Settle(ending(e)),
        Action::Hold(_) => Said::Hold,
        Action::Stuck(_) => Said::Stuck,
    }
}
