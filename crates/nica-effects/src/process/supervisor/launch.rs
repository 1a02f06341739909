//! Starting one replica: its program checked, its two sockets, its environment, and nothing else.
//!
//! A replica inherits no variable of the supervisor's. What it may know is in its desired state, and what marks it
//! (`NICA_REPLICA`, `NICA_STATE`, `NICA_LISTEN`) is how a later supervisor recognises it in `/proc`.

use super::logs::Log;
use super::program;
use super::replica::{LISTEN, REPLICA, ReplicaName, STATE};
use crate::process::protocol::{Identity, SecretValue};
use crate::process::state::StateDir;
use crate::process::store::{Store, StoreError};
use crate::process::{config, record, secret};
use command_fds::{CommandFdExt, FdMapping};
use nica_engine::Desired;
use nica_engine::track::cannot_start::FailedStart;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The first descriptor after the standard three, as in systemd's protocol.
const FIRST_FD: i32 = 3;
const BUSY_TRIES_MAX: u32 = 50;

pub(super) struct Launch<'a> {
    pub state: &'a StateDir,
    pub store: &'a Store,
    pub identity: &'a Identity,
    pub name: &'a ReplicaName,
    pub desired: &'a Desired,
    pub admin: &'a Path,
    /// None for a component that listens nowhere.
    pub service: Option<OwnedFd>,
}

pub(super) struct Launched {
    pub child: Child,
    pub log: Log,
}

pub(super) fn launch(launch: Launch<'_>) -> Result<Launched, FailedStart> {
    let program = launch.store.verified(&launch.desired.digest).map_err(not_whole)?;
    program::can_run_here(&program).map_err(|why| FailedStart { why, may_pass: false })?;
    let secrets = secrets(launch.state, launch.desired)?;
    let (log, file) =
        Log::open(&launch.state.logs(), &launch.name.log_name()).map_err(failed("open its log"))?;
    let mut command = Command::new(&program);
    command.args(&launch.desired.args).env_clear().env("PATH", config::path()).current_dir("/");
    command.envs(&launch.desired.config);
    command.envs(secrets.iter().map(|(name, value)| (name, value.reveal())));
    command.envs(marks(&launch)).process_group(0);
    command.stdin(Stdio::null()).stdout(file.try_clone().map_err(failed("open its log"))?).stderr(file);
    let admin = bind_admin(launch.admin).map_err(failed("listen on its admin socket"))?;
    give(&mut command, launch.service, admin);
    let child = spawn(&mut command).map_err(failed(&format!("execute {}", launch.desired.digest.short())))?;
    Ok(Launched { child, log })
}

/// The names of systemd's protocol, but for LISTEN_PID, which nobody can know before the child is there.
fn marks(launch: &Launch<'_>) -> Vec<(&'static str, String)> {
    let Launch { identity, name, desired, .. } = launch;
    let (count, names) = if launch.service.is_some() { ("2", "http:admin") } else { ("1", "admin") };
    vec![
        ("LISTEN_FDS", count.into()),
        ("LISTEN_FDNAMES", names.into()),
        ("PGAPPNAME", record::session_name(identity, &name.component, &name.generation)),
        (REPLICA, name.to_string()),
        (LISTEN, desired.listen.clone()),
        (STATE, launch.state.root.to_string_lossy().into_owned()),
    ]
}

/// Our own descriptors 3 and 4 (the runtime's, open since before the lock) are replaced in the child alone.
fn give(command: &mut Command, service: Option<OwnedFd>, admin: UnixListener) {
    let sockets = service.into_iter().chain([OwnedFd::from(admin)]);
    let numbered = sockets.zip(FIRST_FD..).map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
    command.fd_mappings(numbered.collect()).expect("the numbers count upwards, so none is there twice");
}

fn bind_admin(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(path),
    }
}

/// A child of ours that is about to `exec` may still hold the file open for writing, for an instant.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES_MAX => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            spawned => return spawned,
        }
    }
}

fn secrets(state: &StateDir, desired: &Desired) -> Result<Vec<(String, SecretValue)>, FailedStart> {
    let value = |(variable, name): (&String, _)| {
        let missing =
            || FailedStart { why: format!("secret {variable} is not kept; put it again"), may_pass: false };
        Ok((variable.clone(), secret::value(state, name).ok_or_else(missing)?))
    };
    desired.secrets.iter().map(value).collect()
}

pub(super) fn secret_values(state: &StateDir, desired: &Desired) -> Vec<SecretValue> {
    desired.secrets.values().filter_map(|name| secret::value(state, name)).collect()
}

fn not_whole(error: StoreError) -> FailedStart {
    FailedStart { why: error.to_string(), may_pass: false }
}

/// Out of processes, memory or descriptors passes; no such file, wrong format and no permission do not.
pub(super) fn failed(what: &str) -> impl FnOnce(io::Error) -> FailedStart {
    use io::ErrorKind::*;
    let passes = [WouldBlock, OutOfMemory, ExecutableFileBusy, AddrInUse, Interrupted, StorageFull];
    let descriptors = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(|errno| errno.raw_os_error());
    let what = what.to_string();
    move |error| FailedStart {
        may_pass: passes.contains(&error.kind())
            || error.raw_os_error().is_some_and(|n| descriptors.contains(&n)),
        why: format!("{what}: {error}"),
    }
}

/// Short, because socket paths end at 108 bytes; the same for whoever looks later.
pub(super) fn admin_path(runtime: &Path, name: &ReplicaName) -> PathBuf {
    let hash = nica_engine::Digest::of(name.to_string().as_bytes());
    runtime.join(format!("r-{}", &hash.as_str()[..16]))
}
