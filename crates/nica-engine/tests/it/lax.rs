//! A policy that asks for nothing: `next` is told by the world whether a limit has passed.

use nica_engine::plan::OnInconclusive;
use nica_engine::policy::{Limits, Policy, Validate};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) fn policy(on_inconclusive: OnInconclusive) -> Policy {
    Policy {
        after: BTreeSet::new(),
        soak: Duration::ZERO,
        approvals: 0,
        signers: BTreeMap::new(),
        validate: Validate { on_inconclusive, ..Validate::default() },
        limits: Limits::default(),
        windows: Default::default(),
    }
}
