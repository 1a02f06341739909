//! A process that the sweep starts and may kill, stop and continue: `nica`, or psql in this module's own tests.
//!
//! What it prints goes to files, so that nothing blocks on a full pipe and a failing case can show it.

use super::proc::{self, Limit, Signal};
use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

pub(crate) struct Actor {
    child: Child,
    /// Whether it ends with this value.
    ours: bool,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Actor {
    /// Starts `command`; its output goes to `folder/NAME.out` and `folder/NAME.err`.
    pub(crate) fn start(mut command: Command, folder: &Path, name: &str) -> Result<Actor> {
        let (stdout, stderr) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
        command.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        let child = command.spawn().with_context(|| format!("start {command:?}"))?;
        Ok(Actor { child, ours: true, stdout, stderr })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it live on.
    pub(crate) fn forget(mut self) {
        self.ours = false;
    }

    /// SIGKILL, and gone when this returns.
    pub(crate) fn kill(&mut self) -> Result<()> {
        proc::signal(self.pid(), Signal::KILL)?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// None when it is still there after `length`.
    pub(crate) fn wait(&mut self, length: Duration) -> Result<Option<ExitStatus>> {
        let limit = Limit::new(length);
        while !limit.passed() {
            if let Some(status) = self.ended() {
                return Ok(Some(status));
            }
            let _ = limit.pause_or("wait for a process");
        }
        Ok(self.ended())
    }

    /// Everything it printed so far.
    pub(crate) fn printed(&self) -> String {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        read(&self.stdout) + &read(&self.stderr)
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if self.ours {
            let _ = self.kill();
        }
    }
}

/// A process that calls listen on this socket and then only waits to be killed.
pub(crate) fn listen_helper(socket: OwnedFd) -> Result<Child> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(std::env::current_exe()?).args(["test", "kill", LISTEN]);
    let mut helper = command.stdin(socket).stdout(Stdio::piped()).spawn().context("start a listener")?;
    let said = BufReader::new(helper.stdout.take().context("hear from a listener")?).lines();
    let listens = said.map_while(std::io::Result::ok).any(|line| line == LISTEN);
    anyhow::ensure!(listens, "start a listener: it ended");
    Ok(helper)
}

/// Argument that makes this program a listener.
pub(crate) const LISTEN: &str = "--listen";

/// What the helper does, for ever.
pub(crate) fn listen() -> Result<()> {
    const BACKLOG: i32 = 64;
    rustix::net::listen(std::io::stdin(), BACKLOG)?;
    println!("{LISTEN}");
    loop {
        std::thread::park();
    }
}
