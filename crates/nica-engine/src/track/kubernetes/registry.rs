//! The registry does not answer, or answers nonsense.
//!
//! The kubelet tries again after 10, 20, 40 s. A minute covers three tries and the restart or failover of a registry
//! (about half of it); whoever is away longer is away for the rollout, which then goes back to images that the nodes
//! already have.

use super::image::{Pull, cause, failing, pull};
use super::roll::Roll;
use super::{Class, Failure, text};

const AWAY_MS: u64 = 60_000;

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    let all = roll.pods.iter().flat_map(|life| failing(roll, life));
    let unreachable = all.filter(|failing| matches!(pull(failing.reason, failing.words), Pull::Unreachable));
    let away = unreachable.into_iter().find(|failing| {
        let past = failing.life.containers.get(failing.container);
        past.and_then(|past| past.pull_failing_since).is_some_and(|since| roll.now >= since + AWAY_MS)
    })?;
    let place = text::place(&away.life.pod, away.container);
    let (seconds, words) = (AWAY_MS / 1_000, text::said(cause(away.words)));
    Some(Failure {
        class: Class::Registry,
        line: format!("{place}: image {} could not be pulled for {seconds} s: {words}", away.image()),
        next: "see that the nodes reach the registry (address, proxy, certificate); then deploy again",
        need: None,
    })
}
