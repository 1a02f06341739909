//! Second exit with the same reason, before the program was ever ready long enough: a crash loop.
//!
//! The first exit is forgiven, because a database that restarts or a memory peak can end a good program once. An
//! exit that nobody could wait for has no reason, so it is counted for nothing.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Ready for at least this long counts as having been healthy.
pub const HEALTHY_AFTER_MS: u64 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub reason: Reason,
    /// How long the replica had been ready when it ended; none if it never was.
    pub ready_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Code(i32),
    Signal(i32),
    /// The process was not ours to wait for (its parent, an earlier supervisor, is gone).
    Unknown,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Code(code) => write!(f, "code {code}"),
            Reason::Signal(number) => write!(f, "signal {number}"),
            Reason::Unknown => f.write_str("a reason that nobody saw"),
        }
    }
}

/// The line, when the exits of one unproven generation are a loop.
pub fn judge(exits: &[Exit]) -> Option<String> {
    let (reason, times) = repeated(exits).filter(|(_, times)| *times >= 2)?;
    Some(format!("replica exits with {reason}, {times} times, before it was ready long enough"))
}

/// The reason of the last exit that came too early, and how many such exits had it.
pub fn repeated(exits: &[Exit]) -> Option<(Reason, u32)> {
    let short =
        |exit: &&Exit| exit.ready_ms.unwrap_or(0) < HEALTHY_AFTER_MS && exit.reason != Reason::Unknown;
    let early: Vec<&Exit> = exits.iter().filter(short).collect();
    let reason = early.last()?.reason;
    let same = early.iter().filter(|exit| exit.reason == reason).count();
    Some((reason, u32::try_from(same).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(exits: &[(Reason, Option<u64>)], loops: bool) {
        let exits: Vec<Exit> = exits.iter().map(|&(reason, ready_ms)| Exit { reason, ready_ms }).collect();
        assert_eq!(judge(&exits).is_some(), loops, "{exits:?}");
    }

    #[test]
    fn second_exit_with_same_reason_is_a_crash_loop() {
        use Reason::*;
        check(&[], false);
        check(&[(Code(1), None)], false);
        check(&[(Code(1), None), (Code(1), None)], true);
        check(&[(Code(1), None), (Code(1), Some(999))], true);
        check(&[(Signal(11), None), (Code(1), None), (Signal(11), None)], true);
    }

    #[test]
    fn other_reasons_long_health_and_unseen_exits_are_not() {
        use Reason::*;
        check(&[(Code(1), None), (Code(2), None)], false);
        check(&[(Code(1), None), (Signal(1), None)], false);
        check(&[(Code(1), None), (Code(1), Some(1_000))], false);
        check(&[(Unknown, None), (Unknown, None), (Unknown, None)], false);
    }
}
