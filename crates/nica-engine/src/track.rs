//! Turning what a rollout shows into a diagnosis: one failure class per file.
//!
//! Everything here takes data and returns data. Who gathered it (a pidfd, a pod watch) is not known. A class
//! speaks up at the first instant at which it is certain, and never earlier: a slow rollout that would have
//! come good must not be stopped.

pub mod cannot_start;
pub mod crash_loop;
pub mod kubernetes;
pub mod readiness;

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why the state that was asked for will not come true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    pub class: Class,
    /// The root cause in one line, with the object it is about.
    pub line: String,
    /// The last lines of the right replica's log, oldest first.
    pub log_tail: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Admission,
    Architecture,
    CannotStart,
    Claim,
    Config,
    CrashLoop,
    Deadline,
    Image,
    Job,
    Memory,
    Probe,
    Readiness,
    Registry,
    Removed,
    Schedule,
    Volume,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Admission => "pods refused",
            Class::Architecture => "wrong architecture",
            Class::CannotStart => "cannot start",
            Class::Claim => "claim not bound",
            Class::Config => "configuration missing",
            Class::CrashLoop => "crash loop",
            Class::Deadline => "too late",
            Class::Image => "image unusable",
            Class::Job => "job failed",
            Class::Memory => "out of memory",
            Class::Probe => "killed by its probe",
            Class::Readiness => "readiness impossible",
            Class::Registry => "registry unreachable",
            Class::Removed => "workload deleted",
            Class::Schedule => "unschedulable",
            Class::Volume => "volume missing",
        })
    }
}

impl Diagnosis {
    /// Of a rollout on Kubernetes, with the lines of the log that the failure asked for, oldest first.
    pub fn of(failure: kubernetes::Failure, log: &[String]) -> Diagnosis {
        let failure = failure.in_light_of(log);
        Diagnosis { class: failure.class, line: failure.line, log_tail: log.to_vec() }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.line)
    }
}

/// What one generation of a component has shown since it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// It has served in health before: its exits are accidents, not a verdict on the release.
    pub proven: bool,
    /// Starts that failed since the last one that worked.
    pub failed_starts: Vec<cannot_start::FailedStart>,
    pub exits: Vec<crash_loop::Exit>,
    /// None once every replica was ready, or when no limit was given.
    pub readiness: Option<readiness::Outlook>,
}

/// The class and the line; the log is added by whoever holds it.
pub fn judge(history: &History) -> Option<(Class, String)> {
    let cannot = cannot_start::judge(&history.failed_starts).map(|line| (Class::CannotStart, line));
    let crash = || match history.proven {
        true => None,
        false => crash_loop::judge(&history.exits).map(|line| (Class::CrashLoop, line)),
    };
    let late = || {
        let outlook = history.readiness.as_ref()?;
        let line = readiness::judge(outlook)?;
        let exit = history.exits.last().map(|exit| format!("; the last exit was with {}", exit.reason));
        Some((Class::Readiness, line + &exit.unwrap_or_default()))
    };
    cannot.or_else(crash).or_else(late)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crash_loop::{Exit, Reason};

    #[test]
    fn a_proven_generation_is_never_a_crash_loop() {
        let exit = Exit { reason: Reason::Code(1), ready_ms: None };
        let mut history = History { exits: vec![exit; 5], ..History::default() };
        assert!(matches!(judge(&history), Some((Class::CrashLoop, _))));
        history.proven = true;
        assert_eq!(judge(&history), None);
    }

    #[test]
    fn being_late_names_the_last_exit() {
        let exits = vec![Exit { reason: Reason::Code(7), ready_ms: None }];
        let outlook = readiness::Outlook { limit_ms: 1, passed_ms: 2, missing: 1, next_probe_in_ms: 0 };
        let history = History { proven: true, exits, readiness: Some(outlook), ..History::default() };
        let (class, line) = judge(&history).expect("it is late");
        assert_eq!(class, Class::Readiness);
        assert!(line.ends_with("the last exit was with code 7"), "{line}");
    }
}
