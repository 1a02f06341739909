//! Holds listening sockets, so that the death of a supervisor fails no connection. No logic, on purpose.
//!
//! It knows three questions: hold this socket under this address, give it to me, let it go. One connection each,
//! one after the other. A supervisor that finds none starts one and hands it everything again.

mod warden;

pub(super) use warden::Warden;

use super::ProcessError;
use super::passing::{self, receive, send};
use super::state::StateDir;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Question {
    List,
    Hold(String),
    Give(String),
    Drop(String),
}

type Held = BTreeMap<String, OwnedFd>;

/// Runs until it is killed. `Locked` when another keeper of this state lives.
pub fn run(state: PathBuf) -> Result<(), ProcessError> {
    let state = StateDir::open(&state)?;
    let _lock = state.lock("keeper.lock")?;
    // A session of its own: no terminal's Ctrl-C and no supervisor's end reaches it.
    let _ = rustix::process::setsid();
    let path = socket(&state)?;
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).map_err(ProcessError::file("listen on", &path))?;
    let mut held = Held::new();
    loop {
        let (stream, _) = listener.accept().map_err(ProcessError::file("accept on", &path))?;
        if let Err(error) = answer(&stream, &mut held) {
            tracing::warn!(%error, "a question to the keeper broke off");
        }
    }
}

fn socket(state: &StateDir) -> Result<PathBuf, ProcessError> {
    Ok(state.runtime()?.join("keeper"))
}

fn answer(stream: &UnixStream, held: &mut Held) -> io::Result<()> {
    stream.set_read_timeout(Some(passing::LIMIT))?;
    stream.set_write_timeout(Some(passing::LIMIT))?;
    let (line, fd) = receive(stream)?;
    match (serde_json::from_str(&line)?, fd) {
        (Question::List, _) => {
            let addresses: Vec<&String> = held.keys().collect();
            return send(stream, &serde_json::to_string(&addresses)?, None);
        }
        (Question::Give(address), _) => return send(stream, "", held.get(&address).map(AsFd::as_fd)),
        (Question::Hold(address), Some(fd)) => drop(held.insert(address, fd)),
        (Question::Hold(_), None) => return Err(io::ErrorKind::InvalidInput.into()),
        (Question::Drop(address), _) => drop(held.remove(&address)),
    }
    send(stream, "", None)
}

fn ask(socket: &Path, question: &Question, fd: Option<&OwnedFd>) -> io::Result<(String, Option<OwnedFd>)> {
    passing::ask(socket, &serde_json::to_string(question)?, fd.map(AsFd::as_fd))
}

/// Everything a living keeper holds.
fn all(socket: &Path) -> io::Result<Held> {
    let (line, _) = ask(socket, &Question::List, None)?;
    let addresses: Vec<String> = serde_json::from_str(&line)?;
    let mut held = Held::new();
    for address in addresses {
        if let (_, Some(fd)) = ask(socket, &Question::Give(address.clone()), None)? {
            held.insert(address, fd);
        }
    }
    Ok(held)
}
