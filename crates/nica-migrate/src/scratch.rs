//! A private PostgreSQL cluster to throw away: the gate `migration` proves undo classes on it, tests live on it.
//!
//! Unix socket only, nothing is flushed to disk, and nothing is left behind: the server is the child of a small
//! shell that reads from a pipe held by us. However we end, the pipe closes, the shell stops the server and removes
//! the folder. (A parent-death signal would be tied to the thread that started the server, and leave the folder.)

mod find;
mod given;

use crate::connect::{ConnectError, DbUrl, connect};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio_postgres::Client;

pub use find::{Binaries, find_binaries, server_version};
pub use given::GivenServer;
pub(crate) use given::role_sql;

/// The superuser of every scratch cluster.
pub const SCRATCH_USER: &str = "scratch";
const START_LIMIT: Duration = Duration::from_secs(30);
const START_POLL: Duration = Duration::from_millis(5);

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    #[error(
        "find initdb and postgres on PATH or below /usr/lib/postgresql; install the PostgreSQL server, 15 or newer, or name a server for \
         throw-away databases with scratch_url"
    )]
    NoServer,
    #[error("run {path} --version: {why}")]
    Program { path: String, why: String },
    #[error("prepare a scratch cluster in {path}: {why}")]
    Folder { path: String, why: String },
    #[error("run initdb for a scratch cluster: {0}")]
    Initdb(String),
    #[error("start a scratch cluster within {secs} s; its log says: {log}")]
    Start { secs: u64, log: String },
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("run `{sql}` in a scratch cluster: {why}")]
    Sql { sql: String, why: String },
}

/// A running server of our own; dropping it ends the server and removes its folder.
#[derive(Debug)]
pub struct ScratchCluster {
    watcher: Child,
    folder: PathBuf,
}

impl ScratchCluster {
    /// # Errors
    /// No server programs are installed, or they do not start here.
    pub async fn start() -> Result<ScratchCluster, ScratchError> {
        ScratchCluster::start_with(&[]).await
    }

    /// As `start`, with server settings of the caller's own (`("wal_level", "logical")`), which win.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_with(settings: &[(&str, &str)]) -> Result<ScratchCluster, ScratchError> {
        let binaries = find_binaries()?;
        let owner = find::server_user();
        let folder = find::make_folder(owner.as_ref())?;
        let prepared = initdb(&binaries, owner.as_ref(), &folder);
        let watcher = prepared.and_then(|()| watch(&binaries, owner.as_ref(), &folder, settings));
        match watcher {
            Ok(watcher) => ScratchCluster { watcher, folder }.ready().await,
            Err(error) => {
                let _ = std::fs::remove_dir_all(&folder);
                Err(error)
            }
        }
    }

    pub fn url(&self, database: &str) -> DbUrl {
        DbUrl::on_socket(&self.folder, SCRATCH_USER, database)
    }

    /// Where data, socket and log are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// # Errors
    /// The name is taken or the server is gone.
    pub async fn create_database(&self, name: &str) -> Result<DbUrl, ScratchError> {
        self.run(&format!("CREATE DATABASE {}", quoted(name))).await?;
        Ok(self.url(name))
    }

    /// # Errors
    /// The name is taken, or somebody is connected to the template.
    pub async fn clone_database(&self, template: &str, name: &str) -> Result<DbUrl, ScratchError> {
        let (name_sql, template) = (quoted(name), quoted(template));
        self.run(&format!("CREATE DATABASE {name_sql} TEMPLATE {template} STRATEGY file_copy")).await?;
        Ok(self.url(name))
    }

    /// # Errors
    /// The server is gone.
    pub async fn drop_database(&self, name: &str) -> Result<(), ScratchError> {
        self.run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name))).await
    }

    /// Close the pipe as a killed process would and wait for nothing.
    #[doc(hidden)]
    pub fn let_go(mut self) {
        drop(self.watcher.stdin.take());
        std::mem::forget(self);
    }

    async fn run(&self, sql: &str) -> Result<(), ScratchError> {
        let client = self.client().await?;
        let fail = |e| ScratchError::Sql { sql: sql.to_string(), why: crate::connect::reason(&e) };
        client.batch_execute(sql).await.map_err(fail)
    }

    async fn client(&self) -> Result<Client, ConnectError> {
        connect(&self.url("postgres"), "nica scratch").await
    }

    async fn ready(self) -> Result<ScratchCluster, ScratchError> {
        let deadline = tokio::time::Instant::now() + START_LIMIT;
        while self.client().await.is_err() {
            let ended = self.folder.join("ended").exists();
            if ended || tokio::time::Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(ScratchError::Start { secs: START_LIMIT.as_secs(), log });
            }
            tokio::time::sleep(START_POLL).await;
        }
        Ok(self)
    }
}

impl Drop for ScratchCluster {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

fn initdb(binaries: &Binaries, owner: Option<&find::ServerUser>, folder: &Path) -> Result<(), ScratchError> {
    let mut command = as_owner(&binaries.initdb, owner, folder);
    command.args(["--auth=trust", "--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C"]);
    command.args(["--username", SCRATCH_USER, "--pgdata"]).arg(folder.join("data"));
    let output = command.output().map_err(|e| ScratchError::Initdb(e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ScratchError::Initdb(String::from_utf8_lossy(&output.stderr).trim().to_string()))
}

/// `$1` the folder, the rest the server's command line. The reader's end of the pipe is a subshell's, so that a
/// server that ends by itself is seen too (`ended`); the folder stays for its log until we let go.
const WATCHER: &str = r#"
trap '' INT TERM HUP
exec 3<&0
dir=$1; shift
"$@" >"$dir/log" 2>&1 </dev/null 3<&- &
server=$!
(read -r _ <&3; kill -QUIT $server) >/dev/null 2>&1 &
reader=$!
wait $server
: >"$dir/ended"
read -r _ <&3
kill -9 $reader 2>/dev/null
rm -rf "$dir"
"#;

fn watch(
    binaries: &Binaries,
    owner: Option<&find::ServerUser>,
    folder: &Path,
    settings: &[(&str, &str)],
) -> Result<Child, ScratchError> {
    let mut command = as_owner(Path::new("/bin/sh"), owner, folder);
    command.args(["-c", WATCHER, "nica-scratch"]).arg(folder).arg(&binaries.postgres);
    command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder).args(["-h", ""]);
    for (name, value) in DEFAULTS.iter().chain(settings) {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    // A group of its own: an interrupt typed at the terminal reaches us, and the pipe tells the watcher.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command
        .spawn()
        .map_err(|e| ScratchError::Folder { path: folder.display().to_string(), why: e.to_string() })
}

const DEFAULTS: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "200"),
    ("shared_buffers", "64MB"),
    ("jit", "off"),
    ("timezone", "UTC"),
];

/// A command in the folder, as the user that the server may run as.
fn as_owner(program: &Path, owner: Option<&find::ServerUser>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if let Some(user) = owner {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
