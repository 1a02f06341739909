//! A process that outlives whoever starts a cluster: when the cluster is to end, however that comes, it clears up.
//!
//! It ends the cluster when asked through its socket, when the first process inside ends, and when whoever started
//! it dies before saying that the cluster stays. Killed itself, it takes the cluster along: the kernel signals the
//! first process inside. Then only cgroups and a folder are left, which the next command clears away.

use super::machine::{FAILED, GO, UP};
use super::state::{self, Init, State};
use super::{cgroups, leftovers, network, obtain};
use crate::kill::proc;
use anyhow::{Context as _, Result};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What the guard says first: from here on its folder is guarded.
pub(crate) const BORN: &str = "born";
/// What the starter says so that the cluster outlives it.
pub(crate) const STAY: &str = "stay";
/// The last word of a guard that cleared everything away.
const CLEARED: &str = "cleared";
const BIRTH_LIMIT: Duration = Duration::from_secs(20);
/// For the whole of the clearing up; its parts have shorter limits.
const DOWN_LIMIT: Duration = Duration::from_secs(90);

enum Event {
    Inside(String),
    InsideEnded,
    StarterGone,
    Asked(UnixStream),
}

pub(crate) fn run(home: &Path) -> Result<()> {
    // Neither the terminal's interrupts nor its end are for us.
    rustix::process::setsid().context("leave the terminal")?;
    // What its parent leaves behind comes to us and is buried, not to a process 1 that may not care.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).context("become a subreaper")?;
    let _alive = state::hold(home)?;
    let listener = UnixListener::bind(socket(home)).context("listen")?;
    say(BORN);
    let mut state = State::read(home)?;
    let (send, events) = mpsc::channel();
    let asked = send.clone();
    std::thread::spawn(move || {
        listener.incoming().flatten().for_each(|stream| drop(asked.send(Event::Asked(stream))))
    });
    let starter = send.clone();
    std::thread::spawn(move || {
        let mut words = String::new();
        let _ = std::io::stdin().read_to_string(&mut words);
        if words.trim() != STAY {
            drop(starter.send(Event::StarterGone));
        }
    });
    let asker = match open(&mut state, send) {
        Ok(mut inside) => {
            let asker = watch(&events, home);
            let _ = inside.kill();
            let _ = inside.wait();
            asker
        }
        Err(error) => {
            say(&format!("{FAILED} {error:#}"));
            None
        }
    };
    let cleared = leftovers::clear(&state);
    bury();
    if let Some(mut asker) = asker {
        let answer = cleared.as_ref().map_or_else(|error| format!("{error:#}"), |()| CLEARED.to_string());
        let _ = asker.write_all(answer.as_bytes());
    }
    cleared
}

/// Those who have ended; `clear` has waited for that.
fn bury() {
    while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
}

/// Until the cluster has to end; who asked for it, if anybody did.
fn watch(events: &mpsc::Receiver<Event>, home: &Path) -> Option<UnixStream> {
    loop {
        match events.recv().expect("this function's caller holds a sender through a thread") {
            Event::Inside(line) if line.starts_with(FAILED) => {
                let kept = keep_logs(home).unwrap_or_default();
                say(&format!("{line}{kept}"));
            }
            Event::Inside(line) => say(&line),
            Event::InsideEnded | Event::StarterGone => return None,
            Event::Asked(stream) => return Some(stream),
        }
    }
}

/// Logs outlive a cluster that could not be started, until the next of its name fails. Ends a sentence.
fn keep_logs(home: &Path) -> Result<String> {
    let kept = obtain::folder().join("failed").join(home.file_name().context("name a cluster")?);
    let _ = std::fs::remove_dir_all(&kept);
    std::fs::create_dir_all(kept.parent().context("name a folder")?)?;
    std::fs::rename(home.join("log"), &kept)?;
    Ok(format!("\tlogs: {}", kept.display()))
}

