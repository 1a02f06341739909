//! One seed's story: an environment, releases that come one after the other, and what goes wrong meanwhile.

use super::dice::Dice;
use super::place::{Part, Place, Process};
use super::spec::{Known, Spec};
use nica_engine::plan::{OnInconclusive, Plan, Status};
use nica_engine::world::{Clock, Refused, Verdict};
use std::collections::BTreeSet;

pub(crate) struct Story {
    pub(crate) dice: Dice,
    pub(crate) place: Place,
    pub(crate) known: Vec<Known>,
    pub(crate) baseline: Option<usize>,
    /// Migrations that the ledger says were kept, of releases that are not live.
    pub(crate) kept: BTreeSet<String>,
    /// Of those, what may be half-built.
    pub(crate) half_built: BTreeSet<String>,
    pub(crate) clock: Clock,
    pub(crate) verdict: Verdict,
    pub(crate) abort: bool,
    pub(crate) run: Option<Run>,
    /// What the deployer that acts now was answered last; its memory dies with it.
    pub(crate) refused: Option<Refused>,
    pub(crate) trouble: Trouble,
    pub(crate) trace: Option<Vec<String>>,
    pub(crate) ends: Ends,
}

/// The records of an open run, and what the judge notes beside them.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) statuses: Vec<Status>,
    pub(crate) back: bool,
    pub(crate) base: Option<usize>,
    pub(crate) target: usize,
    pub(crate) committed: bool,
    /// A component's `set` to the new release was durably started.
    pub(crate) effective: bool,
    /// Migrations of this run that were ever applied, or begun.
    pub(crate) applied: BTreeSet<String>,
    /// A limit, a session or a lock may keep a migration that would go otherwise.
    pub(crate) excused: bool,
    pub(crate) first_step_began: bool,
    /// The world was changed between plan and open.
    pub(crate) drifted: bool,
}

/// What goes wrong in one run.
#[derive(Default)]
pub(crate) struct Trouble {
    pub(crate) kills: usize,
    pub(crate) kill_percent: usize,
    pub(crate) abort_percent: usize,
    pub(crate) limit_percent: usize,
    pub(crate) drifts: bool,
    /// Somebody else changes a component of this run, by hand, so often.
    pub(crate) meddles: usize,
    /// This step is refused whenever it is tried.
    pub(crate) refuses: Option<usize>,
    /// How many recovery effects are refused.
    pub(crate) refuses_undo: usize,
    pub(crate) verdict: Verdict,
    pub(crate) diagnosed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) live: usize,
    pub(crate) back: usize,
    pub(crate) absent: usize,
    pub(crate) refused: usize,
    pub(crate) kills: usize,
    pub(crate) stuck: usize,
    pub(crate) retained: usize,
    pub(crate) downs: usize,
    pub(crate) unparked: usize,
    pub(crate) decisions: usize,
}

pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) trace: Vec<String>,
}

impl Story {
    /// From a first baseline, or from nothing.
    pub(crate) fn begin(seed: u64, tracing: bool) -> Story {
        let mut dice = Dice::new(seed);
        let mut story = Story {
            place: Place::default(),
            known: Vec::new(),
            baseline: None,
            kept: BTreeSet::new(),
            half_built: BTreeSet::new(),
            clock: Clock::default(),
            verdict: Verdict::Pending,
            abort: false,
            run: None,
            refused: None,
            trouble: Trouble::default(),
            trace: tracing.then(Vec::new),
            ends: Ends::default(),
            dice: Dice::new(0),
        };
        let mut spec = Spec::first(&mut dice);
        story.learn(spec.clone());
        if dice.percent(75) {
            story.is_live_already();
        }
        for _ in 0..1 + dice.below(3) {
            spec = spec.after(&mut dice);
            story.learn(spec.clone());
        }
        story.dice = dice;
        story
    }

