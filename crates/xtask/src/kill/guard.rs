//! A process that outlives a sweep by a moment: when the sweep is gone, however it went, its worlds go too.
//!
//! Supervisors and replicas are meant to survive whoever started them, so nothing but their folder's name says whose
//! they are.

use super::proc::{self, Signal};
use super::sweep::PREFIX;
use anyhow::{Context as _, Result};
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Argument that makes this program a guard.
pub(crate) const GUARD: &str = "--guard";
/// After it: the folder stays.
pub(crate) const KEEP: &str = "--keep";
const END_LIMIT: Duration = Duration::from_secs(20);

/// A guard of this folder. It acts when the returned value is dropped, or this process dies.
pub(crate) struct Guard(Child);

impl Guard {
    pub(crate) fn of(home: &Path, keep: bool) -> Result<Guard> {
        let mut command = Command::new(proc::this_program());
        command.arg0("kill-sweep-guard").args(["test", "kill", GUARD]).arg(home);
        command.args(keep.then_some(KEEP));
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        Ok(Guard(command.spawn().context("start a guard")?))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// What a guard does: waits for the end of its input, then ends every process of this folder and removes it.
pub(crate) fn watch(home: &Path, keep: bool) -> Result<()> {
    // Neither the terminal's interrupts nor the end of the sweep's session are for us: what the sweep started has left that
    // session too.
    rustix::process::setsid().context("leave the session of the sweep")?;
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    let ended = end_all(home);
    if !keep && is_a_sweeps(home) {
        let _ = std::fs::remove_dir_all(home);
    }
    ended
}

/// Ends every process that names this folder in its words or its environment, but us.
pub(crate) fn end_all(home: &Path) -> Result<()> {
    proc::wait_for("end the processes of a sweep", END_LIMIT, || {
        let left = processes_of(home);
        left.iter().for_each(|pid| drop(proc::signal(*pid, Signal::KILL)));
        left.is_empty().then_some(())
    })
}

/// None for a folder that is not a sweep's: a short name would be in everybody's words.
fn processes_of(home: &Path) -> Vec<u32> {
    if !is_a_sweeps(home) {
        return Vec::new();
    }
    let name = format!("{}/", home.display());
    let ours = |pid: &u32| {
        let words = [proc::command_line(*pid), proc::environment(*pid)].concat();
        *pid != std::process::id() && proc::alive(*pid) && words.iter().any(|word| word.contains(&name))
    };
    proc::all().into_iter().filter(ours).collect()
}

fn is_a_sweeps(home: &Path) -> bool {
    let inside =
        home.strip_prefix(super::folder()).ok().and_then(|inside| inside.to_str().map(str::to_string));
    inside.is_some_and(|inside| inside.starts_with(PREFIX) && inside.len() > PREFIX.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_that_name_the_folder_are_of_it() {
        let home = crate::kill::folder().join(format!("{PREFIX}-test-{}", std::process::id()));
        let sleep = |word: &str| {
            let mut sleep = Command::new("sleep");
            sleep.arg("60").env("WORD", word).spawn().expect("sleep is everywhere")
        };
        let mut ours = sleep(&format!("{}/0/state", home.display()));
        let mut other = sleep("/dev/shm");
        let found = proc::wait_for("wait for a process", END_LIMIT, || {
            Some(processes_of(&home)).filter(|found| !found.is_empty())
        });
        let none = ["/", "", "/dev/shm", "/tmp", "/root"].map(|short| processes_of(Path::new(short)).len());
        for child in [&mut ours, &mut other] {
            child.kill().expect("ours");
            child.wait().expect("ours");
        }
        assert_eq!(found.expect("it was found"), [ours.id()]);
        assert_eq!(none, [0; 5]);
    }
}
