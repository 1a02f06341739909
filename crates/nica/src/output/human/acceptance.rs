//! A state that is to be accepted, as whoever signs it reads it.

use nica_engine::acceptance::Acceptance;
use std::fmt::Write as _;

/// What counts as live, what stays, and what is forgotten.
pub(in crate::output) fn acceptance(acceptance: &Acceptance) -> String {
    let Acceptance { service, env, run, live, stays, reason, .. } = acceptance;
    let mut text = format!("state {}  {service} → {env}   ends run {run}\n", acceptance.hash().short());
    let named = live.as_ref().map_or("nothing", |live| live.version.as_str());
    let _ = write!(text, "\n  live       {named}");
    for (name, desired) in live.iter().flat_map(|live| &live.components) {
        let _ = write!(text, "\n  {name:<10} {} × {}", desired.generation(), desired.replicas);
    }
    let stays = if stays.is_empty() { "no migration of the run".to_string() } else { stays.join(", ") };
    let _ = write!(text, "\n  stays      {stays}\n  because    {reason}");
    text.push_str("\n\nnothing is taken back any more; what the run changed in seeds stays as it is");
    text
}