    fn learn(&mut self, spec: Spec) {
        let known = spec.known(self.known.len());
        for migration in &known.spec.migrations {
            self.place.classes.insert(migration.id.clone(), migration.class);
        }
        let needs: BTreeSet<String> = known.spec.migrations.iter().map(|m| m.id.clone()).collect();
        for generation in known.generations.values() {
            self.place.needs.entry(generation.clone()).or_insert_with(|| needs.clone());
        }
        self.known.push(known);
    }

    fn is_live_already(&mut self) {
        let known = &self.known[0];
        for (name, desired) in &known.desired {
            let generation = known.generations[name].clone();
            let process = Process { generation: generation.clone(), ready: true };
            let processes = vec![process; desired.replicas as usize];
            let part = Part { asked: Some(desired.clone()), generation: Some(generation), processes };
            self.place.parts.insert(name.clone(), part);
        }
        for migration in &known.spec.migrations {
            self.place.migrations.insert(migration.id.clone(), nica_engine::world::MigrationSeen::Applied);
        }
        self.place.write_seeds(&known.spec.seeds);
        self.place.seeds_before.clear();
        self.baseline = Some(0);
    }

    /// Every release in turn, some of them twice, now and then an older one.
    pub(crate) fn tell(mut self) -> Result<(Ends, Vec<String>), Failure> {
        let first = usize::from(self.baseline.is_some());
        for target in first..self.known.len() {
            self.deploy(target)?;
            if self.dice.percent(40) {
                let again = self.dice.below(self.known.len());
                self.deploy(again)?;
            }
        }
        Ok((self.ends, self.trace.unwrap_or_default()))
    }

    pub(crate) fn draw_trouble(&mut self, plan: &Plan, to: usize) -> Trouble {
        let dice = &mut self.dice;
        let mut trouble = Trouble { verdict: Verdict::Pass, ..Trouble::default() };
        if dice.percent(60) {
            trouble.kills = dice.below(6);
            trouble.kill_percent = *dice.pick(&[3, 10, 30]);
        }
        self.place.crashes = None;
        self.place.hangs = false;
        if dice.percent(35) {
            return trouble;
        }
        trouble.verdict = match dice.below(6) {
            0 | 1 => Verdict::Refuse("too many errors".to_string()),
            2 => Verdict::Inconclusive("no samples".to_string()),
            _ => Verdict::Pass,
        };
        trouble.abort_percent = *dice.pick(&[0, 0, 0, 2, 8]);
        trouble.limit_percent = *dice.pick(&[0, 0, 0, 1, 5]);
        trouble.drifts = dice.percent(4);
        trouble.meddles = *dice.pick(&[0, 0, 0, 0, 0, 1]);
        trouble.refuses = dice.percent(15).then(|| dice.below(plan.steps.len()));
        trouble.refuses_undo = *dice.pick(&[0, 0, 0, 0, 1, 2]);
        self.place.hangs = dice.percent(15);
        if dice.percent(20) {
            let generations: Vec<_> = self.known[to].generations.values().cloned().collect();
            self.place.crashes = Some(dice.pick(&generations).clone());
        }
        trouble
    }

    pub(crate) fn on_inconclusive(&mut self) -> OnInconclusive {
        *self.dice.pick(&[OnInconclusive::Undo, OnInconclusive::Hold])
    }

    pub(crate) fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(what());
        }
    }

    pub(crate) fn fail(&mut self, what: String) -> Failure {
        Failure { what, trace: self.trace.take().unwrap_or_default() }
    }
}

impl Ends {
    pub(crate) fn runs(&self) -> usize {
        self.live + self.back + self.absent + self.refused
    }

    pub(crate) fn add(&mut self, more: &Ends) {
        self.live += more.live;
        self.back += more.back;
        self.absent += more.absent;
        self.refused += more.refused;
        self.kills += more.kills;
        self.stuck += more.stuck;
        self.retained += more.retained;
        self.downs += more.downs;
        self.unparked += more.unparked;
        self.decisions += more.decisions;
    }
}
