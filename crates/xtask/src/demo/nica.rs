//! The `nica` program as its user runs it: a child process, its exit code, its lines.
//!
//! Each run leaves its output in the folder of the demo. A run can be stopped, continued and killed at any time,
//! from outside, as a bad day would.

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) struct Nica {
    pub(crate) program: PathBuf,
    /// Working folder of each run.
    pub(crate) folder: PathBuf,
    pub(crate) logs: PathBuf,
    /// Variables: database addresses, secrets, who is acting.
    pub(crate) variables: Vec<(String, String)>,
    runs: AtomicUsize,
}

pub(crate) struct Running {
    what: String,
    child: Child,
    began: Instant,
    out: PathBuf,
    err: PathBuf,
}

#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) what: String,
    /// None when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
}

const POLL: Duration = Duration::from_millis(10);

impl Nica {
    pub(crate) fn new(program: PathBuf, folder: PathBuf, logs: PathBuf) -> Nica {
        Nica { program, folder, logs, variables: Vec::new(), runs: AtomicUsize::new(0) }
    }

    pub(crate) fn start(&self, args: &[&str]) -> Result<Running> {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let words: Vec<&str> =
            args.iter().copied().filter(|arg| !arg.contains('/') && !arg.starts_with('-')).collect();
        let name = format!("{number:03}-{}", words.join("-"));
        let (out, err) = (self.logs.join(format!("{name}.out")), self.logs.join(format!("{name}.err")));
        let open = |path: &PathBuf| File::create(path).with_context(|| format!("open {}", path.display()));
        let what = format!("nica {}", args.join(" "));
        let child = Command::new(&self.program)
            .args(args)
            .current_dir(&self.folder)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(open(&out)?)
            .stderr(open(&err)?)
            .spawn()
            .with_context(|| format!("start `{what}`"))?;
        Ok(Running { what, child, began: Instant::now(), out, err })
    }

    /// Starts it and waits for its end.
    pub(crate) fn run(&self, args: &[&str], limit: Duration) -> Result<Ended> {
        self.start(args)?.wait(limit)
    }
}

impl Running {
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).context("name the process")?;
        kill_process(pid, signal).with_context(|| format!("signal `{}`", self.what))
    }

    pub(crate) fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait().with_context(|| format!("look after `{}`", self.what))?.is_none())
    }

    /// Whether an event of this name was told so far.
    pub(crate) fn said(&self, event: &str) -> Result<bool> {
        let out = fs::read_to_string(&self.out).with_context(|| format!("read {}", self.out.display()))?;
        Ok(out.contains(&format!("\"event\":\"{event}\"")))
    }

    /// Kills it when it takes longer than `limit`; that is an error.
    pub(crate) fn wait(mut self, limit: Duration) -> Result<Ended> {
        while self.is_running()? {
            if self.began.elapsed() > limit {
                self.child.kill().with_context(|| format!("end `{}`", self.what))?;
                self.child.wait()?;
                bail!(
                    "see `{}` end within {limit:?}; it said: {}",
                    self.what,
                    fs::read_to_string(&self.err)?
                );
            }
            std::thread::sleep(POLL);
        }
        let status = self.child.wait()?;
        Ok(Ended {
            code: status.code(),
            signal: status.signal(),
            out: fs::read_to_string(&self.out)?,
            err: fs::read_to_string(&self.err)?,
            took: self.began.elapsed(),
            what: self.what,
        })
    }
}

impl Ended {
    /// The only answer that lets the story go on.
    pub(crate) fn expect(self, code: i32) -> Result<Ended> {
        if self.code == Some(code) {
            return Ok(self);
        }
        let ended = match (self.code, self.signal) {
            (Some(code), _) => format!("with exit code {code}"),
            (None, signal) => format!("by signal {}", signal.unwrap_or_default()),
        };
        bail!("see `{}` end with exit code {code}: it ended {ended}\n{}{}", self.what, self.out, self.err)
    }

    /// Whether an event of this name was told.
    pub(crate) fn told(&self, event: &str) -> bool {
        self.lines().any(|line| line.get("event").is_some_and(|name| name == event))
    }

    /// The value of a field in the last JSON line that has it.
    pub(crate) fn field(&self, name: &str) -> Option<Value> {
        self.lines().filter_map(|line| line.get(name).cloned()).filter(|value| !value.is_null()).last()
    }

    /// Lines on stdout that are JSON.
    fn lines(&self) -> impl Iterator<Item = Value> + '_ {
        self.out.lines().filter_map(|line| serde_json::from_str(line).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(folder: &tempfile::TempDir) -> Nica {
        let folder = folder.path().to_path_buf();
        let mut nica = Nica::new("/bin/sh".into(), folder.clone(), folder);
        nica.variables.push(("GREETING".into(), "hello".into()));
        nica
    }

    fn run(script: &str) -> Ended {
        let folder = tempfile::tempdir().expect("a folder");
        shell(&folder).run(&["-c", script], LIMIT).expect("it ends")
    }

    #[test]
    fn an_end_has_code_and_both_outputs() {
        let ended = run("echo $GREETING; echo no >&2; exit 20");
        assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(20), "hello\n", "no\n"));
        let error = ended.expect(0).expect_err("20 is not 0").to_string();
        assert!(error.contains("it ended with exit code 20\nhello\nno"), "{error}");
    }

    #[test]
    fn the_last_json_line_with_a_field_counts() {
        let ended = run(r#"echo '{"end":"back","reason":"a"}'; echo text; echo '{"end":"live"}'"#);
        assert_eq!(ended.field("end"), Some("live".into()));
        assert_eq!(ended.field("reason"), Some("a".into()));
        assert_eq!(ended.field("other"), None);
        assert!(run(r#"echo '{"event":"resumed"}'"#).told("resumed") && !ended.told("resumed"));
    }

    #[test]
    fn a_run_is_stopped_continued_and_killed_from_outside() {
        let folder = tempfile::tempdir().expect("a folder");
        let nica = shell(&folder);
        let mut running = nica.start(&["-c", "sleep 0.2"]).expect("it starts");
        running.signal(Signal::STOP).expect("ours");
        std::thread::sleep(Duration::from_millis(600));
        assert!(running.is_running().expect("ours"), "a stopped process does not end");
        running.signal(Signal::CONT).expect("ours");
        assert_eq!(running.wait(LIMIT).expect("it ends").code, Some(0));

        let running = nica.start(&["-c", "sleep 600"]).expect("it starts");
        running.signal(Signal::KILL).expect("ours");
        let ended = running.wait(LIMIT).expect("it ends");
        assert_eq!((ended.code, ended.signal), (None, Some(9)));
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = shell(&folder).run(&["-c", "exec sleep 600"], Duration::from_millis(100));
        assert!(error.expect_err("too long").to_string().contains("within 100ms"));
    }
}
