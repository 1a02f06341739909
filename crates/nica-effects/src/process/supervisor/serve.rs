//! The supervisor's socket: one line in, one line out. Decisions are the loop's; what only costs time is done here.

use super::Event;
use crate::process::ProcessError;
use crate::process::protocol::{Cursor, Observed, Refusal, Reply, Request};
use crate::process::secret;
use crate::process::state::{self, StateDir};
use crate::process::store::Store;
use nica_engine::Digest;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};

const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const LINE_LIMIT: Duration = Duration::from_secs(5);
const WATCH_MAX: Duration = Duration::from_secs(30);

/// What a connection needs to answer.
#[derive(Clone)]
pub(super) struct Desk {
    pub state: StateDir,
    pub store: Arc<Store>,
    pub events: mpsc::Sender<Event>,
    pub published: watch::Receiver<Arc<Observed>>,
}

/// Listens, and only then says where.
pub(super) fn open(state: &StateDir) -> Result<UnixListener, ProcessError> {
    let path = state.runtime()?.join("supervisor");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).map_err(ProcessError::file("listen on", &path))?;
    let note = state.socket_note();
    state::replace(&note, path.as_os_str().as_encoded_bytes(), 0o600)
        .map_err(ProcessError::file("write", &note))?;
    Ok(listener)
}

pub(super) async fn accept(listener: UnixListener, desk: Desk) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(answer(stream, desk.clone()))),
            Err(error) => {
                tracing::warn!(%error, "a deployer could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn answer(stream: UnixStream, desk: Desk) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(LINE_BYTES_MAX));
    if !matches!(tokio::time::timeout(LINE_LIMIT, read.read_line(&mut line)).await, Ok(Ok(n)) if n > 0) {
        return;
    }
    // The request itself is never printed: it may carry a secret.
    let reply = match serde_json::from_str(&line) {
        Ok(request) => desk.reply(request).await,
        Err(error) => {
            Reply::Refused(Refusal::Invalid(format!("line is no request ({})", error.classify_name())))
        }
    };
    let mut bytes = serde_json::to_vec(&reply).expect("replies have string keys");
    bytes.push(b'\n');
    let _ = write.write_all(&bytes).await;
}

impl Desk {
    async fn reply(mut self, request: Request) -> Reply {
        match request {
            Request::Put { path, digest } => self.put(path, digest).await,
            Request::PutSecret { value } => {
                let kept = tokio::task::spawn_blocking(move || secret::keep(&self.state, &value)).await;
                match kept.expect("keeping a secret does not panic") {
                    Ok(name) => Reply::Secret(name),
                    Err(error) => Reply::Refused(Refusal::NotDurable(error.to_string())),
                }
            }
            Request::Watch { since, wait_ms } => self.watch(since, Duration::from_millis(wait_ms)).await,
            other => self.ask_the_loop(other).await,
        }
    }

    async fn put(self, path: PathBuf, digest: Digest) -> Reply {
        let store = self.store.clone();
        let put = tokio::task::spawn_blocking(move || store.put(Path::new(&path), &digest)).await;
        match put.expect("filling the store does not panic") {
            Ok(()) => {
                let _ = self.events.send(Event::StoreFilled).await;
                Reply::Done
            }
            Err(error) => Reply::Refused(Refusal::NotDurable(error.to_string())),
        }
    }

    async fn watch(&mut self, since: Option<Cursor>, wait: Duration) -> Reply {
        let news = self.published.wait_for(|observed| since.as_ref() != Some(&observed.cursor));
        let news = tokio::time::timeout(wait.min(WATCH_MAX), news).await;
        drop(news);
        Reply::Observed(self.published.borrow().as_ref().clone())
    }

    async fn ask_the_loop(self, request: Request) -> Reply {
        let (answer, answered) = oneshot::channel();
        let gone = || Reply::Refused(Refusal::Invalid("supervisor is ending".into()));
        if self.events.send(Event::Asked(request, answer)).await.is_err() {
            return gone();
        }
        answered.await.unwrap_or_else(|_| gone())
    }
}

/// What kind of mistake it was, without the text around it.
trait ClassifyName {
    fn classify_name(&self) -> &'static str;
}

impl ClassifyName for serde_json::Error {
    fn classify_name(&self) -> &'static str {
        match self.classify() {
            serde_json::error::Category::Io => "io",
            serde_json::error::Category::Syntax => "syntax",
            serde_json::error::Category::Data => "unknown fields or values",
            serde_json::error::Category::Eof => "it ends too early",
        }
    }
}
