//! What happened, as data. Progress is a view of these and nothing else prints.

use nica_engine::Digest;
use nica_engine::next::{Ending, Waiting};
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Admitted {
        fence: i64,
        participants: Vec<String>,
    },
    /// A run that somebody else left open is gone on with.
    Resumed {
        run: String,
        direction: &'static str,
    },
    Opened {
        run: String,
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

/// Where events go. A closure of the command line; the tests collect them.
pub type Sink = std::sync::Arc<dyn Fn(Event) + Send + Sync>;

pub fn waiting_words(waiting: &Waiting) -> String {
    match waiting {
        Waiting::Rollout(_) => "the rollout".to_string(),
        Waiting::Bake(_) => "the bake".to_string(),
        Waiting::Deletion(_) => "the dropped component to end".to_string(),
        Waiting::BaselineServes(component) => format!("{component} of the baseline to serve"),
        Waiting::OlderPrograms => "processes and sessions of older releases to end".to_string(),
        Waiting::Barrier => "processes and sessions of the new release to end".to_string(),
    }
}
