//! Clears away what a cluster held of the machine, whoever died before: its processes, its link, its cgroups, its
//! folder. Each part may be gone already.

use super::state::{self, Init, State};
use super::{cgroups, network};
use crate::kill::proc::{self, Signal};
use anyhow::{Context as _, Result};
use std::path::Path;
use std::time::Duration;

/// For the kernel to end a process namespace with everything in it.
const END_LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn clear(state: &State) -> Result<()> {
    if let Some(init) = &state.init {
        end(init)?;
    }
    network::disconnect(state.range)?;
    cgroups::remove(&state.range.label())?;
    remove_folder(&state.home())
}

/// Every cluster whose guard is gone. The caller holds the books' lock.
pub(crate) fn clear_unguarded() -> Result<()> {
    for home in state::homes() {
        if !state::is_guarded(&home) {
            clear_unguarded_one(&home)?;
        }
    }
    Ok(())
}

pub(crate) fn clear_unguarded_one(home: &Path) -> Result<()> {
    match State::read(home) {
        Ok(state) => clear(&state),
        // Died before its first line was written: it held nothing yet.
        Err(_) => remove_folder(home),
    }
}

/// The first process takes its namespace with it.
fn end(init: &Init) -> Result<()> {
    proc::wait_for("end the processes of a cluster", END_LIMIT, || {
        if proc::began(init.pid) == Some(init.began) {
            let _ = proc::signal(init.pid, Signal::KILL);
        }
        // A namespace's first process ends after all others; its number may belong to another namespace by then.
        (proc::began(init.pid) != Some(init.began) || !proc::alive(init.pid)).then_some(())
    })
}

/// Everybody in this process namespace, by the machine's pids. The dead that nobody has buried do not count.
pub(crate) fn processes(namespace: &str) -> Vec<u32> {
    proc::all()
        .into_iter()
        .filter(|pid| proc::alive(*pid) && namespace_of(*pid).as_deref() == Some(namespace))
        .collect()
}

pub(crate) fn namespace_of(pid: u32) -> Option<String> {
    Some(std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?.display().to_string())
}

fn remove_folder(home: &Path) -> Result<()> {
    match std::fs::remove_dir_all(home) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", home.display()))
        }
        _ => Ok(()),
    }
}
