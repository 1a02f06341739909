//! What the kernel says about processes, and how to end them without hitting a stranger.
//!
//! A pid alone is no name: it is used again. Pid and start time together are one, and a pidfd keeps pointing at
//! the process it was opened for.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::Duration;

/// Names one process of this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: i32,
    /// Clock ticks since boot.
    pub start: u64,
}

/// A live process that was opened, so that its pid cannot be given to another under our hands.
#[derive(Debug)]
pub(super) struct Process {
    pub id: ProcessId,
    pub pidfd: OwnedFd,
}

impl Process {
    /// None when it is dead; state Z is dead.
    pub(super) fn open(pid: i32) -> io::Result<Option<Process>> {
        let Some(name) = Pid::from_raw(pid) else { return Ok(None) };
        let pidfd = match pidfd_open(name, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(stat(pid)
            .filter(Stat::alive)
            .map(|stat| Process { id: ProcessId { pid, start: stat.start }, pidfd }))
    }

    /// A child that nobody has waited for keeps its pid, even when it has ended already.
    pub(super) fn of_child(child: &Child) -> io::Result<Process> {
        let pid = child.id() as i32;
        let name = Pid::from_child(child);
        let start = stat(pid).map_or(0, |stat| stat.start);
        Ok(Process { id: ProcessId { pid, start }, pidfd: pidfd_open(name, PidfdFlags::empty())? })
    }

    /// Ending a dead process is not an error.
    pub(super) fn signal(&self, signal: Signal) {
        if let Err(error) = pidfd_send_signal(&self.pidfd, signal)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(process.pid = self.id.pid, %error, "signal was not delivered");
        }
    }

    /// False when the limit passed first.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        wait(&self.pidfd, Some(&limit)).unwrap_or(false)
    }
}

/// Blocks until the process behind a pidfd has ended; true when it has.
pub(super) fn wait(pidfd: &OwnedFd, limit: Option<&Timespec>) -> io::Result<bool> {
    loop {
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], limit) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return Ok(ready? > 0),
        }
    }
}

pub(super) struct Stat {
    pub state: char,
    pub parent: i32,
    pub start: u64,
}

impl Stat {
    pub(super) fn alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// `/proc/PID/stat`; proc(5): the second field may hold spaces and brackets, so count after the last bracket.
pub(super) fn stat(pid: i32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut rest = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let state = rest.next()?.chars().next()?;
    let parent = rest.next()?.parse().ok()?;
    let start = rest.nth(17)?.parse().ok()?;
    Some(Stat { state, parent, start })
}

pub(super) fn this() -> ProcessId {
    let pid = std::process::id() as i32;
    ProcessId { pid, start: stat(pid).map_or(0, |stat| stat.start) }
}

/// The variables a process was started with; empty when it is gone or somebody else's.
pub(super) fn environ(pid: i32) -> Vec<(String, String)> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let pair = |part: &[u8]| {
        let (name, value) = std::str::from_utf8(part).ok()?.split_once('=')?;
        Some((name.to_string(), value.to_string()))
    };
    bytes.split(|byte| *byte == 0).filter_map(pair).collect()
}

pub(super) fn pids() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Milliseconds since boot, sleep included: comparable between processes, not over a reboot.
pub(super) fn boottime_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec as u64 * 1_000 + now.tv_nsec as u64 / 1_000_000
}

/// Tells boots apart.
pub(super) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_string()
}

/// Who answers on the other side of a unix socket: the process that called `listen`.
pub(super) fn peer(socket: impl AsFd) -> io::Result<i32> {
    Ok(rustix::net::sockopt::socket_peercred(socket)?.pid.as_raw_nonzero().get())
}
