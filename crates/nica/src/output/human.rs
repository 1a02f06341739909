//! What people read: a plan as a diff, a run as one line per change.

pub(super) mod acceptance;
pub(super) mod gates;

use super::{Output, screen};
use nica_effects::event::{Event, certifying_words};
use nica_engine::ledger::Waiver;
use nica_engine::next::Ending;
use nica_engine::release::Phase;
use nica_engine::{Effect, Plan};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

#[expect(clippy::print_stdout, reason = "this is the output module")]
pub(super) fn result(text: &str) {
    screen::finish();
    println!("{}", text.trim_end());
}

#[expect(clippy::print_stderr, reason = "this is the output module")]
pub(super) fn progress(text: &str) {
    screen::finish();
    eprintln!("{text}");
}

/// A run as it goes: a line for each thing that changed, none for what is the same as before.
pub(super) struct Live {
    output: Output,
    words: String,
    last: Mutex<BTreeMap<&'static str, String>>,
}

impl Live {
    pub(super) fn new(output: Output, words: String) -> Live {
        Live { output, words, last: Mutex::default() }
    }

    pub(super) fn tell(&self, event: &Event) {
        if let Some((kind, line)) = self.line(event) {
            let mut last = self.last.lock().expect("no panic while a line is written");
            if last.insert(kind, line.clone()).as_ref() != Some(&line) {
                progress(&line);
            }
        }
    }

    fn line(&self, event: &Event) -> Option<(&'static str, String)> {
        let line = match event {
            Event::Certifying { migrations } => {
                self.mark('▸', "certifying", &certifying_words(*migrations), None)
            }
            Event::Certified { migrations, ms } => {
                self.mark('✓', "certified", &certifying_words(*migrations), Some(*ms))
            }
            Event::Opened { run, .. } => format!("deploy {}   run {run}", self.words),
            Event::Resumed { run, direction, .. } => format!("run {run} was left open, going {direction}"),
            Event::Admitted { fence, participants } => {
                self.mark('✓', "admitted", &format!("fence {fence} at {}", participants.join(", ")), None)
            }
            Event::Done { what, undo, ms, .. } => {
                let mark = if *undo { '↺' } else { '✓' };
                let (name, rest) = what.split_once(' ').unwrap_or((what, ""));
                self.mark(mark, name, rest, Some(*ms))
            }
            Event::Retained { what, .. } => self.mark('=', "kept", what, None),
            Event::Rollout { component, ready, replicas, old } => {
                let rest = match old {
                    0 => format!("{ready}/{replicas} ready"),
                    old => format!("{ready}/{replicas} ready   {old} old draining"),
                };
                self.mark('▸', component, &rest, None)
            }
            Event::Bake { seconds, of, note } => {
                // Whole seconds, so that a log without a terminal gets a line a second and not twenty.
                self.mark('▸', "bake", format!("{} of {of:.0} s   {note}", *seconds as u64).trim_end(), None)
            }
            Event::Waiting { what } => self.mark('·', "waiting", &format!("for {what}"), None),
            Event::TurnedBack { reason, component, log } => format!(
                "{}{}\n  = next: the release is being taken back",
                self.mark('✗', "refused", reason, None),
                last_words(component.as_deref(), log)
            ),
            Event::Readmitted { fence, why } => {
                self.mark('·', "admitted", &format!("again as fence {fence}: {why}"), None)
            }
            Event::Anchored { entries, last } => {
                self.mark('✓', "ledger", &format!("entry {entries}, {}", last.short()), None)
            }
            Event::Started { .. } | Event::Settled { .. } => return None,
        };
        Some((kind(event), line))
    }

    fn mark(&self, mark: char, name: &str, rest: &str, ms: Option<u64>) -> String {
        let time = ms.map(|ms| format!("{:>8.1} s", ms as f64 / 1000.0)).unwrap_or_default();
        let line = format!("{name:<18} {rest:<44}{time}");
        format!("  {} {}", self.colour(mark), line.trim_end())
    }

    fn colour(&self, mark: char) -> String {
        if self.output.color { coloured(mark) } else { mark.to_string() }
    }
}

/// A sign in its colour.
pub(super) fn coloured(mark: char) -> String {
    let code = match mark {
        '✓' => 32,
        '✗' => 31,
        '↺' => 33,
        _ => 36,
    };
    format!("\u{1b}[{code}m{mark}\u{1b}[0m")
}

fn last_words(component: Option<&str>, log: &[String]) -> String {
    let Some(component) = component.filter(|_| !log.is_empty()) else { return String::new() };
    let lines: String = log.iter().map(|line| format!("\n    │ {}", line.escape_debug())).collect();
    format!("\n    ┌ {component}, last lines{lines}")
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::Rollout { .. } => "rollout",
        Event::Bake { .. } => "bake",
        Event::Waiting { .. } => "waiting",
        _ => "once",
    }
}

