//! What every action and every end must be, said without a line of `next` or `undo`.

use super::story::{Failure, Story};
use nica_engine::effect::{Effect, Generation};
use nica_engine::next::{Action, Ending};
use nica_engine::plan::Status;
use nica_engine::release::{Migration, UndoClass};
use nica_engine::world::{MigrationSeen, Verdict, World};
use std::collections::{BTreeMap, BTreeSet};

impl Story {
    /// Direction is monotone, nothing that was just refused is simply tried again, deletions wait for Commit.
    pub(crate) fn judge_action(&mut self, action: &Action, world: &World) -> Result<(), Failure> {
        let refused = self.refused.as_ref().map(|r| r.step);
        let run = self.run_mut();
        if run.back && (world.clock.down_until || world.clock.barrier) {
            run.excused = true;
        }
        let deletes = |n: &usize| matches!(run.plan.steps[*n], Effect::Delete { .. });
        let wrong = match action {
            Action::Perform(_) if run.back => "goes forward after it turned back",
            Action::Undo(_) | Action::TurnBack(_) if run.committed => "goes back after Commit",
            Action::Undo(_) if !run.back => "goes back before the direction is stored",
            Action::TurnBack(_) if run.back => "turns back twice",
            Action::Undo(n) if world.clock.down_until && run.plan.steps[*n].migration().is_some() => {
                "takes a migration down after down_until"
            }
            Action::Perform(n) if deletes(n) && !run.committed => "deletes before Commit",
            Action::Perform(n) if refused == Some(*n) && run.statuses[*n] == Status::Started => {
                "tries again what was refused"
            }
            Action::Undo(n) if refused == Some(*n) && run.statuses[*n] == Status::UndoStarted => {
                "tries to undo again what was refused"
            }
            Action::Note(n, status) if run.statuses[*n] == *status => "notes what is recorded",
            _ => return Ok(()),
        };
        Err(self.fail(format!("{wrong}: {action:?}")))
    }

    pub(crate) fn judge_end(&mut self, ending: Ending) -> Result<(), Failure> {
        let verdict = match ending {
            Ending::Live | Ending::Back | Ending::Absent if self.run().drifted => {
                Err("carried out over a world that it was not planned for".to_string())
            }
            Ending::Live => self.judge_live(),
            Ending::Back if self.run().base.is_some() => self.judge_back(),
            Ending::Absent if self.run().base.is_none() => self.judge_back(),
            Ending::Refused => self.judge_refused(),
            _ => Err(format!("{ending:?} is no end of this run")),
        };
        verdict.map_err(|what| self.fail(format!("{ending:?}: {what}")))
    }

    fn judge_live(&mut self) -> Result<(), String> {
        if !self.run().committed || self.run().back {
            return Err("live without Commit".to_string());
        }
        if self.verdict != Verdict::Pass {
            return Err(format!("live after the verdict {:?}", self.verdict));
        }
        let target = self.run().target;
        self.components_are(Some(target))?;
        let wanted: BTreeSet<String> = ids(&self.known[target].spec.migrations);
        self.half_built.retain(|id| !wanted.contains(id));
        self.migrations_are(&(&wanted | &self.stays_from_before()))?;
        if let Some((id, _)) = self.place.attic.keys().find(|(id, _)| wanted.contains(id)) {
            return Err(format!("values of {id} still wait in the attic"));
        }
        self.seeds_are(Some(target))?;
        self.kept = &self.stays_from_before() - &wanted;
        self.baseline = Some(target);
        Ok(())
    }

    fn judge_back(&mut self) -> Result<(), String> {
        if self.run().committed || !self.run().back {
            return Err("back after Commit, or without a direction".to_string());
        }
        let base = self.run().base;
        self.components_are(base)?;
        let retained = self.judge_retained()?;
        let run = self.run.as_ref().expect("a run is open");
        let no_way_back = run.plan.steps.iter().filter_map(|e| e.migration());
        let no_way_back = no_way_back.filter(|m| run.excused || m.down.is_none()).map(|m| m.id.clone());
        self.half_built.extend(no_way_back.filter(|id| retained.contains(id)));
        self.migrations_are(&(&retained | &self.stays_from_before()))?;
        self.seeds_are(base)?;
        self.kept.extend(retained);
        Ok(())
    }

    /// Nothing outside NICA's own schema was written.
    fn judge_refused(&mut self) -> Result<(), String> {
        if self.run().first_step_began || !self.run().drifted {
            return Err("refused without reason, or after a step".to_string());
        }
        self.somebody_scales(-1);
        if self.projection() != self.run().plan.projection {
            return Err("something was written".to_string());
        }
        Ok(())
    }

