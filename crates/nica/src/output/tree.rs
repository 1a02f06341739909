//! A run as a tree that grows, as data: a state that each thing told changes, `tell(state, at, told) -> state`.
//!
//! Nothing is known here of terminals or clocks. How a state looks stands in `draw`; `at` is the time since the
//! command began, so that a whole session can be told in a test.

mod draw;
mod group;

pub(super) use draw::{Size, draw};

use group::{Group, Mark};
use nica_effects::event::{Event, Outline, certifying_words};
use nica_engine::Effect;
use nica_engine::next::Ending;
use std::sync::Arc;
use std::time::Duration;

/// What a tree is told.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Event(Event),
    /// A signal came: the running effect is finished and nothing new begins.
    Interrupted,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    /// `2026.11.3 → prod`, before more is known.
    words: String,
    run: Option<String>,
    outline: Arc<Outline>,
    groups: Vec<Group>,
    failed: Option<Failed>,
    undo: Option<Undo>,
    interrupted: bool,
    ending: Option<Ending>,
}

/// Why the run turned back.
#[derive(Clone, Debug)]
struct Failed {
    reason: String,
    component: Option<String>,
    log: Vec<String>,
}

/// The way back.
#[derive(Clone, Debug)]
struct Undo {
    since: Duration,
    took: Option<Duration>,
    /// `backend back`, `0042_tag down`.
    parts: Vec<String>,
    waits_for: Option<String>,
}

const CERTIFY: &str = "certify";
const ADMITTED: &str = "admitted";
const FINISH: &str = "finish";

impl Tree {
    pub(super) fn new(words: &str) -> Tree {
        Tree { words: words.to_string(), groups: vec![Group::new(ADMITTED)], ..Tree::default() }
    }

    pub(super) fn tell(mut self, at: Duration, told: &Told) -> Tree {
        match told {
            Told::Event(event) => self.event(at, event),
            Told::Interrupted => self.interrupted = true,
        }
        self
    }

    fn event(&mut self, at: Duration, event: &Event) {
        match event {
            Event::Certifying { migrations } => self.certifying(at, *migrations),
            Event::Certified { .. } => self.certified(at),
            Event::Opened { run, outline } | Event::Resumed { run, outline, .. } => {
                self.begin(at, run, outline)
            }
            Event::Admitted { fence, participants } => {
                self.admitted(at, format!("fence {fence} at {}", participants.join(", ")));
            }
            Event::Readmitted { fence, why } => self.admitted(at, format!("again, as fence {fence}: {why}")),
            Event::Started { n, undo: false, .. } => self.started(at, *n),
            Event::Done { n, undo: false, .. } => self.done(at, *n),
            Event::Started { n, undo: true, .. } => self.undo_waits_for(self.undo_words(*n, Tense::Running)),
            Event::Done { n, undo: true, .. } => self.undone(self.undo_words(*n, Tense::Done)),
            Event::Retained { n, .. } => self.undone(self.undo_words(*n, Tense::Kept)),
            Event::Waiting { what } if self.undo.is_some() => {
                self.undo_waits_for(Some(format!("waiting for {what}")));
            }
            Event::Waiting { what } => self.running(at, |group| group.detail = format!("waiting for {what}")),
            Event::Rollout { component, ready, replicas, old } => {
                let draining = if *old == 0 { String::new() } else { format!("   {old} old draining") };
                self.run_group(at, component, format!("{ready}/{replicas} ready{draining}"));
            }
            Event::Bake { seconds, of, note } => self.bake(at, *seconds, *of, note),
            Event::TurnedBack { reason, component, log } => {
                self.turn(
                    at,
                    Failed { reason: reason.clone(), component: component.clone(), log: log.clone() },
                );
            }
            Event::Settled { ending, .. } => self.settled(at, *ending),
            Event::Anchored { entries, last } => {
                self.anchored(at, format!("ledger entry {entries}, {}", last.short()));
            }
        }
    }

    fn certifying(&mut self, at: Duration, migrations: usize) {
        if self.group(CERTIFY).is_none() {
            self.groups.insert(0, Group::new(CERTIFY));
        }
        self.run_group(at, CERTIFY, certifying_words(migrations));
    }

    fn certified(&mut self, at: Duration) {
        if let Some(n) = self.group(CERTIFY) {
            self.groups[n].finish(at);
        }
    }

    fn begin(&mut self, at: Duration, run: &str, outline: &Arc<Outline>) {
        let before = |group: &Group| group.name == CERTIFY || group.name == ADMITTED;
        self.groups.retain(before);
        self.run = Some(run.to_string());
        self.outline = Arc::clone(outline);
        self.groups.extend(group::of(outline));
        if let Some(reason) = outline.turned.clone() {
            self.turn(at, Failed { reason, component: None, log: Vec::new() });
        }
    }

