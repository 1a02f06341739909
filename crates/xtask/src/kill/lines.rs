//! A man in the middle at the supervisor's socket: JSON lines, one question and one answer a connection.
//!
//! It takes the socket's place under its name. Whoever takes over from a silent supervisor kills the process that
//! *listens* there and that the lock file names; so a helper process listens for us under that name, and helper and
//! supervisor die together.

use super::actor::listen_helper;
use super::gate::{Gate, Pass, SUPERVISOR, Session};
use super::proc::{self, Signal};
use anyhow::{Context as _, Result};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use serde_json::json;
use std::collections::HashMap;
use std::io::{self, BufReader, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Which actor a connection belongs to is told by its pid.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<HashMap<u32, Arc<Gate>>>>);

impl Lines {
    /// Takes the place of the supervisor of this state folder.
    pub(crate) fn interpose(state: &Path) -> Result<Lines> {
        let note = state.join("socket");
        let socket = std::fs::read_to_string(&note).with_context(|| format!("read {}", note.display()))?;
        let socket = PathBuf::from(socket.trim());
        let real = socket.with_extension("real");
        std::fs::rename(&socket, &real).with_context(|| format!("take the place of {}", socket.display()))?;
        let supervisor = listener_of(&real)?;
        let ours = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        rustix::net::bind(&ours, &SocketAddrUnix::new(&socket)?)?;
        let helper = listen_helper(ours.try_clone()?)?;
        let holder = json!({ "pid": helper.id(), "start": proc::began(helper.id()) });
        // In place: the file itself is what is locked.
        std::fs::write(state.join("lock"), holder.to_string())?;
        let bound = ours.try_clone()?;
        std::thread::spawn(move || die_together(helper, supervisor, &bound, &socket));
        let lines = Lines::default();
        let (clients, way) = (lines.clone(), Way { real, state: state.to_path_buf() });
        std::thread::spawn(move || {
            for client in UnixListener::from(ours).incoming().map_while(io::Result::ok) {
                let (way, clients) = (way.clone(), clients.clone());
                std::thread::spawn(move || clients.serve(&client, &way));
            }
        });
        Ok(lines)
    }

    /// What process `pid` says goes through this gate; everybody else's passes.
    pub(crate) fn watch(&self, pid: u32, gate: Arc<Gate>) {
        self.0.lock().expect("no holder of this lock panics").insert(pid, gate);
    }

    fn serve(&self, client: &UnixStream, way: &Way) {
        let known = |pid| self.0.lock().expect("no holder of this lock panics").get(&pid).cloned();
        let gate = peer(client).ok().and_then(known);
        let _ = relay(client, way, gate.as_deref());
        let _ = client.shutdown(Shutdown::Both);
    }
}

/// The supervisor whose place was taken, or whoever is there once that one is gone.
#[derive(Clone)]
struct Way {
    real: PathBuf,
    state: PathBuf,
}

impl Way {
    /// Reached only when there is something to say: what was held finds whoever listens by then, as it would find
    /// from an actor that slept before it connected.
    fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(&self.real)
            .or_else(|_| UnixStream::connect(std::fs::read_to_string(self.state.join("socket"))?.trim()))
    }
}

/// What no gate watches passes at once.
fn relay(mut client: &UnixStream, way: &Way, gate: Option<&Gate>) -> io::Result<()> {
    let _connection = gate.map(Gate::connection);
    let session = Session { name: SUPERVISOR.to_string(), backend: None };
    let mut from_client = BufReader::new(client);
    while let Some(question) = line(&mut from_client)? {
        let said = say(&question);
        let pass = gate.map_or(Pass::Forward, |gate| gate.request(&session, &said));
        if pass == Pass::Lose {
            return Ok(());
        }
        let mut server = way.connect()?;
        server.write_all(question.as_bytes())?;
        let Some(answer) = line(&mut BufReader::new(&server))? else { return Ok(()) };
        if let Some(gate) = gate {
            gate.heard(&session, answer.trim());
        }
        if let (Pass::ForwardThenAsk, Some(gate)) = (pass, gate)
            && gate.answer(&session, &said) == Pass::Lose
        {
            return Ok(());
        }
        client.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// One question to whoever supervises this state folder now; its answer.
pub(crate) fn tell(state: &Path, question: &str) -> Result<String> {
    let socket = std::fs::read_to_string(state.join("socket"))?;
    let mut supervisor = UnixStream::connect(socket.trim()).context("reach the supervisor")?;
    supervisor.write_all(format!("{question}\n").as_bytes())?;
    Ok(line(&mut BufReader::new(&supervisor))?.unwrap_or_default().trim().to_string())
}

/// Afterwards nobody listens under this name, as the kernel would have it.
fn die_together(mut helper: Child, supervisor: u32, bound: &OwnedFd, socket: &Path) {
    while proc::alive(supervisor) && helper.try_wait().is_ok_and(|status| status.is_none()) {
        std::thread::sleep(LOOK_EVERY);
    }
    let _ = proc::signal(supervisor, Signal::KILL);
    let _ = std::fs::remove_file(socket);
    let _ = rustix::net::shutdown(bound, rustix::net::Shutdown::Both);
    let _ = helper.kill();
    let _ = helper.wait();
}

fn line(from: &mut impl io::BufRead) -> io::Result<Option<String>> {
    let mut text = String::new();
    let read = from.read_line(&mut text)?;
    Ok((read > 0).then_some(text))
}

/// `set api`, and the question itself as a comment.
fn say(question: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(question).unwrap_or_default();
    let word = |name: &str| json[name].as_str().unwrap_or_default().to_string();
    format!("{} {} -- {}", word("op"), word("component"), question.trim())
}

/// The process that listens at this socket.
fn listener_of(socket: &Path) -> Result<u32> {
    let stream = UnixStream::connect(socket).with_context(|| format!("connect to {}", socket.display()))?;
    peer(&stream)
}

fn peer(stream: &UnixStream) -> Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(stream)?.pid.as_raw_nonzero().get().try_into()?)
}
