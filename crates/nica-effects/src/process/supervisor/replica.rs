//! One running copy of a component, as its supervisor sees it, and the name it carries in its environment.

use super::logs::Log;
use crate::process::kernel::{self, Process};
use crate::process::protocol::{Phase, ProcessSeen};
use nica_engine::Digest;
use nica_engine::effect::Generation;
use nica_engine::track::crash_loop::{Exit, Reason};
use rustix::process::Signal;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub(super) const REPLICA: &str = "NICA_REPLICA";
pub(super) const STATE: &str = "NICA_STATE";
pub(super) const LISTEN: &str = "NICA_LISTEN";

/// `<env>/<component>/<generation>/<n>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReplicaName {
    pub env: String,
    pub component: String,
    pub generation: Generation,
    pub n: u32,
}

impl ReplicaName {
    pub(super) fn parse(text: &str) -> Option<ReplicaName> {
        let mut parts = text.rsplitn(4, '/');
        let n = parts.next()?.parse().ok()?;
        let generation = Generation(parts.next()?.into());
        let component = parts.next()?.into();
        Some(ReplicaName { env: parts.next()?.into(), component, generation, n })
    }

    pub(super) fn log_name(&self) -> String {
        format!("{}.{}.{}", self.component, self.generation, self.n)
    }
}

impl fmt::Display for ReplicaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.env, self.component, self.generation, self.n)
    }
}

#[derive(Debug)]
pub(super) struct Replica {
    pub name: ReplicaName,
    pub listen: String,
    pub process: Process,
    /// None when an earlier supervisor started it: then nobody can wait for its exit status.
    pub child: Option<Child>,
    pub admin: PathBuf,
    pub log: Log,
    pub phase: Phase,
    /// It has answered a probe, or failed to, at least once since this supervisor knows it.
    pub probed: bool,
    pub ready_since: Option<Instant>,
    pub kill_at: Option<Instant>,
    pub exe: Option<Digest>,
    /// Read by the task that probes it, which scrapes faster while it drains.
    pub draining: Arc<AtomicBool>,
    pub metrics: Option<String>,
}

impl Replica {
    pub(super) fn new(
        name: ReplicaName,
        listen: String,
        process: Process,
        admin: PathBuf,
        log: Log,
    ) -> Replica {
        Replica {
            name,
            listen,
            process,
            child: None,
            admin,
            log,
            phase: Phase::Starting,
            probed: false,
            ready_since: None,
            kill_at: None,
            exe: None,
            draining: Arc::default(),
            metrics: None,
        }
    }

    pub(super) fn drain(&mut self, limit: Duration) {
        if self.phase == Phase::Draining {
            return;
        }
        tracing::info!(replica.name = %self.name, process.pid = self.process.id.pid, "replica drains");
        self.phase = Phase::Draining;
        self.draining.store(true, Ordering::Relaxed);
        self.kill_at = Some(Instant::now() + limit);
        self.process.signal(Signal::TERM);
    }

    pub(super) fn kill_when_late(&mut self, now: Instant) {
        if self.kill_at.is_some_and(|at| at <= now) {
            tracing::warn!(replica.name = %self.name, "replica did not end in time and is killed");
            self.kill_at = None;
            self.process.signal(Signal::KILL);
        }
    }

    pub(super) fn probed(&mut self, ready: bool) {
        self.probed = true;
        match (self.phase, ready) {
            (Phase::Draining, _) => {}
            (_, true) => {
                self.phase = Phase::Ready;
                self.ready_since.get_or_insert_with(Instant::now);
            }
            (Phase::Starting, false) => {}
            (_, false) => {
                self.phase = Phase::Unready;
                self.ready_since = None;
            }
        }
    }

    pub(super) fn ready_ms(&self) -> Option<u64> {
        self.ready_since.map(|since| since.elapsed().as_millis() as u64)
    }

    /// How it ended, once its pidfd says that it has.
    pub(super) fn exit(&mut self) -> Exit {
        let status = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
        let reason = match status {
            None => Reason::Unknown,
            Some(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Reason::Code(code),
                (None, Some(signal)) => Reason::Signal(signal),
                (None, None) => Reason::Unknown,
            },
        };
        Exit { reason, ready_ms: self.ready_ms() }
    }

    pub(super) fn seen(&self) -> ProcessSeen {
        ProcessSeen {
            id: self.process.id,
            generation: self.name.generation.clone(),
            replica: self.name.n,
            phase: self.phase,
            exe: self.exe.clone(),
        }
    }
}

/// A process of ours that an earlier supervisor started.
pub(super) struct Found {
    pub name: ReplicaName,
    pub listen: String,
    pub process: Process,
}

/// Every live replica of this state folder, read from the kernel and never from a file.
pub(super) fn find(state: &str) -> Vec<Found> {
    let mut found: Vec<(Found, i32)> =
        kernel::pids().into_iter().filter_map(|pid| look(pid, state)).collect();
    // A helper that a replica started carries the same variables; it is its parent's affair.
    let pids: Vec<(i32, ReplicaName)> =
        found.iter().map(|(f, _)| (f.process.id.pid, f.name.clone())).collect();
    found.retain(|(f, parent)| !pids.iter().any(|(pid, name)| pid == parent && *name == f.name));
    found.sort_by_key(|(f, _)| f.process.id.start);
    found.into_iter().map(|(found, _)| found).collect()
}

impl Found {
    /// Nobody probes it now.
    pub(super) fn seen(&self) -> ProcessSeen {
        let ReplicaName { generation, n, .. } = self.name.clone();
        ProcessSeen { id: self.process.id, generation, replica: n, phase: Phase::Unready, exe: None }
    }
}

fn look(pid: i32, state: &str) -> Option<(Found, i32)> {
    let marked =
        |environ: &[(String, String)]| environ.iter().any(|(name, value)| name == STATE && value == state);
    marked(&kernel::environ(pid)).then_some(())?;
    // Opened first and read again: between two looks the pid may have become somebody else's.
    let process = Process::open(pid).ok()??;
    let environ = kernel::environ(pid);
    marked(&environ).then_some(())?;
    let variable =
        |wanted: &str| environ.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let name = ReplicaName::parse(&variable(REPLICA)?)?;
    let parent = kernel::stat(pid)?.parent;
    Some((Found { name, listen: variable(LISTEN).unwrap_or_default(), process }, parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_was_written() {
        let name = ReplicaName {
            env: "prod".into(),
            component: "backend".into(),
            generation: Generation("0123456789ab".into()),
            n: 2,
        };
        assert_eq!(ReplicaName::parse(&name.to_string()), Some(name));
        for bad in ["", "backend/1", "prod/backend/abc/x"] {
            assert_eq!(ReplicaName::parse(bad), None, "{bad}");
        }
    }
}
