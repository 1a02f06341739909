//! What crash loop and memory share: the same container ends again and again for the same cause.
//!
//! Two ends are needed as on one machine, three while another pod of the template works. After a watch that started
//! late only the last end is visible; then the kubelet's own count decides, and only beyond doubt.

use super::life::{Cause, Life, Past};
use super::object::ContainerStatus;
use super::roll::Roll;
use crate::track::crash_loop::{Exit, Reason, repeated};

/// Ends by the kubelet's count, when fewer were seen.
const UNSEEN_ENDS: u32 = 3;

pub(super) struct Loop<'a> {
    pub life: &'a Life,
    pub container: &'a str,
    pub reason: Reason,
    pub times: u32,
}

pub(super) fn looping<'a>(roll: &Roll<'a>, cause: &Cause) -> Option<Loop<'a>> {
    roll.pods.iter().copied().find_map(|life| {
        let needed = if roll.another_works(life) { 3 } else { 2 };
        life.pod.statuses().find_map(|status| {
            let past = life.containers.get(&status.name)?;
            let (reason, times) = seen(past, cause, needed).or_else(|| counted(life, past, status, cause))?;
            Some(Loop { life, container: &status.name, reason, times })
        })
    })
}

fn seen(past: &Past, cause: &Cause, needed: u32) -> Option<(Reason, u32)> {
    let exits: Vec<Exit> =
        past.exits.iter().filter(|ended| ended.cause == *cause).map(|ended| ended.exit.clone()).collect();
    repeated(&exits).filter(|(_, times)| *times >= needed)
}

/// In back-off: the container ended once more often than it was restarted.
fn counted(life: &Life, past: &Past, status: &ContainerStatus, cause: &Cause) -> Option<(Reason, u32)> {
    let back_off = status.state.waiting.as_ref().is_some_and(|w| w.reason == "CrashLoopBackOff");
    let ends = status.restart_count + 1;
    let unseen = usize::try_from(ends).unwrap_or(usize::MAX).saturating_sub(past.exits.len());
    let last = past.exits.last().filter(|last| last.cause == *cause && last.exit.ready_ms.is_none())?;
    (back_off && !life.proven && ends >= UNSEEN_ENDS && unseen > 0).then_some((last.exit.reason, ends))
}
