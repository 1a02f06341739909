//! A run of one release: observe, `next`, perform with a death at any point, until it settles.

use super::spec::target;
use super::story::{Failure, Run, Story};
use nica_engine::canonical::Digest;
use nica_engine::effect::Effect;
use nica_engine::next::{Action, Direction, Ending, Waiting, next};
use nica_engine::plan::{Status, plan};
use nica_engine::world::{Clock, ComponentSeen, MigrationSeen, Refused, SeedsSeen, Verdict, World};
use std::collections::BTreeSet;

const DECISIONS_MAX: usize = 2000;

/// Whether the deployer lives after a step of its own.
#[derive(PartialEq, Eq)]
enum Lives {
    On,
    Killed,
}

impl Story {
    pub(crate) fn deploy(&mut self, to: usize) -> Result<(), Failure> {
        let on_inconclusive = self.on_inconclusive();
        let projection = self.projection();
        let world = self.see(to);
        let known = &self.known[to];
        let baseline = self.baseline.map(|b| self.known[b].live());
        let plan =
            plan(target(&known.release, baseline, &known.secrets, on_inconclusive, projection), &world);
        if plan.is_empty() {
            return Ok(());
        }
        self.trouble = self.draw_trouble(&plan, to);
        self.say(|| format!("opens {to} over {world:?}"));
        for (n, effect) in plan.steps.iter().enumerate() {
            self.say(|| format!("  {n}: {}", short(effect)));
        }
        (self.clock, self.verdict, self.abort, self.refused) =
            (Clock::default(), Verdict::Pending, false, None);
        self.run = Some(Run {
            statuses: vec![Status::Pending; plan.steps.len()],
            plan,
            back: false,
            base: self.baseline,
            target: to,
            committed: false,
            effective: false,
            applied: BTreeSet::new(),
            excused: false,
            first_step_began: false,
            drifted: false,
        });
        if self.trouble.drifts {
            self.somebody_scales(1);
            self.run_mut().drifted = self.projection() != self.run().plan.projection;
        }
        self.carry_out(to)
    }

    fn carry_out(&mut self, to: usize) -> Result<(), Failure> {
        for _ in 0..DECISIONS_MAX {
            self.ends.decisions += 1;
            self.something_happens();
            let world = self.see(to);
            let action = self.decide(&world);
            self.say(|| format!("{action:?}"));
            self.judge_action(&action, &world)?;
            if let Action::Settle(ending) = action {
                return self.settle(ending);
            }
            if self.act(action)? == Lives::Killed {
                self.die();
            }
            self.place.values_are_kept();
            if let Some(broken) = self.place.broken.take() {
                return Err(self.fail(broken));
            }
        }
        Err(self.fail("does not settle".to_string()))
    }

    fn decide(&self, world: &World) -> Action {
        let run = self.run();
        let direction = if run.back { Direction::Back } else { Direction::Forward };
        next(&run.plan, &run.statuses, direction, world)
    }

    fn act(&mut self, action: Action) -> Result<Lives, Failure> {
        match action {
            Action::Perform(n) => self.perform(n),
            Action::Undo(n) => self.undo(n),
            Action::Note(n, status) => self.record(n, status),
            Action::TurnBack(_) => {
                self.run_mut().back = true;
                Ok(self.may_die())
            }
            Action::Await(waiting) => Ok(self.wait(&waiting)),
            Action::Hold(_) => {
                if self.dice.percent(50) {
                    self.abort = true;
                } else {
                    self.verdict = Verdict::Pass;
                }
                Ok(Lives::On)
            }
            Action::Stuck(_) => {
                self.ends.stuck += 1;
                self.somebody_helps();
                Ok(Lives::Killed)
            }
            Action::Settle(_) => unreachable!("settled before"),
        }
    }

    fn perform(&mut self, n: usize) -> Result<Lives, Failure> {
        if self.may_die() == Lives::Killed || self.record(n, Status::Started)? == Lives::Killed {
            return Ok(Lives::Killed);
        }
        if self.dies_while_in_flight(n, false)? == Lives::Killed {
            return Ok(Lives::Killed);
        }
        match self.apply(n) {
            Ok(()) => self.record(n, Status::Done),
            Err(why) => Ok(self.is_refused(n, why)),
        }
    }

