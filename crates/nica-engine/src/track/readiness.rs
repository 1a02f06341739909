//! Readiness can no longer come true in time, by arithmetic alone.
//!
//! The limit runs from the moment the state was asked for, so readiness that flaps cannot extend it. It is certain
//! when even the fastest course (ready at the very next probe) ends after the limit.

use serde::{Deserialize, Serialize};

/// The rest of a rollout, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    pub limit_ms: u64,
    /// Since the state was asked for.
    pub passed_ms: u64,
    /// Replicas that must still become ready.
    pub missing: u32,
    /// The earliest moment one of them can be probed, from now on: later than now while nothing may be started.
    pub next_probe_in_ms: u64,
}

/// The line, once being on time is impossible.
pub fn judge(outlook: &Outlook) -> Option<String> {
    let Outlook { limit_ms, passed_ms, missing, next_probe_in_ms } = *outlook;
    let late = missing > 0 && passed_ms.saturating_add(next_probe_in_ms) > limit_ms;
    late.then(|| {
        let left = limit_ms.saturating_sub(passed_ms);
        format!("{missing} replicas are not ready and {left} ms of {limit_ms} ms are left")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(passed_ms: u64, missing: u32, next_probe_in_ms: u64, certain: bool) {
        let outlook = Outlook { limit_ms: 1_000, passed_ms, missing, next_probe_in_ms };
        assert_eq!(judge(&outlook).is_some(), certain, "{outlook:?}");
    }

    #[test]
    fn certain_only_when_the_fastest_course_is_too_slow() {
        check(0, 2, 0, false);
        check(1_000, 1, 0, false);
        check(1_001, 1, 0, true);
        check(100, 1, 900, false);
        check(100, 1, 901, true);
        check(5_000, 0, 0, false);
    }
}
