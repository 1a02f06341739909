//! The same container of the wanted template ends twice for the same reason, init containers and sidecars too.
//!
//! `restartCount` and `terminated` are ten seconds ahead of `CrashLoopBackOff`, which therefore decides nothing where
//! the ends were seen. A Job's retries are its author's wish and are left to `job`.

use super::ends::looping;
use super::life::Cause;
use super::roll::Roll;
use super::{Class, Failure, Kind, text};

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    let found = looping(roll, &Cause::Exit).filter(|_| roll.wanted.kind != Kind::Job)?;
    let (place, times) = (text::place(&found.life.pod, found.container), text::times(found.times));
    Some(Failure {
        class: Class::CrashLoop,
        line: format!("{place} exits with {}, {times}, before it was ready long enough", found.reason),
        next: "read the log lines below: the program says why it ends; correct it and release again",
        need: text::log(found.life, found.container),
    })
}
