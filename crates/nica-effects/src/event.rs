//! What happened, as data. Progress is a view of these and nothing else prints.

use crate::records::run::{Judged, Turned};
use nica_engine::next::{Ending, Waiting};
use nica_engine::plan::{Plan, Status};
use nica_engine::{Digest, Effect};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// New migrations are tried on a throw-away database, which takes seconds; nobody tried them before.
    Certifying {
        migrations: usize,
    },
    Certified {
        migrations: usize,
        ms: u64,
    },
    Admitted {
        fence: i64,
        participants: Vec<String>,
    },
    /// A run that somebody else left open is gone on with.
    Resumed {
        run: String,
        direction: &'static str,
        #[serde(skip)]
        outline: Arc<Outline>,
    },
    Opened {
        run: String,
        #[serde(skip)]
        outline: Arc<Outline>,
    },
    Started {
        n: usize,
        what: String,
        undo: bool,
    },
    Done {
        n: usize,
        what: String,
        undo: bool,
        ms: u64,
    },
    Retained {
        n: usize,
        what: String,
    },
    Waiting {
        what: String,
    },
    /// Replicas of the component that is rolled out.
    Rollout {
        component: String,
        ready: u32,
        replicas: u32,
        old: u32,
    },
    Bake {
        seconds: f64,
        of: f64,
        note: String,
    },
    TurnedBack {
        reason: String,
        /// The component that the diagnosis names, with the last lines of the right replica's log.
        #[serde(skip_serializing_if = "Option::is_none")]
        component: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        log: Vec<String>,
    },
    /// An answer did not come; the next number is taken and everything is looked at again.
    Readmitted {
        fence: i64,
        why: String,
    },
    /// The ledger's end, for a place that this deployer cannot rewrite.
    Anchored {
        entries: u64,
        last: Digest,
    },
    Settled {
        run: String,
        ending: Ending,
        retained: Vec<String>,
        reason: Option<String>,
    },
}

/// What a run is going to do, so that it can be shown before it is done. Programs have the plan for that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    pub version: String,
    pub env: String,
    /// The plan's hash, in short.
    pub plan: String,
    pub approved_by: Vec<String>,
    pub steps: Vec<Effect>,
    /// How far each step is by the records.
    pub statuses: Vec<Status>,
    pub bake: Duration,
    /// Why it goes back, where somebody turned it before.
    pub turned: Option<String>,
}

impl Outline {
    pub fn of(plan: &Plan, judged: &Judged, statuses: &[Status], turned: Option<&Turned>) -> Outline {
        Outline {
            version: plan.version.clone(),
            env: plan.env.clone(),
            plan: plan.hash().short().to_string(),
            approved_by: judged.approvals.iter().map(|approver| approver.person.clone()).collect(),
            steps: plan.steps.clone(),
            statuses: statuses.to_vec(),
            bake: Duration::from_millis(plan.limits.bake_ms),
            turned: turned.map(|turned| turned.reason.clone()),
        }
    }
}

/// Where events go. A closure of the command line; the tests collect them.
pub type Sink = std::sync::Arc<dyn Fn(Event) + Send + Sync>;

/// `2 migrations on a throw-away database`
pub fn certifying_words(migrations: usize) -> String {
    let s = if migrations == 1 { "" } else { "s" };
    format!("{migrations} migration{s} on a throw-away database")
}

pub fn waiting_words(waiting: &Waiting) -> String {
    match waiting {
        Waiting::Rollout(_) => "the rollout".to_string(),
        Waiting::Bake(_) => "the bake".to_string(),
        Waiting::Deletion(_) => "the dropped component to end".to_string(),
        Waiting::BaselineServes(component) => format!("{component} of the baseline to serve"),
        Waiting::Collection(object) => format!("{object} to be collected"),
        Waiting::OlderPrograms => "processes and sessions of older releases to end".to_string(),
        Waiting::Barrier => "processes and sessions of the new release to end".to_string(),
    }
}
