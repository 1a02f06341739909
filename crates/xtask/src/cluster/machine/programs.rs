//! The programs that run inside: each with its log, looked after as a service manager would.
//!
//! While the cluster starts, a program that ends is a failure. Later it is started again after a moment, so that a
//! test may kill etcd or the API server and see what everybody else makes of it.

use crate::cluster::PROGRAMS_FILE;
use crate::cluster::plane::Program;
use crate::kill::proc;
use anyhow::{Context as _, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// Sooner the port may still be taken.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Lines of a log that explain why a program ended.
const LAST_LINES: usize = 12;
const SEARCHED: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/opt/nica/bin";

pub(crate) struct Programs {
    home: PathBuf,
    running: Mutex<Vec<Started>>,
}

struct Started {
    name: String,
    pid: u32,
    /// How it is started again; none for what cannot be.
    program: Option<Program>,
}

impl Programs {
    pub(crate) fn new(home: &Path) -> Result<Programs> {
        std::fs::create_dir_all(home.join("log"))?;
        Ok(Programs { home: home.to_path_buf(), running: Mutex::new(Vec::new()) })
    }

    pub(crate) fn start(&self, program: Program) -> Result<()> {
        let pid = self.spawn(&program)?;
        self.note(&program.name.clone(), pid, Some(program));
        Ok(())
    }

    fn spawn(&self, program: &Program) -> Result<u32> {
        let log = self.log(&program.name)?;
        let mut command = Command::new(&program.path);
        command.args(&program.args).env_clear().env("PATH", SEARCHED).env("HOME", &self.home);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command.spawn().with_context(|| format!("start {}", program.name))?.id())
    }

    pub(crate) fn note(&self, name: &str, pid: u32, program: Option<Program>) {
        let mut running = self.running.lock().expect("nobody panics with it");
        running.retain(|started| started.name != name);
        running.push(Started { name: name.to_string(), pid, program });
        let list: Vec<(&str, u32)> =
            running.iter().map(|started| (started.name.as_str(), started.pid)).collect();
        // For `status` only; without it nothing is lost.
        let _ = std::fs::write(self.home.join(PROGRAMS_FILE), serde_json::json!(list).to_string());
    }

    /// One that does not run any more.
    pub(crate) fn ended(&self) -> Option<String> {
        let running = self.running.lock().expect("nobody panics with it");
        running.iter().find(|started| !proc::alive(started.pid)).map(|started| started.name.clone())
    }

    /// Orphans of every program come here too. Ends when nothing is left to wait for.
    pub(crate) fn bury(&self) -> Result<()> {
        while let Ok(ended) = rustix::process::wait(rustix::process::WaitOptions::empty()) {
            if let Some((pid, _)) = ended {
                self.again(pid.as_raw_nonzero().get().cast_unsigned())?;
            }
        }
        Ok(())
    }

    fn again(&self, pid: u32) -> Result<()> {
        let program = {
            let running = self.running.lock().expect("nobody panics with it");
            running.iter().find(|started| started.pid == pid).and_then(|started| started.program.clone())
        };
        if let Some(program) = program {
            std::thread::sleep(AGAIN_AFTER);
            self.start(program)?;
        }
        Ok(())
    }

    pub(crate) fn log(&self, name: &str) -> Result<File> {
        let path = self.log_path(name);
        let opened = File::options().create(true).append(true).open(&path);
        opened.with_context(|| format!("open {}", path.display()))
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.home.join("log").join(format!("{name}.log"))
    }

    pub(crate) fn last_lines(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.log_path(name)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}
