//! The workload is gone: somebody deleted it while it was rolled out.
//!
//! A uid never comes back. What stands under the same name now is another object, which nobody applied.

use super::roll::Roll;
use super::{Class, Failure};

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    roll.seen.is_gone(&roll.wanted.uid).then(|| Failure {
        class: Class::Removed,
        line: format!("the {} was deleted by somebody else during the rollout", roll.wanted.kind.word()),
        next: "find out who deletes it (audit log, another deployment tool), then deploy again",
        need: None,
    })
}