    fn undo(&mut self, n: usize) -> Result<Lives, Failure> {
        if self.may_die() == Lives::Killed || self.record(n, Status::UndoStarted)? == Lives::Killed {
            return Ok(Lives::Killed);
        }
        if self.dies_while_in_flight(n, true)? == Lives::Killed {
            return Ok(Lives::Killed);
        }
        match self.take_back(n) {
            Ok(()) => self.record(n, Status::Undone),
            Err(why) => Ok(self.is_refused(n, why)),
        }
    }

    fn is_refused(&mut self, step: usize, why: String) -> Lives {
        self.say(|| format!("  refused: {why}"));
        self.refused = Some(Refused { step, why });
        self.may_die()
    }

    /// Killed after sending: the effect comes true before the next deployer is admitted, or never.
    fn dies_while_in_flight(&mut self, n: usize, back: bool) -> Result<Lives, Failure> {
        if self.may_die() == Lives::On {
            return Ok(Lives::On);
        }
        if self.dice.percent(50) {
            self.say(|| "  (it was applied, nobody heard)".to_string());
            let applied = if back { self.take_back(n) } else { self.apply(n) };
            let in_transaction = self.is_transaction(n);
            if applied.is_ok() && in_transaction {
                self.record(n, if back { Status::Undone } else { Status::Done })?;
            }
        }
        Ok(Lives::Killed)
    }

    /// The status of a step that is one transaction is written in it.
    fn is_transaction(&self, n: usize) -> bool {
        matches!(self.run().plan.steps[n], Effect::Sql { .. } | Effect::Seeds { .. } | Effect::Commit)
    }

    fn record(&mut self, n: usize, status: Status) -> Result<Lives, Failure> {
        let run = self.run_mut();
        let was = run.statuses[n];
        if !was.may_become(status) {
            return Err(self.fail(format!("step {n} was {was:?} and shall be {status:?}")));
        }
        run.statuses[n] = status;
        run.first_step_began = true;
        let effect = run.plan.steps[n].clone();
        match (status, &effect) {
            (Status::Started, Effect::SetDesired { .. }) => self.run_mut().effective = true,
            // Of a component that somebody else changed, records cannot tell whether we had: migrations may stay.
            (Status::UndoStarted, Effect::SetDesired { .. }) if was == Status::Pending => {
                self.run_mut().excused = true;
            }
            _ => {}
        }
        if let (Status::Started, Effect::SqlConverge { migration }) = (status, effect) {
            self.run_mut().applied.insert(migration.id.clone());
            self.place.migrations.entry(migration.id).or_insert(MigrationSeen::Started);
        }
        Ok(self.may_die())
    }

    fn apply(&mut self, n: usize) -> Result<(), String> {
        if self.trouble.refuses == Some(n) && !self.run().committed {
            return Err("the server said no".to_string());
        }
        match self.run().plan.steps[n].clone() {
            Effect::RestorePoint => {}
            Effect::Sql { migration } => {
                self.table_lock(15)?;
                self.run_mut().applied.insert(migration.id.clone());
                self.place.migrations.insert(migration.id, MigrationSeen::Applied);
            }
            Effect::SqlConverge { migration } => {
                self.place.migrations.insert(migration.id, MigrationSeen::Applied);
            }
            Effect::Unpark { migration, .. } => {
                self.ends.unparked += 1;
                while !self.place.unpark_batch(&migration) && !self.dice.percent(10) {}
            }
            Effect::Seeds { .. } => {
                let wanted = self.known[self.run().target].spec.seeds.clone();
                self.place.write_seeds(&wanted);
            }
            Effect::SetDesired { component, desired, .. } => {
                self.clock.rollout = false;
                self.ask_target(&component, Some(desired));
            }
            Effect::Commit => self.run_mut().committed = true,
            Effect::Delete { component, .. } => {
                self.refuse_undo()?;
                self.ask_target(&component, None);
            }
            Effect::Anchor | Effect::Create { .. } | Effect::Unanchor => {
                return Err("a supervisor has no objects".to_string());
            }
            Effect::Await { .. } | Effect::Bake => return Err("nothing is performed by waiting".to_string()),
        }
        Ok(())
    }

