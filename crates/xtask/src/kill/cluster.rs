//! A private PostgreSQL server for one world: its own data folder, a unix socket, no TCP.
//!
//! initdb refuses root, so root hands the folder to the user `postgres` (or `nobody`). The server dies with the
//! thread that started it (`setpriv --pdeathsig`): nothing is left when a sweep is interrupted.

use super::proc::{self, Limit};
use anyhow::{Context as _, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Name of the database and of its owner in every world.
pub(crate) const DATABASE: &str = "app";
pub(crate) const OWNER: &str = "sweep";
const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Small, quick to start, and as durable as a crash of *processes* needs: the machine itself stays up.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "full_page_writes=off",
    "listen_addresses=",
    "unix_socket_permissions=0777",
    "max_connections=100",
    "shared_buffers=16MB",
    "jit=off",
    "max_wal_size=32MB",
    "log_line_prefix=%m [%p] %a ",
    "log_statement=all",
];

pub(crate) struct Cluster {
    home: PathBuf,
    server: Child,
}

impl Cluster {
    /// Makes the data folder `home/data` with an empty database.
    pub(crate) fn create(home: &Path) -> Result<()> {
        std::fs::create_dir_all(home).with_context(|| format!("create {}", home.display()))?;
        give_to_owner(home)?;
        let mut initdb = as_owner(&program("initdb")?);
        initdb
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--wal-segsize=1"])
            .arg(format!("--username={OWNER}"))
            .arg(home.join("data"))
            .stdin(Stdio::null());
        proc::must_succeed(&mut initdb, "make a private database cluster")?;
        let mut cluster = Cluster::start(home)?;
        cluster.psql_in("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        cluster.stop()
    }

    /// Starts the server over `home/data`; its socket stands in `home`.
    pub(crate) fn start(home: &Path) -> Result<Cluster> {
        // A copied data folder of a server that was killed still has its lock file.
        let _ = std::fs::remove_file(home.join("data/postmaster.pid"));
        let log = File::options().create(true).append(true).open(home.join("server.log"))?;
        let mut server = as_owner(&program("postgres")?);
        server.arg("-D").arg(home.join("data")).arg("-k").arg(home);
        for setting in SETTINGS {
            server.args(["-c", setting]);
        }
        server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let server = server.spawn().context("start postgres")?;
        let cluster = Cluster { home: home.to_path_buf(), server };
        cluster.await_ready()?;
        Ok(cluster)
    }

    /// Until the server answers; also after a crash of one backend restarted them all.
    pub(crate) fn await_ready(&self) -> Result<()> {
        let limit = Limit::new(START_LIMIT);
        while self.psql_in("postgres", "SELECT 1").is_err() {
            limit.pause_or("wait for postgres to answer")?;
        }
        Ok(())
    }

    pub(crate) fn stop(&mut self) -> Result<()> {
        proc::signal(self.server.id(), proc::Signal::INT)?;
        let limit = Limit::new(STOP_LIMIT);
        while self.server.try_wait()?.is_none() {
            limit.pause_or("wait for postgres to stop")?;
        }
        Ok(())
    }

    /// Folder of the server's socket `.s.PGSQL.5432`.
    pub(crate) fn socket_folder(&self) -> &Path {
        &self.home
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.id()
    }

    pub(crate) fn url(&self) -> String {
        url(&self.home)
    }

    /// One script through psql; the answer without headers, fields divided by `|`.
    pub(crate) fn psql(&self, script: &str) -> Result<String> {
        self.psql_in(DATABASE, script)
    }

    fn psql_in(&self, database: &str, script: &str) -> Result<String> {
        let mut psql = psql_command(&self.home, database)?;
        psql.args(["-v", "ON_ERROR_STOP=1", "-c", script]).stdin(Stdio::null());
        proc::must_succeed(&mut psql, "ask the database")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = proc::signal(self.server.id(), proc::Signal::QUIT);
        let _ = self.server.wait();
    }
}

pub(crate) fn url(socket_folder: &Path) -> String {
    format!("postgresql:///{DATABASE}?user={OWNER}&host={}", socket_folder.display())
}

/// psql against a socket folder: the server's own, or a proxy's.
pub(crate) fn psql_command(socket_folder: &Path, database: &str) -> Result<Command> {
    let mut psql = Command::new(program("psql")?);
    psql.args(["-X", "-q", "-A", "-t", "-U", OWNER, "-d", database, "-h"]).arg(socket_folder);
    Ok(psql)
}

/// A program of PostgreSQL 15 or later, newest first.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|found| found.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort();
    folders.push(PathBuf::from("/usr/bin"));
    match folders.iter().rev().map(|folder| folder.join(name)).rfind(|path| path.exists()) {
        Some(path) => Ok(path),
        None => bail!("find {name} of PostgreSQL; `./x` installs it"),
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user that owns the server's files when we are root.
fn owner() -> Result<&'static str> {
    let users = std::fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let known = |name: &&&str| users.lines().any(|line| line.starts_with(&format!("{name}:")));
    ["postgres", "nobody"].iter().find(known).copied().context("find a user other than root for postgres")
}

fn as_owner(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let (true, Ok(owner)) = (is_root(), owner()) {
        command.args(["--reuid", owner, "--clear-groups"]);
    }
    command.arg("--").arg(program);
    command
}

fn give_to_owner(folder: &Path) -> Result<()> {
    if is_root() {
        proc::must_succeed(Command::new("chown").arg(owner()?).arg(folder), "hand over the data folder")?;
    }
    Ok(())
}
