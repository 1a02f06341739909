//! The only text that anybody sees. Results go to stdout, progress and errors to stderr; the human and the machine
//! form carry the same facts.

mod human;
pub(crate) use human::ending;
mod json;
mod screen;
mod tree;

use crate::cli::{Color, Global};
use crate::config::variables;
use crate::exit::Exit;
use nica_effects::event::{Event, Sink, certifying_words};
use nica_engine::Plan;
use nica_engine::acceptance::Acceptance;
use nica_engine::finding::GateReport;
use nica_engine::ledger::Waiver;
use serde::Serialize;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

/// How this process was asked to speak.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub json: bool,
    pub quiet: bool,
    pub color: bool,
    /// Progress goes to a terminal that can move its cursor.
    pub terminal: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Output {
        let terminal =
            std::io::stderr().is_terminal() && variables::variable("TERM").is_some_and(|term| term != "dumb");
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            // https://no-color.org: any value but an empty one.
            Color::Auto => terminal && variables::variable("NO_COLOR").is_none(),
        };
        Output { json: global.json, quiet: global.quiet, color, terminal }
    }

    /// Where a run tells what it does.
    pub(crate) fn sink(self, plan_words: &str) -> Sink {
        let words = plan_words.to_string();
        let live = human::Live::new(self, words.clone());
        Arc::new(move |event: Event| match self.json {
            true => json::event(&event),
            false if self.quiet => {}
            false if self.terminal => screen::tell(&words, self.color, event),
            false => live.tell(&event),
        })
    }

    /// A result: one object for programs, the text for people.
    pub(crate) fn result<T: Serialize>(self, value: &T, text: &str) {
        if self.json { json::line(value) } else { human::result(text) }
    }

    /// What is shown on the way to a result, for people only.
    pub(crate) fn progress(self, text: &str) {
        if !self.json && !self.quiet {
            human::progress(text.trim_end());
        }
    }

    /// Of what happens before there is a plan, for people only.
    pub(crate) fn certifying(self, event: &Event) {
        if let Event::Certifying { migrations } = event {
            self.progress(&format!("certifying {}", certifying_words(*migrations)));
        }
    }

    pub(crate) fn gates(self, report: &GateReport) -> String {
        human::gates::gates(report)
    }

    /// `pending`: contracts that this plan leaves to `nica contract`.
    pub(crate) fn plan(self, plan: &Plan, pending: &[String], report: Option<&GateReport>) -> String {
        let gates = report.map(|r| format!("\n{}", human::gates::gates(r))).unwrap_or_default();
        format!("{}{}{gates}\n", human::plan(plan), self.pending(pending, &plan.env))
    }

    pub(crate) fn acceptance(self, acceptance: &Acceptance) -> String {
        human::acceptance::acceptance(acceptance)
    }

    /// A run is opened in spite of a finding: said loudly, also to whoever wants it quiet.
    pub(crate) fn waived(self, waiver: &Waiver) {
        match self.json {
            true => json::line(&serde_json::json!({ "event": "waived", "waiver": waiver })),
            false => human::progress(&human::waived(waiver)),
        }
    }

    pub(crate) fn pending(self, contracts: &[String], env: &str) -> String {
        human::pending(contracts, env)
    }
}

#[expect(clippy::print_stderr, reason = "this is the output module")]
pub(crate) fn error(error: &anyhow::Error) {
    screen::finish();
    eprintln!("failed to {error:#}");
}

/// What clap has to say of a command line: help and version are answers, everything else is a usage error.
pub(crate) fn said_wrong(said: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    // Nothing can be done about a terminal that is gone.
    let _ = said.print();
    let answer = matches!(said.kind(), DisplayHelp | DisplayVersion);
    if answer { Exit::Done.into() } else { Exit::Usage.into() }
}

/// The first signal: what shows progress says what it does.
pub(crate) fn interrupted() {
    screen::interrupted();
}

/// The process ends at once: what was drawn last stays.
pub(crate) fn ends_now() {
    screen::finish();
}

/// Diagnostics of NICA itself, for whoever asks with `NICA_LOG`.
pub(crate) fn start_tracing() {
    screen::finish_on_panic();
    // An API server that cannot be reached is asked again, and told of once, by us.
    let filter = variables::variable("NICA_LOG").unwrap_or_else(|| "warn,kube_client=off".to_string());
    let filter = tracing_subscriber::EnvFilter::new(filter);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(screen::above).init();
}