    fn take_back(&mut self, n: usize) -> Result<(), String> {
        match self.run().plan.steps[n].clone() {
            Effect::Sql { migration } => {
                self.table_lock(15).inspect_err(|_| self.run_mut().excused = true)?;
                self.refuse_undo().inspect_err(|_| self.run_mut().excused = true)?;
                self.down(&migration.id);
            }
            Effect::SqlConverge { migration } => {
                self.refuse_undo().inspect_err(|_| self.run_mut().excused = true)?;
                self.down(&migration.id);
            }
            Effect::Seeds { .. } => {
                self.refuse_undo()?;
                self.place.undo_seeds();
            }
            Effect::SetDesired { component, before, .. } => {
                self.refuse_undo()?;
                self.ask_target(&component, before);
            }
            other => return Err(format!("{other:?} has no undo")),
        }
        Ok(())
    }

    fn down(&mut self, id: &str) {
        self.ends.downs += 1;
        if let Some(generation) = self.place.writers(id) {
            let broken = format!("down of {id} while {generation} can commit");
            self.place.broken.get_or_insert(broken);
        }
        self.place.drop_column(id);
    }

    fn table_lock(&mut self, percent: usize) -> Result<(), String> {
        let busy = !self.place.transactions.is_empty();
        if busy && self.dice.percent(percent) { Err("lock not available".to_string()) } else { Ok(()) }
    }

    fn refuse_undo(&mut self) -> Result<(), String> {
        if self.trouble.refuses_undo == 0 {
            return Ok(());
        }
        self.trouble.refuses_undo -= 1;
        Err("the server said no".to_string())
    }

    fn wait(&mut self, waiting: &Waiting) -> Lives {
        for _ in 0..6 {
            self.place.moves(&mut self.dice);
        }
        match waiting {
            Waiting::Rollout(_) if self.place.crashes.is_some() => {
                self.trouble.diagnosed |= self.dice.percent(20);
                self.clock.rollout |= self.dice.percent(5);
            }
            Waiting::BaselineServes(_) if self.place.crashes.is_some() => {
                self.trouble.diagnosed |= self.dice.percent(20);
                self.clock.undo |= self.dice.percent(10);
            }
            Waiting::Bake(_) if self.dice.percent(50) => self.verdict = self.trouble.verdict.clone(),
            Waiting::Barrier if self.place.something_hangs() => self.clock.barrier |= self.dice.percent(20),
            _ => {}
        }
        self.may_die()
    }

    /// Limits pass, and people change their minds, whatever a deployer does.
    fn something_happens(&mut self) {
        if self.dice.percent(30) {
            self.place.moves(&mut self.dice);
        }
        self.somebody_meddles();
        if self.dice.percent(self.trouble.abort_percent) {
            self.abort = true;
        }
        if self.dice.percent(self.trouble.limit_percent) {
            match self.dice.below(5) {
                0 => self.clock.forward_until = true,
                1 => self.clock.rollout = true,
                2 => self.clock.barrier = true,
                3 => self.clock.undo = true,
                _ => (self.clock.forward_until, self.clock.down_until) = (true, true),
            }
        }
    }

    /// Outside the promise: it is seen, and forced back.
    fn somebody_meddles(&mut self) {
        let run = self.run();
        if self.trouble.meddles == 0 || run.committed || !run.first_step_began || !self.dice.percent(10) {
            return;
        }
        let changed = self.run().plan.steps.iter().find_map(|e| match e {
            Effect::SetDesired { component, before: Some(_), .. } => Some(component.clone()),
            _ => None,
        });
        let Some(name) = changed else { return };
        self.trouble.meddles -= 1;
        self.say(|| format!("  somebody scales {name}"));
        if let Some(desired) = self.place.parts.get_mut(&name).and_then(|p| p.asked.as_mut()) {
            desired.replicas += 1;
        }
    }

    fn may_die(&mut self) -> Lives {
        if self.trouble.kills == 0 || !self.dice.percent(self.trouble.kill_percent) {
            return Lives::On;
        }
        self.trouble.kills -= 1;
        Lives::Killed
    }

    /// Somebody else takes over, later. What only the dead one knew is gone.
    fn die(&mut self) {
        self.ends.kills += 1;
        self.say(|| "  dies; another takes over".to_string());
        (self.refused, self.clock.undo) = (None, false);
        for _ in 0..self.dice.below(6) {
            self.place.moves(&mut self.dice);
        }
        if self.dice.percent(20) {
            self.place.hung_sessions_end();
        }
    }

