//! The lines of a tree: steps of a plan that belong together in the eyes of whoever watches.

use super::FINISH;
use nica_effects::event::Outline;
use nica_engine::Effect;
use nica_engine::effect::Desired;
use nica_engine::plan::Status;
use nica_engine::release::{Migration, UndoClass};
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) const VALIDATE: &str = "validate";
pub(super) const BAKE: &str = "bake";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Pending,
    Running,
    Done,
    Failed,
}

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) mark: Mark,
    pub(super) detail: String,
    /// Steps of the plan, and those of them that are not done.
    pub(super) steps: BTreeSet<usize>,
    pub(super) left: BTreeSet<usize>,
    pub(super) began: Option<Duration>,
    pub(super) took: Option<Duration>,
    /// When it should be over.
    pub(super) until: Option<Duration>,
}

impl Group {
    pub(super) fn new(name: &str) -> Group {
        Group {
            name: name.to_string(),
            mark: Mark::Pending,
            detail: String::new(),
            steps: BTreeSet::new(),
            left: BTreeSet::new(),
            began: None,
            took: None,
            until: None,
        }
    }

    fn with(name: &str, detail: String, steps: BTreeSet<usize>) -> Group {
        Group { detail, left: steps.clone(), steps, ..Group::new(name) }
    }

    pub(super) fn start(&mut self, at: Duration) {
        self.began.get_or_insert(at);
        if self.mark == Mark::Pending {
            self.mark = Mark::Running;
        }
    }

    pub(super) fn finish(&mut self, at: Duration) {
        self.end(at, Mark::Done);
    }

    pub(super) fn fail(&mut self, at: Duration) {
        self.end(at, Mark::Failed);
    }

    fn end(&mut self, at: Duration, mark: Mark) {
        self.mark = mark;
        self.until = None;
        self.took = self.began.map(|began| at.saturating_sub(began));
    }
}

/// In the order in which they are done. What was done before somebody took over is done.
pub(super) fn of(outline: &Outline) -> Vec<Group> {
    let mut groups = vec![
        one(outline, "restore point", String::new(), |e| matches!(e, Effect::RestorePoint)),
        one(outline, "migrations", migrations(outline), |e| {
            e.migration().is_some() || matches!(e, Effect::Unpark { .. })
        }),
        one(outline, "seeds", seeds(outline), |e| matches!(e, Effect::Seeds { .. })),
        one(outline, "objects", String::new(), |e| matches!(e, Effect::Anchor | Effect::Create { .. })),
        one(outline, "config", config(outline), |e| configures(e).is_some()),
    ];
    groups.extend(components(outline));
    groups.push(one(outline, VALIDATE, String::new(), |e| matches!(e, Effect::Bake)));
    groups.push(one(outline, BAKE, span(outline.bake), |e| matches!(e, Effect::Bake)));
    groups.push(one(outline, FINISH, String::new(), |e| {
        matches!(e, Effect::Commit | Effect::Delete { .. } | Effect::Unanchor)
    }));
    groups.retain(|group| !group.steps.is_empty());
    // Settling comes after the last step and is no step itself.
    groups.iter_mut().filter(|group| group.name == FINISH).for_each(|group| {
        group.left.insert(usize::MAX);
    });
    for (n, _) in outline.statuses.iter().enumerate().filter(|(_, status)| **status == Status::Done) {
        groups.iter_mut().for_each(|group| {
            group.left.remove(&n);
        });
    }
    groups.iter_mut().filter(|group| group.left.is_empty()).for_each(|group| group.mark = Mark::Done);
    groups
}

fn one(outline: &Outline, name: &str, detail: String, belongs: impl Fn(&Effect) -> bool) -> Group {
    let steps = outline.steps.iter().enumerate().filter(|(_, effect)| belongs(effect));
    Group::with(name, detail, steps.map(|(n, _)| n).collect())
}

fn components(outline: &Outline) -> Vec<Group> {
    let named = outline.steps.iter().filter_map(|effect| match effect {
        Effect::SetDesired { component, .. } => Some(component),
        _ => None,
    });
    let group = |name: &String| {
        one(outline, name, String::new(), |effect| match effect {
            Effect::SetDesired { component, .. } | Effect::Await { component, .. } => component == name,
            _ => false,
        })
    };
    named.map(group).collect()
}

/// `2 expand (1 parking)`
fn migrations(outline: &Outline) -> String {
    let all: Vec<&Migration> = outline.steps.iter().filter_map(Effect::migration).collect();
    let count = |class: UndoClass, word: &str| {
        let n = all.iter().filter(|m| m.class == class).count();
        (n > 0).then(|| format!("{n} {word}"))
    };
    let classes = [
        count(UndoClass::Lossless, "lossless"),
        count(UndoClass::Parking, "parking"),
        count(UndoClass::Sticky, "sticky"),
    ];
    let classes: Vec<String> = classes.into_iter().flatten().collect();
    if all.is_empty() { String::new() } else { format!("{} expand ({})", all.len(), classes.join(", ")) }
}

fn seeds(outline: &Outline) -> String {
    let files = outline.steps.iter().find_map(|effect| match effect {
        Effect::Seeds { files } => Some(files.len()),
        _ => None,
    });
    files.map(|n| format!("{n} file{}", if n == 1 { "" } else { "s" })).unwrap_or_default()
}

/// `backend-6b1d, reader-77aa`
fn config(outline: &Outline) -> String {
    let changed = outline.steps.iter().filter_map(configures);
    let names = changed.map(|(name, desired)| format!("{name}-{}", &desired.generation().0[..4]));
    names.collect::<Vec<_>>().join(", ")
}

/// A component that gets another configuration than it has.
fn configures(effect: &Effect) -> Option<(&str, &Desired)> {
    let Effect::SetDesired { component, desired, before } = effect else { return None };
    let same = before.as_ref().is_some_and(|b| b.config == desired.config && b.secrets == desired.secrets);
    (!same).then_some((component, desired))
}

pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        secs if secs >= 60 && secs % 60 == 0 => format!("{} min", secs / 60),
        secs if secs >= 60 => format!("{} min {} s", secs / 60, secs % 60),
        secs => format!("{secs} s"),
    }
}