/// Nobody may be listening any more.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn socket(home: &Path) -> PathBuf {
    home.join("guard")
}

/// Starts the first process inside, ties it to the machine and lets it begin.
fn open(state: &mut State, send: mpsc::Sender<Event>) -> Result<Child> {
    cgroups::make(&state.range.label(), state.nodes)?;
    let mut outside = unshare(&state.home()).spawn().context("open namespaces")?;
    let opened = tie(state, &outside, outside.stdin.as_ref());
    if let Err(error) = opened {
        let _ = outside.kill();
        let _ = outside.wait();
        return Err(error);
    }
    let output = outside.stdout.take().expect("it is piped");
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            drop(send.send(Event::Inside(line)));
        }
        drop(send.send(Event::InsideEnded));
    });
    Ok(outside)
}

/// Dies with us, and everything inside dies with it.
fn unshare(home: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "unshare", "--fork", "--kill-child", "--pid", "--mount-proc"]);
    command.args(["--mount", "--net", "--propagation", "private", "--"]);
    command.arg(home.join(super::PROGRAM)).args(["cluster", "inside"]).arg(home);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn tie(state: &mut State, outside: &Child, input: Option<&ChildStdin>) -> Result<()> {
    let own = leftovers::namespace_of(std::process::id()).context("read our process namespace")?;
    let init = proc::wait_for("see the first process inside", BIRTH_LIMIT, || {
        let pid = *proc::descendants(outside.id()).first()?;
        let namespace = leftovers::namespace_of(pid).filter(|namespace| *namespace != own)?;
        Some(Init { pid, began: proc::began(pid)?, namespace })
    })?;
    let pid = init.pid;
    state.init = Some(init);
    state.write()?;
    network::connect(state.range, pid)?;
    let mut input = input.context("speak to the first process inside")?;
    writeln!(input, "{GO}").context("speak to the first process inside")
}

/// The starter's end of a guard. Dropped without `stay`, the cluster goes.
pub(crate) struct Guard {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Guard {
    pub(crate) fn start(home: &Path) -> Result<Guard> {
        let log = std::fs::File::create(home.join("guard.log"))?;
        let mut child = Command::new(home.join(super::PROGRAM))
            .args(["cluster", "guard"])
            .arg(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("start a guard")?;
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let born = lines.next().transpose()?;
        anyhow::ensure!(
            born.as_deref() == Some(BORN),
            "start a guard: see {}",
            home.join("guard.log").display()
        );
        Ok(Guard { child, lines })
    }

    /// Hands over each step until the cluster is up; its seconds.
    pub(crate) fn until_up(&mut self, mut step: impl FnMut(&str)) -> Result<f64> {
        for line in self.lines.by_ref() {
            let line = line?;
            match line.split_once(' ') {
                Some((UP, seconds)) => return seconds.parse().context("read the guard's answer"),
                Some((FAILED, why)) => anyhow::bail!("start a cluster: {}", why.replace('\t', "\n")),
                Some((_, text)) => step(text),
                None => {}
            }
        }
        anyhow::bail!("start a cluster: its guard has ended")
    }

    pub(crate) fn stay(mut self) -> Result<()> {
        let mut input = self.child.stdin.take().expect("it is piped");
        writeln!(input, "{STAY}").context("tell the guard to stay")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.child.stdin.take().is_some() {
            let _ = self.child.wait();
        }
    }
}

/// Asks a guard to end its cluster and waits until it has; false when it died before it could say so.
pub(crate) fn ask_down(home: &Path) -> Result<bool> {
    let Ok(mut stream) = UnixStream::connect(socket(home)) else { return Ok(false) };
    stream.set_read_timeout(Some(DOWN_LIMIT))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("wait for the guard")?;
    match answer.as_str() {
        CLEARED => Ok(true),
        "" => Ok(false),
        why => anyhow::bail!("end the cluster: {why}"),
    }
}