    /// What made the run stuck is seen to, sooner or later, from outside.
    fn somebody_helps(&mut self) {
        if self.dice.percent(50) {
            self.place.crashes = None;
            self.trouble.diagnosed = false;
        }
    }

    pub(crate) fn see(&self, to: usize) -> World {
        let place = &self.place;
        let mut world = World {
            migrations: place.migrations.clone(),
            parked: place.attic.keys().map(|(id, _)| id.clone()).collect(),
            sessions: place.transactions.iter().map(|t| t.generation.clone()).collect(),
            clock: self.clock,
            verdict: self.verdict.clone(),
            abort: self.abort,
            refused: self.refused.clone(),
            ..World::default()
        };
        world.seeds = SeedsSeen {
            as_released: place.seeds_are(&self.known[to].spec.seeds),
            to_undo: !place.seeds_before.is_empty(),
        };
        for (name, part) in &place.parts {
            let of_asked = |p: &&super::place::Process| Some(&p.generation) == part.generation.as_ref();
            let crashes = part.generation.is_some() && part.generation == place.crashes;
            let seen = ComponentSeen {
                generation: part.generation.clone(),
                replicas: part.asked.as_ref().map_or(0, |d| d.replicas),
                ready: part.processes.iter().filter(of_asked).filter(|p| p.ready).count() as u32,
                alive: part.processes.iter().map(|p| p.generation.clone()).collect(),
                doomed: (crashes && self.trouble.diagnosed).then(|| "crash loop".to_string()),
                ..ComponentSeen::default()
            };
            world.components.insert(name.clone(), seen);
        }
        if let Some(run) = &self.run {
            world.drifted = run.first_step_began || self.projection() != run.plan.projection;
        }
        world
    }

    pub(crate) fn projection(&self) -> Digest {
        let place = &self.place;
        let asked: Vec<_> = place
            .parts
            .iter()
            .map(|(name, p)| (name, &p.generation, p.asked.as_ref().map(|d| d.replicas)))
            .collect();
        let applied: Vec<_> = place.migrations.iter().collect();
        let seeds: Vec<_> = place.seeds.iter().map(|(k, r)| (k, r.value, r.retired)).collect();
        Digest::of_value(&(asked, applied, seeds))
    }

    fn ask_target(&mut self, component: &str, desired: Option<nica_engine::effect::Desired>) {
        let part = self.place.parts.entry(component.to_string()).or_default();
        part.generation = desired.as_ref().map(|d| d.generation());
        part.asked = desired;
        if part.asked.is_none() && part.processes.is_empty() {
            self.place.parts.remove(component);
        }
    }

    /// By hand, between plan and open; and back again.
    pub(crate) fn somebody_scales(&mut self, by: i64) {
        if let Some(desired) = self.place.parts.values_mut().find_map(|p| p.asked.as_mut()) {
            desired.replicas = (i64::from(desired.replicas) + by) as u32;
        }
    }

    pub(crate) fn run(&self) -> &Run {
        self.run.as_ref().expect("a run is open")
    }

    pub(crate) fn run_mut(&mut self) -> &mut Run {
        self.run.as_mut().expect("a run is open")
    }

    fn settle(&mut self, ending: Ending) -> Result<(), Failure> {
        self.judge_end(ending)?;
        let run = self.run.take().expect("a run is open");
        let retained = run.plan.steps.iter().zip(&run.statuses).filter(|(_, s)| **s == Status::Retained);
        self.ends.retained += retained.count();
        match ending {
            Ending::Live => self.ends.live += 1,
            Ending::Back => self.ends.back += 1,
            Ending::Absent => self.ends.absent += 1,
            Ending::Refused => self.ends.refused += 1,
            Ending::Superseded | Ending::Contracted | Ending::Accepted => {}
        }
        self.place.seeds_before.clear();
        Ok(())
    }
}

fn short(effect: &Effect) -> String {
    match effect {
        Effect::Sql { migration } | Effect::SqlConverge { migration } => {
            format!("{} {:?}, transaction: {}", migration.id, migration.class, migration.transactional)
        }
        Effect::SetDesired { component, desired, .. } => format!("set {component} {}", desired.generation()),
        Effect::Delete { component, .. } => format!("delete {component}"),
        other => format!("{other:?}"),
    }
}
