//! The deployer's side: asks the supervisor, and starts one when there is none.
//!
//! Every question is a connection of its own, so a supervisor that was replaced in between is simply asked next.
//! "Not asked" and "asked, but no answer came" are two errors: only the second may still take effect, and ends the
//! asker's own fence.

mod start;

use super::ProcessError;
use super::kernel::Process;
use super::protocol::{
    Cursor, Hello, Identity, Observed, PROTOCOL, Pins, Refusal, Reply, Request, SecretValue, Set,
};
use super::state;
use crate::process::metrics::Metrics;
use nica_engine::Digest;
use nica_engine::effect::{Generation, SecretName};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Who says nothing for this long is stopped or stuck.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Copying an executable into the store takes as long as the disk does.
const PUT_LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("reach the supervisor at {}: {source}; start it with `nica supervise --state DIR`", .state.display())]
    Unreachable { state: PathBuf, source: io::Error },
    /// It may still take effect later: take the next fence before looking again.
    #[error("get an answer from the supervisor at {}: {source}", .state.display())]
    NoAnswer { state: PathBuf, source: io::Error },
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(
        "speak protocol {ours} with a supervisor that speaks {theirs}; restart it with this version of nica"
    )]
    Protocol { ours: u32, theirs: u32 },
    #[error("understand the supervisor's answer; restart it with this version of nica")]
    Answer,
    #[error("start a supervisor: {0}")]
    Start(#[from] ProcessError),
    #[error(transparent)]
    Record(ProcessError),
    #[error("replace the supervisor at {}: {why}; look at logs/supervisor.log there", .state.display())]
    Stuck { state: PathBuf, why: &'static str },
}

#[derive(Clone, Debug)]
pub struct TargetClient {
    state: PathBuf,
}

impl TargetClient {
    /// To a supervisor that runs; starts nothing.
    pub async fn connect(state: &Path) -> Result<TargetClient, TargetError> {
        let client = TargetClient { state: state.to_path_buf() };
        client.hello().await?;
        Ok(client)
    }

    /// To the supervisor of this environment, started when there is none, replaced when it does not answer.
    pub async fn connect_or_start(
        state: &Path,
        nica: &Path,
        who: &Identity,
    ) -> Result<TargetClient, TargetError> {
        let client = TargetClient { state: start::folder(state)? };
        start::reach(&client, nica).await?;
        client.say_hello(Some(who.clone())).await?;
        Ok(client)
    }

    pub async fn hello(&self) -> Result<Hello, TargetError> {
        self.say_hello(None).await
    }

    async fn say_hello(&self, identity: Option<Identity>) -> Result<Hello, TargetError> {
        match self.ask(&Request::Hello { identity }, ANSWER_LIMIT).await? {
            Reply::Hello(hello) if hello.protocol == PROTOCOL => Ok(hello),
            Reply::Hello(hello) => Err(TargetError::Protocol { ours: PROTOCOL, theirs: hello.protocol }),
            _ => Err(TargetError::Answer),
        }
    }

    /// Makes the target refuse every lower fence. Durable when this returns.
    pub async fn admit(&self, fence: i64) -> Result<(), TargetError> {
        self.done(&Request::Admit { fence }).await
    }

    /// Durable when this returns; whether it came true is seen with `observe` and `watch`.
    pub async fn set(&self, set: Set) -> Result<(), TargetError> {
        self.done(&Request::Set(Box::new(set))).await
    }

    /// Copies a file into the store under its name; the supervisor reads it, and checks the name.
    pub async fn put_file(&self, path: &Path, digest: &Digest) -> Result<(), TargetError> {
        let path = path.canonicalize().map_err(|source| ProcessError::file("find", path)(source))?;
        let request = Request::Put { path, digest: digest.clone() };
        match self.ask(&request, PUT_LIMIT).await? {
            Reply::Done => Ok(()),
            _ => Err(TargetError::Answer),
        }
    }

    pub async fn put_bytes(&self, bytes: &[u8], digest: &Digest) -> Result<(), TargetError> {
        let system = ProcessError::system("write a file for the store");
        let file =
            tempfile::NamedTempFile::new().and_then(|file| std::fs::write(file.path(), bytes).map(|()| file));
        self.put_file(file.map_err(system)?.path(), digest).await
    }

    pub async fn put_secret(&self, value: SecretValue) -> Result<SecretName, TargetError> {
        match self.ask(&Request::PutSecret { value }, ANSWER_LIMIT).await? {
            Reply::Secret(name) => Ok(name),
            _ => Err(TargetError::Answer),
        }
    }

    /// Replaces the list of what stays beside what is desired: the baseline's and the open run's.
    pub async fn pin(&self, fence: i64, pins: Pins) -> Result<(), TargetError> {
        self.done(&Request::Pin { fence, pins }).await
    }

    /// Removes what is neither desired nor pinned; how much that was.
    pub async fn gc(&self, fence: i64) -> Result<u32, TargetError> {
        match self.ask(&Request::Gc { fence }, ANSWER_LIMIT).await? {
            Reply::Swept(count) => Ok(count),
            _ => Err(TargetError::Answer),
        }
    }

    pub async fn observe(&self) -> Result<Observed, TargetError> {
        self.observed(&Request::Observe, ANSWER_LIMIT).await
    }

    /// Comes back as soon as something differs from `since`, at the latest after `wait` (at most 30 s).
    pub async fn watch(&self, since: Option<&Cursor>, wait: Duration) -> Result<Observed, TargetError> {
        let request = Request::Watch { since: since.cloned(), wait_ms: wait.as_millis() as u64 };
        self.observed(&request, wait + ANSWER_LIMIT).await
    }

    /// One Prometheus text per component and generation: living replicas and those that have gone.
    pub async fn scrape(&self) -> Result<BTreeMap<String, BTreeMap<Generation, Metrics>>, TargetError> {
        match self.ask(&Request::Scrape, ANSWER_LIMIT).await? {
            Reply::Metrics(metrics) => Ok(metrics),
            _ => Err(TargetError::Answer),
        }
    }

    /// Drains every replica and ends keeper and supervisor; waits until they have gone. Desired state stays.
    pub async fn stop(&self, fence: i64, limit: Duration) -> Result<(), TargetError> {
        let holder = state::Lock::holder(&self.state.join("lock"));
        let process =
            holder.and_then(|holder| Process::open(holder.pid).ok()?.filter(|process| process.id == holder));
        self.done(&Request::Stop { fence }).await?;
        let end = Instant::now() + limit;
        while process.as_ref().is_some_and(|process| !process.wait(Duration::ZERO)) {
            if Instant::now() > end {
                return Err(TargetError::Stuck { state: self.state.clone(), why: "replicas do not end" });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn done(&self, request: &Request) -> Result<(), TargetError> {
        match self.ask(request, ANSWER_LIMIT).await? {
            Reply::Done => Ok(()),
            _ => Err(TargetError::Answer),
        }
    }

    async fn observed(&self, request: &Request, limit: Duration) -> Result<Observed, TargetError> {
        match self.ask(request, limit).await? {
            Reply::Observed(observed) => Ok(observed),
            _ => Err(TargetError::Answer),
        }
    }

    async fn ask(&self, request: &Request, limit: Duration) -> Result<Reply, TargetError> {
        let stream = self.connection().await?;
        let reply = tokio::time::timeout(limit, exchange(stream, request));
        let reply = reply.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let reply = reply.map_err(|source| TargetError::NoAnswer { state: self.state.clone(), source })?;
        // What could not be understood is not repeated: it may carry anything that a replica said.
        match serde_json::from_str(&reply).map_err(|_| TargetError::Answer)? {
            Reply::Refused(refusal) => Err(refusal.into()),
            reply => Ok(reply),
        }
    }

    /// Where it listens stands in the state folder, because our `XDG_RUNTIME_DIR` need not be the supervisor's.
    async fn connection(&self) -> Result<UnixStream, TargetError> {
        let unreachable = |source| TargetError::Unreachable { state: self.state.clone(), source };
        let socket = std::fs::read_to_string(self.state.join("socket")).map_err(unreachable)?;
        UnixStream::connect(socket).await.map_err(unreachable)
    }
}

async fn exchange(stream: UnixStream, request: &Request) -> io::Result<String> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let mut stream = BufReader::new(stream);
    stream.write_all(&line).await?;
    let mut reply = String::new();
    if stream.read_line(&mut reply).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(reply)
}
