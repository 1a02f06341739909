//! The registry does not answer, or answers nonsense.
//!
//! A registry that restarts or fails over is back within a minute, and the kubelet tries again after 10, 20, 40 s.
//! So it is the first try that fails a minute or more after the first one that decides, about 70 s after it: whoever
//! is back earlier is never blamed, even where the kubelet has not tried again yet.

use super::image::{Pull, cause, failing};
use super::life::Life;
use super::roll::Roll;
use super::{Class, Failure, text};

const AWAY_MS: u64 = 60_000;

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    let all = roll.pods.iter().flat_map(|life| failing(roll, life));
    let mut unreachable = all.filter(|failing| matches!(failing.pull(), Pull::Unreachable));
    let (away, for_ms) = unreachable.find_map(|failing| {
        let for_ms = away_ms(roll, failing.life, failing.container).filter(|for_ms| *for_ms >= AWAY_MS)?;
        Some((failing, for_ms))
    })?;
    let place = text::place(&away.life.pod, away.container);
    let (seconds, words) = (for_ms / 1_000, text::said(cause(away.words)));
    Some(Failure {
        class: Class::Registry,
        line: format!("{place}: image {} could not be pulled for {seconds} s: {words}", away.image()),
        next: "see that the nodes reach the registry (address, proxy, certificate); then deploy again",
        need: None,
    })
}

/// From the first failed try to the last one, by status or event, whichever tells earlier.
fn away_ms(roll: &Roll<'_>, life: &Life, container: &str) -> Option<u64> {
    let (first, last) = life.containers.get(container)?.pull_failed?;
    let failed = roll.notes(&life.pod.metadata.uid).inside(container, "Failed");
    let tries = failed.filter(|note| note.message.starts_with("Failed to pull image"));
    let last = tries.filter_map(|note| note.live_at).chain([last]).max()?;
    Some(last.saturating_sub(first))
}
