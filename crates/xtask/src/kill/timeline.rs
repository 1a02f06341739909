//! What happened in a case, with times: printed whole when it fails.

use super::gate::{Gate, Passed};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Characters of a statement that are shown.
const SAID_MAX: usize = 160;

#[derive(Clone)]
pub(crate) struct Timeline {
    pub born: Instant,
    lines: Arc<Mutex<Vec<(Duration, String)>>>,
}

impl Timeline {
    pub(crate) fn begin() -> Timeline {
        Timeline { born: Instant::now(), lines: Arc::default() }
    }

    pub(crate) fn say(&self, text: impl Into<String>) {
        self.push(self.born.elapsed(), text.into());
    }

    /// Everything that passed through an actor's gate, at its own times.
    pub(crate) fn traffic(&self, actor: &str, gate: &Gate) {
        for Passed { at, session, point, said } in gate.log() {
            let said: String = said.chars().take(SAID_MAX).collect();
            let point = point.map(|point| point.to_string()).unwrap_or_default();
            self.push(at, format!("{actor:<9} {session:<22} {point:<44} {said}"));
        }
    }

    fn push(&self, at: Duration, text: String) {
        self.lines.lock().expect("no holder of this lock panics").push((at, text));
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.lines.lock().expect("no holder of this lock panics").clone();
        lines.sort_by_key(|(at, _)| *at);
        lines.iter().try_for_each(|(at, text)| writeln!(f, "{:9.3}  {text}", at.as_secs_f64()))
    }
}
