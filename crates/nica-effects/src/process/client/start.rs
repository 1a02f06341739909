//! Getting a supervisor that answers: asked, waited for, started, or killed and replaced.
//!
//! A supervisor that is stopped holds its lock and its socket and would wake up later; only its death makes room.
//! It is killed by pidfd after its start time was compared with the lock's, so that no stranger is hit.

use super::{ANSWER_LIMIT, TargetClient, TargetError};
use crate::process::kernel::{self, Process, ProcessId};
use crate::process::state::{Lock, StateDir};
use crate::process::{ProcessError, config};
use rustix::process::Signal;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Everything together: an answer that does not come, a kill, and two starts.
const REACH_LIMIT: Duration = Duration::from_secs(20);
const START_LIMIT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const DEATH_LIMIT: Duration = Duration::from_secs(2);

pub(super) fn folder(state: &Path) -> Result<PathBuf, TargetError> {
    Ok(StateDir::open(state)?.root)
}

pub(super) async fn reach(client: &TargetClient, nica: &Path) -> Result<(), TargetError> {
    let lock = client.state.join("lock");
    let end = Instant::now() + REACH_LIMIT;
    let mut waiting_since = Instant::now();
    let mut started: Option<Instant> = None;
    loop {
        match client.hello().await {
            Err(TargetError::NoAnswer { .. }) => {
                kill(client, peer(client).await)?;
                (waiting_since, started) = (Instant::now(), None);
            }
            Err(TargetError::Unreachable { .. }) => {
                if Lock::is_free(&lock) {
                    if started.is_none_or(|at| at.elapsed() > START_LIMIT) {
                        spawn(client, nica)?;
                        (waiting_since, started) = (Instant::now(), Some(Instant::now()));
                    }
                } else if waiting_since.elapsed() > ANSWER_LIMIT {
                    kill(client, None)?;
                    waiting_since = Instant::now();
                }
            }
            other => return other.map(drop),
        }
        if Instant::now() > end {
            return Err(TargetError::Stuck {
                state: client.state.clone(),
                why: "none that was started answers",
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Who listens on the socket, as the kernel says.
async fn peer(client: &TargetClient) -> Option<i32> {
    let stream = client.connection().await.ok()?;
    kernel::peer(&stream).ok()
}

/// The holder of the lock, and only when it is the socket's peer too, where there is one.
fn kill(client: &TargetClient, peer: Option<i32>) -> Result<(), TargetError> {
    let stuck = |why| TargetError::Stuck { state: client.state.clone(), why };
    let lock = client.state.join("lock");
    let Some(holder) = Lock::holder(&lock) else { return Err(stuck("nobody knows who holds its lock")) };
    if peer.is_some_and(|peer| peer != holder.pid) {
        return Err(stuck("its socket belongs to another process than its lock"));
    }
    let ProcessId { pid, .. } = holder;
    match Process::open(pid).map_err(ProcessError::system("open the supervisor's process"))? {
        Some(process) if process.id == holder => {
            tracing::warn!(process.pid = pid, "the supervisor does not answer and is killed");
            process.signal(Signal::KILL);
            if process.wait(DEATH_LIMIT) { Ok(()) } else { Err(stuck("it cannot be killed")) }
        }
        _ => Ok(()),
    }
}

/// In a session of its own (it calls `setsid` itself), with nothing of our environment that it does not need.
fn spawn(client: &TargetClient, nica: &Path) -> Result<(), TargetError> {
    let path = client.state.join("logs/supervisor.log");
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    let log = log.map_err(ProcessError::file("open", &path))?;
    let mut command = Command::new(nica);
    command.arg0("nica").arg("supervise").arg("--state").arg(&client.state);
    command.env_clear().envs(config::inherited()).env("NICA_STATE", &client.state).current_dir("/");
    let error = log.try_clone().map_err(ProcessError::file("open", &path))?;
    let spawned = command.stdin(Stdio::null()).stdout(log).stderr(error).spawn();
    let mut child = spawned.map_err(ProcessError::file("start", nica))?;
    // Ours to reap for as long as we live: a dead one would stay as a zombie.
    std::thread::spawn(move || child.wait());
    Ok(())
}