/// How a run ended, as its last line.
pub(crate) fn ending(
    (ending, reason): (Ending, Option<&str>),
    version: &str,
    baseline: Option<&str>,
    seconds: f64,
    exit: u8,
) -> String {
    let back = baseline.unwrap_or("nothing");
    let reason = reason.unwrap_or_default();
    match ending {
        Ending::Live => format!("live: {version} after {seconds:.1} s. Exit {exit}."),
        Ending::Back => format!("back at {back} after {seconds:.1} s. Exit {exit}."),
        Ending::Absent => {
            format!("{version} was taken away again after {seconds:.1} s; nothing is live. Exit {exit}.")
        }
        Ending::Refused => format!("refused: the world is not the planned one. Exit {exit}."),
        Ending::Contracted => {
            format!("contract run over: {reason}; {version} after {seconds:.1} s. Exit {exit}.")
        }
        Ending::Accepted => format!("{reason}. Exit {exit}."),
        Ending::Superseded => format!("superseded after {seconds:.1} s. Exit {exit}."),
    }
}

/// A plan as a diff.
pub(super) fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    let live = plan.baseline.as_ref().map_or("nothing", |b| b.version.as_str());
    let hash = plan.hash();
    line(
        &mut text,
        format!("plan {}  {} {} → {}   (live: {live})\n", hash.short(), plan.service, plan.version, plan.env),
    );
    if let Some(old) = &plan.supersedes {
        line(
            &mut text,
            format!("  supersedes run {} to {}, with all that it left to undo", old.run, old.version),
        );
    }
    if plan.is_empty() {
        line(&mut text, "  = unchanged: this release is live".to_string());
    }
    for effect in &plan.steps {
        if let Some((room, what)) = change(plan, effect) {
            line(&mut text, format!("  {room:<10} {what}"));
        }
    }
    if plan.is_contract() {
        line(&mut text, "\ngoing back: never; older releases can no longer run here afterwards".to_string());
        return text;
    }
    let keeps = if plan.keeps.is_empty() { "nothing".to_string() } else { plan.keeps.join(", ") };
    line(&mut text, format!("\ngoing back keeps: {keeps}"));
    text
}

/// Contracts that wait for a run of their own.
pub(super) fn pending(contracts: &[String], env: &str) -> String {
    if contracts.is_empty() {
        return String::new();
    }
    let next = format!("nica contract --env {env}, once this release is live");
    format!("contracts pending: {}\n  = next: {next}\n", contracts.join(", "))
}

/// Breaking glass is a waiver of the approvals.
pub(super) fn waived(waiver: &Waiver) -> String {
    let Waiver { finding, person, reason, until, .. } = waiver;
    let glass = finding.split('/').next() == Some("approval");
    let (loud, next) = match glass {
        true => {
            ("GLASS BROKEN: ", "\n  = next: have it reviewed; it stands in the ledger, nica history shows it")
        }
        false => ("", ""),
    };
    format!("{loud}{finding} is waived by {person} until {}: {reason}{next}", until.to_minute())
}

fn line(text: &mut String, line: String) {
    writeln!(text, "{line}").expect("writing to a string does not fail");
}

fn change(plan: &Plan, effect: &Effect) -> Option<(&'static str, String)> {
    Some(match effect {
        Effect::Sql { migration } | Effect::SqlConverge { migration } => {
            let class = format!("{:?}", migration.class).to_lowercase();
            let park = if migration.park.is_empty() {
                String::new()
            } else {
                format!(": {}", migration.park.join(", "))
            };
            match migration.phase {
                Phase::Expand => ("database", format!("+ {:<28} expand    {class}{park}", migration.id)),
                Phase::Contract => ("database", format!("- {:<28} contract  forward only", migration.id)),
            }
        }
        Effect::Unpark { migration, .. } => ("database", format!("~ parked values of {migration} move back")),
        Effect::Seeds { files } => {
            ("database", format!("~ seeds                        {} files", files.len()))
        }
        Effect::SetDesired { component, desired, before } => {
            let sign = if before.is_some() && !plan.creates(component) { '~' } else { '+' };
            let digest = desired.digest.short();
            let replicas = match desired.replicas {
                _ if !desired.kind.runs() => String::new(),
                1 => "   1 replica".to_string(),
                replicas => format!("   {replicas} replicas, one at a time"),
            };
            ("component", format!("{sign} {component:<28} {digest}{replicas}"))
        }
        // Made effective by a step of its own, which says more.
        Effect::Create { component, .. } if plan.sets(component) => return None,
        Effect::Create { component, .. } => ("component", format!("+ {component}")),
        Effect::Delete { component, .. } => ("component", format!("- {component}")),
        Effect::RestorePoint
        | Effect::Anchor
        | Effect::Await { .. }
        | Effect::Bake
        | Effect::Commit
        | Effect::Unanchor => return None,
    })
}
