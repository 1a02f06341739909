//! What the sweep does to a database by psql alone: hold a lock, and see who waits for one.

use super::cluster::{Cluster, DATABASE, psql_command};
use super::proc;
use anyhow::{Context as _, Result, bail};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::time::Duration;

/// A table locked by a psql session of its own, until this is dropped.
pub(crate) struct Lock {
    pub mode: Mode,
    psql: Child,
}

const HOLD_LIMIT: Duration = Duration::from_secs(30);

/// What a lock keeps others from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nobody gets at the table.
    AccessExclusive,
    /// As a writer who does not commit: an index that is built beside the traffic is begun, and waits half-built.
    RowExclusive,
}

impl Mode {
    fn words(self) -> &'static str {
        match self {
            Mode::AccessExclusive => "ACCESS EXCLUSIVE",
            Mode::RowExclusive => "ROW EXCLUSIVE",
        }
    }
}

impl Lock {
    pub(crate) fn take(cluster: &Cluster, table: &str, mode: Mode) -> Result<Lock> {
        let mut psql = psql_command(cluster.socket_folder(), DATABASE)?
            .env("PGAPPNAME", "sweep/lock")
            .args(["-v", "ON_ERROR_STOP=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start psql")?;
        let words = mode.words();
        let script = format!("BEGIN;\nLOCK TABLE {table} IN {words} MODE;\n\\echo locked\n");
        psql.stdin.as_mut().context("write to psql")?.write_all(script.as_bytes())?;
        let mut said = String::new();
        let stdout = psql.stdout.as_mut().context("read from psql")?;
        BufReader::new(stdout).read_line(&mut said)?;
        if said.trim() != "locked" {
            bail!("lock {table}: psql said {said:?}");
        }
        Ok(Lock { mode, psql })
    }
}

impl Lock {
    /// Holds on until this server process is gone, in a thread of its own; at the latest until the limit.
    pub(crate) fn until_gone(self, backend: u32) {
        std::thread::spawn(move || {
            let gone = || (!proc::alive(backend)).then_some(());
            let _ = proc::wait_for("wait for an orphan to be ended", HOLD_LIMIT, gone);
            drop(self);
        });
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The end of its input ends psql, and with it the transaction.
        drop(self.psql.stdin.take());
        let _ = self.psql.wait();
    }
}

/// Until a session of this name pattern waits for a lock.
pub(crate) fn await_blocked(cluster: &Cluster, pattern: &str, length: Duration) -> Result<()> {
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '{pattern}' AND wait_event_type = 'Lock'"
    );
    proc::wait_for(&format!("wait until a session {pattern} waits for a lock"), length, || {
        (cluster.psql(&waiting).ok()? != "0").then_some(())
    })
}

/// Until no session of this name pattern is left.
pub(crate) fn await_no_session_like(cluster: &Cluster, pattern: &str, length: Duration) -> Result<()> {
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '{pattern}'");
    proc::wait_for(&format!("wait until no session {pattern} is left"), length, || {
        (cluster.psql(&count).ok()? == "0").then_some(())
    })
}