    fn admitted(&mut self, at: Duration, detail: String) {
        if let Some(n) = self.group(ADMITTED) {
            self.groups[n].detail = detail;
            self.groups[n].mark = Mark::Done;
            self.groups[n].began = Some(at);
        }
    }

    fn started(&mut self, at: Duration, n: usize) {
        let of_step = self.groups.iter_mut().filter(|group| group.steps.contains(&n));
        of_step.for_each(|group| group.start(at));
    }

    fn done(&mut self, at: Duration, n: usize) {
        for group in self.groups.iter_mut().filter(|group| group.steps.contains(&n)) {
            group.start(at);
            group.left.remove(&n);
            if group.left.is_empty() {
                group.finish(at);
            }
        }
        if let Some(Effect::Await { component, replicas, .. }) = self.outline.steps.get(n) {
            let (name, detail) = (component.clone(), format!("{replicas}/{replicas} ready"));
            self.run_group(at, &name, detail);
        }
    }

    fn group(&self, name: &str) -> Option<usize> {
        self.groups.iter().position(|group| group.name == name)
    }

    fn run_group(&mut self, at: Duration, name: &str, detail: String) {
        if let Some(n) = self.group(name) {
            self.groups[n].start(at);
            self.groups[n].detail = detail;
        }
    }

    /// The group that is being done.
    fn running(&mut self, at: Duration, change: impl Fn(&mut Group)) {
        if let Some(group) = self.groups.iter_mut().find(|group| group.mark == Mark::Running) {
            group.start(at);
            change(group);
        }
    }

    fn bake(&mut self, at: Duration, seconds: f64, of: f64, note: &str) {
        self.run_group(at, group::VALIDATE, note.to_string());
        self.run_group(at, group::BAKE, String::new());
        if let Some(n) = self.group(group::BAKE) {
            self.groups[n].until = Some(at + Duration::from_secs_f64((of - seconds).max(0.0)));
        }
    }

    /// The named component is at fault, else whatever was being done.
    fn turn(&mut self, at: Duration, failed: Failed) {
        let named = failed.component.as_deref().and_then(|name| self.group(name));
        // Named by what its replicas counted: then the bake is where it failed.
        let named = named.filter(|n| self.groups[*n].mark != Mark::Done);
        let running = self.groups.iter().position(|group| group.mark == Mark::Running);
        if let Some(n) = named.or(running) {
            self.groups[n].fail(at);
        }
        // What else was under way is over without a result of its own.
        let open = self.groups.iter_mut().filter(|group| group.mark == Mark::Running);
        open.for_each(|group| group.mark = Mark::Pending);
        self.failed = Some(failed);
        self.undo = Some(Undo { since: at, took: None, parts: Vec::new(), waits_for: None });
    }

    fn undo_waits_for(&mut self, words: Option<String>) {
        if let Some(undo) = &mut self.undo {
            undo.waits_for = words;
        }
    }

    fn undone(&mut self, words: Option<String>) {
        if let Some(undo) = &mut self.undo {
            undo.waits_for = None;
            undo.parts.extend(words);
        }
    }

    fn undo_words(&self, n: usize, tense: Tense) -> Option<String> {
        Some(match (self.outline.steps.get(n)?, tense) {
            (Effect::SetDesired { component, before: None, .. }, Tense::Done) => format!("{component} gone"),
            (Effect::SetDesired { component, .. }, Tense::Done) => format!("{component} back"),
            (Effect::SetDesired { component, .. }, _) => format!("asking {component} back"),
            (Effect::Anchor, Tense::Done) => "created objects gone".to_string(),
            (Effect::Anchor, _) => "taking created objects away".to_string(),
            (Effect::Seeds { .. }, Tense::Done) => "seeds back".to_string(),
            (Effect::Seeds { .. }, _) => "taking seeds back".to_string(),
            (effect, tense) => {
                let id = &effect.migration()?.id;
                match tense {
                    Tense::Running => format!("taking {id} down"),
                    Tense::Done => format!("{id} down"),
                    Tense::Kept => format!("{id} kept"),
                }
            }
        })
    }

    fn settled(&mut self, at: Duration, ending: Ending) {
        self.ending = Some(ending);
        if let Some(undo) = &mut self.undo {
            undo.took = Some(at.saturating_sub(undo.since));
            undo.waits_for = None;
        }
        if let Some(n) = self.group(FINISH).filter(|_| ending == Ending::Live) {
            self.groups[n].start(at);
            self.groups[n].finish(at);
        }
    }

    fn anchored(&mut self, at: Duration, words: String) {
        match &mut self.undo {
            Some(undo) => undo.parts.push(words),
            None => self.run_group(at, FINISH, words),
        }
    }
}

#[derive(Clone, Copy)]
enum Tense {
    Running,
    Done,
    Kept,
}

#[cfg(test)]
mod tests;
