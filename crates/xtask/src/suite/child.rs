//! A command whose output is read line by line, errors and results in one stream, and that may not run for ever.
//!
//! It gets a process group of its own, so that a suite that hangs is ended with everything it started.

use anyhow::{Context as _, Result};
use std::io::{BufRead as _, BufReader, PipeReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub(crate) struct Child {
    what: String,
    process: std::process::Child,
    output: PipeReader,
}

pub(crate) struct Ended {
    pub success: bool,
    /// How it ended, as a line for people; empty after success.
    pub why: String,
}

impl Child {
    pub(crate) fn start(command: &[&str], args: &[String], folder: &Path) -> Result<Child> {
        let what = [command.join(" "), args.join(" ")].join(" ").trim().to_string();
        let (output, input) = std::io::pipe().context("make a pipe")?;
        let process = Command::new(command[0])
            .args(&command[1..])
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(input.try_clone().context("share a pipe")?)
            .stderr(input)
            .process_group(0)
            .spawn()
            .with_context(|| format!("start `{what}`"))?;
        Ok(Child { what, process, output })
    }

    /// Hands over each line and waits for the end, at most `limit`.
    pub(crate) fn read(mut self, limit: Duration, mut take: impl FnMut(&str)) -> Result<Ended> {
        let until = Instant::now() + limit;
        let (send, lines) = mpsc::channel();
        let output = self.output;
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let mut hung = false;
        loop {
            match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => take(&line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    hung = true;
                    end_group(&self.process);
                    break;
                }
            }
        }
        let status = self.process.wait().with_context(|| format!("wait for `{}`", self.what))?;
        if !hung {
            reader.join().expect("the reader only reads");
        }
        let why = match (hung, status.success()) {
            (true, _) => format!("`{}` was ended: it ran longer than {} s", self.what, limit.as_secs()),
            (false, true) => String::new(),
            (false, false) => format!("`{}` ended with {status}", self.what),
        };
        Ok(Ended { success: status.success() && !hung, why })
    }
}

fn end_group(process: &std::process::Child) {
    if let Some(group) = rustix::process::Pid::from_raw(process.id().cast_signed()) {
        // Already gone is what we want.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> (Vec<String>, Ended) {
        let mut lines = Vec::new();
        let child = Child::start(&["sh", "-c", script], &[], Path::new("/")).expect("sh starts");
        let ended = child.read(limit, |line| lines.push(line.to_string())).expect("sh ends");
        (lines, ended)
    }

    #[test]
    fn results_and_errors_arrive_in_order() {
        let (lines, ended) = sh("echo a; echo b >&2; echo c", Duration::from_secs(20));
        assert_eq!(lines, ["a", "b", "c"]);
        assert!(ended.success);
    }

    #[test]
    fn what_hangs_is_ended_with_its_children() {
        let began = Instant::now();
        let (_, ended) = sh("sleep 600 & sleep 600", Duration::from_millis(200));
        assert!(!ended.success && ended.why.contains("ran longer"), "{}", ended.why);
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
