//! The kernel ends the container twice because it needs more memory than its limit. No event names it; the status
//! does.

use super::ends::looping;
use super::life::Cause;
use super::roll::Roll;
use super::{Class, Failure, Kind, text};

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    let found = looping(roll, &Cause::OutOfMemory).filter(|_| roll.wanted.kind != Kind::Job)?;
    let (place, times) = (text::place(&found.life.pod, found.container), text::times(found.times));
    Some(Failure {
        class: Class::Memory,
        line: format!("{place} was ended {times} at its memory limit (OOMKilled)"),
        next: "raise resources.limits.memory, or find out what takes the memory at start",
        need: text::log(found.life, found.container),
    })
}
