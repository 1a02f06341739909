//! Processes as an outsider handles them: signals by pid, waiting with a limit, and what /proc tells.
//!
//! Nothing here sleeps in order to synchronise. A wait is a condition, looked at often, with a limit that has a
//! sentence to say when it passes.

use anyhow::{Context as _, Result, bail};
pub(crate) use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A wait that ends.
pub(crate) struct Limit {
    until: Instant,
}

impl Limit {
    pub(crate) fn new(length: Duration) -> Limit {
        Limit { until: Instant::now() + length }
    }

    pub(crate) fn passed(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Rests a moment before the next look; an error once the limit has passed.
    pub(crate) fn pause_or(&self, what: &str) -> Result<()> {
        if self.passed() {
            bail!("{what}: the limit has passed");
        }
        std::thread::sleep(LOOK_EVERY);
        Ok(())
    }
}

/// Looks until `seen` gives something.
pub(crate) fn wait_for<T>(what: &str, length: Duration, mut seen: impl FnMut() -> Option<T>) -> Result<T> {
    let limit = Limit::new(length);
    loop {
        if let Some(found) = seen() {
            return Ok(found);
        }
        limit.pause_or(what)?;
    }
}

/// Sends a signal; a process that is gone already is no error.
pub(crate) fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(pid.try_into()?).context("send a signal to process 0")?;
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => bail!("send a signal to process {}: {errno}", pid.as_raw_nonzero()),
    }
}

/// The state letter of /proc/PID/stat: R, S, T (stopped), Z (dead) …; none when the process is gone.
pub(crate) fn state(pid: u32) -> Option<char> {
    stat(pid)?.split(' ').next()?.chars().next()
}

pub(crate) fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.split(' ').nth(1)?.parse().ok()
}

/// Clock ticks after boot at which the process began: with the pid, its identity.
pub(crate) fn began(pid: u32) -> Option<u64> {
    stat(pid)?.split(' ').nth(19)?.parse().ok()
}

/// What follows the program's name in /proc/PID/stat (the name itself may hold spaces and brackets).
fn stat(pid: u32) -> Option<String> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(line.rsplit_once(") ")?.1.to_string())
}

pub(crate) fn alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z' && state != 'X')
}

/// Every process of the machine, by pid.
pub(crate) fn all() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Processes below this one, however deep; orphans come back to a subreaper.
pub(crate) fn descendants(of: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = all().into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![of];
    let mut next = 0;
    while next < found.len() {
        let above = found[next];
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// The words of a process's command line.
pub(crate) fn command_line(pid: u32) -> Vec<String> {
    words_of(&format!("/proc/{pid}/cmdline"))
}

/// The environment a process was started with, as `NAME=value`.
pub(crate) fn environment(pid: u32) -> Vec<String> {
    words_of(&format!("/proc/{pid}/environ"))
}

fn words_of(path: &str) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Runs to the end; the output when it succeeded, its last words when not.
pub(crate) fn must_succeed(command: &mut Command, what: &str) -> Result<String> {
    let out = command.output().with_context(|| format!("{what}: start {command:?}"))?;
    if !out.status.success() {
        bail!("{what}: {} {}", describe(out.status), String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).trim_end_matches('\n').to_string())
}

pub(crate) fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no status".to_string(),
    }
}