    /// Migrations of the baseline, and what the ledger said was kept; but what was kept half-built and is taken up
    /// by this run is this run's.
    fn stays_from_before(&self) -> BTreeSet<String> {
        let base = self.run().base.map(|b| ids(&self.known[b].spec.migrations));
        let steps = self.run().plan.steps.iter().filter_map(|e| e.migration());
        let taken_up: BTreeSet<String> = steps.map(|m| m.id.clone()).collect();
        &(&base.unwrap_or_default() | &self.kept) - &taken_up
    }

    /// What is kept is what must be, and where nothing excuses it, nothing more.
    fn judge_retained(&self) -> Result<BTreeSet<String>, String> {
        let run = self.run();
        let steps: Vec<(&Migration, Status)> = run
            .plan
            .steps
            .iter()
            .zip(&run.statuses)
            .filter_map(|(e, s)| e.migration().map(|m| (m, *s)))
            .collect();
        let retained: Vec<&str> =
            steps.iter().filter(|(_, s)| *s == Status::Retained).map(|(m, _)| m.id.as_str()).collect();
        let prefix: Vec<&str> = steps.iter().take(retained.len()).map(|(m, _)| m.id.as_str()).collect();
        if retained != prefix {
            return Err(format!("{retained:?} is kept, which is no prefix"));
        }
        let must = steps.iter().rposition(|(m, _)| {
            let effective = run.effective && (m.class == UndoClass::Sticky || run.base.is_none());
            run.applied.contains(&m.id) && (effective || m.down.is_none())
        });
        let least = must.map_or(0, |last| last + 1);
        if retained.len() < least || (retained.len() > least && !run.excused) {
            return Err(format!("{retained:?} is kept, of {:?} the first {least} must be", run.applied));
        }
        if run.effective && !run.excused && retained != run.plan.keeps {
            return Err(format!("{retained:?} is kept, the plan named {:?}", run.plan.keeps));
        }
        Ok(retained.into_iter().map(str::to_string).collect())
    }

    fn migrations_are(&self, wanted: &BTreeSet<String>) -> Result<(), String> {
        let seen: BTreeSet<String> = self.place.migrations.keys().cloned().collect();
        // An index that cannot be dropped stays as it is; the next release that has it builds on.
        let whole = |id: &String| !self.half_built.contains(id);
        let half = self.place.migrations.iter().find(|(id, s)| **s == MigrationSeen::Started && whole(id));
        match half {
            Some((id, _)) => Err(format!("{id} is half-built")),
            None if seen != *wanted => Err(format!("migrations are {seen:?}, not {wanted:?}")),
            None => Ok(()),
        }
    }

    fn seeds_are(&self, release: Option<usize>) -> Result<(), String> {
        let wanted = release.map(|r| self.known[r].spec.seeds.clone()).unwrap_or_default();
        if self.place.seeds_are(&wanted) {
            return Ok(());
        }
        Err(format!("seed rows are {:?}, not {wanted:?}", self.place.seeds))
    }

    /// What the target was asked for, and which programs run: at once. How many: when it has come to rest.
    fn components_are(&mut self, release: Option<usize>) -> Result<(), String> {
        let known = release.map(|r| &self.known[r]);
        let wanted = known.map(|k| k.generations.clone()).unwrap_or_default();
        let wrong = |name: &String, g: &Generation| wanted.get(name) != Some(g);
        for (name, part) in &self.place.parts {
            if let Some(alive) = part.processes.iter().find(|p| wrong(name, &p.generation)) {
                return Err(format!("{name} still runs {}", alive.generation));
            }
            if part.generation.as_ref() != wanted.get(name) {
                return Err(format!("{name} is asked for {:?}", part.generation));
            }
        }
        let serves = |name: &String| {
            let ready =
                self.place.parts.get(name).map_or(0, |p| p.processes.iter().filter(|p| p.ready).count());
            known.is_none_or(|k| ready as u32 >= k.replicas(name))
        };
        if let Some(name) = wanted.keys().find(|name| !serves(name)) {
            return Err(format!("{name} does not serve yet"));
        }
        self.comes_to_rest();
        let replicas = |name: &str| release.map_or(0, |r| self.known[r].replicas(name));
        let running: BTreeMap<&String, u32> = self
            .place
            .parts
            .iter()
            .map(|(name, part)| (name, part.processes.iter().filter(|p| p.ready).count() as u32))
            .collect();
        let wanted: BTreeMap<&String, u32> = wanted.keys().map(|name| (name, replicas(name))).collect();
        if running != wanted { Err(format!("{running:?} run, not {wanted:?}")) } else { Ok(()) }
    }

    fn comes_to_rest(&mut self) {
        self.place.crashes = None;
        for _ in 0..60 {
            self.place.moves(&mut self.dice);
        }
    }
}

fn ids(migrations: &[Migration]) -> BTreeSet<String> {
    migrations.iter().map(|m| m.id.clone()).collect()
}
