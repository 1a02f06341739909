//! The program never came to run: no such file, wrong architecture, wrong bytes in the store, address taken.
//!
//! What cannot change by itself is certain at once. What may change (an address still held, no memory, too many
//! processes) is certain when it happens a second time in a row.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedStart {
    /// A lower-case fragment that reads after "replica cannot start: ".
    pub why: String,
    /// Another try with the same desired state may well work.
    pub may_pass: bool,
}

/// The line, when starting again is pointless.
pub fn judge(failed: &[FailedStart]) -> Option<String> {
    let last = failed.last()?;
    let again = failed.iter().filter(|f| f.why == last.why).count() >= 2;
    (!last.may_pass || again).then(|| format!("replica cannot start: {}", last.why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(failed: &[(&str, bool)], certain: bool) {
        let failed: Vec<FailedStart> =
            failed.iter().map(|&(why, may_pass)| FailedStart { why: why.into(), may_pass }).collect();
        assert_eq!(judge(&failed).is_some(), certain, "{failed:?}");
    }

    #[test]
    fn what_cannot_pass_is_certain_at_once_the_rest_at_the_second_time() {
        check(&[], false);
        check(&[("exec format error", false)], true);
        check(&[("address in use", true)], false);
        check(&[("address in use", true), ("out of memory", true)], false);
        check(&[("address in use", true), ("address in use", true)], true);
    }
}
