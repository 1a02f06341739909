//! A man in the middle of one actor's database sessions, on a unix socket that it takes for the server's.
//!
//! It understands turns (see `frame`) and asks the gate about each. When the actor dies, its idle sessions end as
//! the kernel would end them; a session whose turn is held stays, and its bytes arrive late.

use super::frame::{Frame, Reader, Startup};
use super::gate::{Gate, Pass, Session};
use anyhow::{Context as _, Result};
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// File name of a server's socket inside its folder; libpq and every driver derive it from the port.
pub(crate) const SOCKET: &str = ".s.PGSQL.5432";

/// Opens `folder` as a server's socket folder; its sessions go to the server behind `upstream` through `gate`.
/// The listening thread lives as long as the process: a case is one process.
pub(crate) fn open(folder: &Path, upstream: &Path, gate: Arc<Gate>) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let socket = folder.join(SOCKET);
    let listener = UnixListener::bind(&socket).with_context(|| format!("listen on {}", socket.display()))?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777))?;
    let upstream = upstream.join(SOCKET);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (upstream, gate) = (upstream.clone(), Arc::clone(&gate));
            std::thread::spawn(move || serve(client, upstream, gate));
        }
    });
    Ok(())
}

/// Both sides see the connection end when this returns: an error here is what a broken network looks like.
fn serve(client: UnixStream, upstream: PathBuf, gate: Arc<Gate>) {
    let _connection = gate.connection();
    if let Ok(server) = UnixStream::connect(upstream) {
        let _ = relay(&client, &server, &gate);
        let _ = server.shutdown(Shutdown::Both);
    }
    let _ = client.shutdown(Shutdown::Both);
}

/// What the two directions of one connection must tell each other.
struct Link {
    session: Mutex<Session>,
    /// The turn (counted in ReadyForQuery, the startup is turn 0) whose answer is asked about.
    asked: Mutex<Option<(u64, String)>>,
}

fn relay(client: &UnixStream, server: &UnixStream, gate: &Arc<Gate>) -> io::Result<()> {
    let mut from_client = BufReader::new(client.try_clone()?);
    let Some(name) = start(&mut from_client, client, server)? else { return Ok(()) };
    let link =
        Arc::new(Link { session: Mutex::new(Session { name, backend: None }), asked: Mutex::new(None) });
    let answers = {
        let (link, gate) = (Arc::clone(&link), Arc::clone(gate));
        let (server, client) = (server.try_clone()?, client.try_clone()?);
        std::thread::spawn(move || {
            let _ = relay_answers(server, &client, &link, &gate);
            let _ = client.shutdown(Shutdown::Both);
        })
    };
    let done = relay_requests(&mut from_client, server, &link, gate);
    // The server sees the end of what the client sent, as from the kernel, and answers are read to their end.
    let _ = server.shutdown(Shutdown::Write);
    let _ = answers.join();
    done
}

/// Passes the startup message on; the session's name, or none when there will be no session.
fn start(
    from_client: &mut BufReader<UnixStream>,
    mut client: &UnixStream,
    mut server: &UnixStream,
) -> io::Result<Option<String>> {
    loop {
        match Startup::read(from_client)? {
            Some(Startup::Session { parameters, bytes }) => {
                server.write_all(&bytes)?;
                return Ok(Some(parameters.get("application_name").cloned().unwrap_or_default()));
            }
            Some(Startup::Encryption(bytes)) => {
                server.write_all(&bytes)?;
                let mut answer = [0];
                server.read_exact(&mut answer)?;
                client.write_all(&answer)?;
            }
            Some(Startup::Cancel(bytes)) => {
                server.write_all(&bytes)?;
                return Ok(None);
            }
            None => return Ok(None),
        }
    }
}

fn relay_requests(
    from_client: &mut BufReader<UnixStream>,
    mut server: &UnixStream,
    link: &Link,
    gate: &Gate,
) -> io::Result<()> {
    let mut reader = Reader::default();
    let mut turn = Vec::new();
    let mut turns = 0;
    while let Some(frame) = Frame::read(from_client)? {
        let counts = frame.ends_turn();
        let passes = counts || frame.passes_at_once();
        turn.push(frame);
        if !passes {
            continue;
        }
        turns += u64::from(counts);
        let said = reader.say(&turn);
        if counts && !said.is_empty() && !ask(link, gate, turns, said) {
            return Ok(());
        }
        for frame in turn.drain(..) {
            server.write_all(&frame.bytes)?;
        }
    }
    Ok(())
}

/// False when the turn is lost.
fn ask(link: &Link, gate: &Gate, turns: u64, said: String) -> bool {
    if let Some(name) = renamed(&said) {
        lock(&link.session).name = name;
    }
    let session = lock(&link.session).clone();
    match gate.request(&session, &said) {
        Pass::Forward => true,
        Pass::ForwardThenAsk => {
            *lock(&link.asked) = Some((turns, said));
            true
        }
        Pass::Lose => false,
    }
}

/// A session says who it is once it knows its fence.
fn renamed(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("application_name")?;
    let name = rest.split('\'').nth(1).filter(|name| name.starts_with("nica/"));
    let bound =
        rest.split_once(" -- ").map(|(_, values)| values).filter(|values| values.starts_with("nica/"));
    name.or(bound).map(str::to_string)
}

fn relay_answers(server: UnixStream, mut client: &UnixStream, link: &Link, gate: &Gate) -> io::Result<()> {
    let mut from_server = BufReader::new(server);
    let mut ready = 0;
    let mut held: Vec<Frame> = Vec::new();
    while let Some(frame) = Frame::read(&mut from_server)? {
        if frame.kind == b'K' {
            lock(&link.session).backend = backend_pid(&frame);
        }
        let ends_turn = frame.kind == b'Z';
        let asked = lock(&link.asked).clone();
        held.push(frame);
        if asked.as_ref().is_some_and(|(turn, _)| *turn == ready) {
            if !ends_turn {
                continue;
            }
            let session = lock(&link.session).clone();
            let said = asked.map(|(_, said)| said).unwrap_or_default();
            if gate.answer(&session, &said) == Pass::Lose {
                return Ok(());
            }
        }
        ready += u64::from(ends_turn);
        for frame in held.drain(..) {
            client.write_all(&frame.bytes)?;
        }
    }
    // The server ended inside a held answer: what it said goes on.
    held.iter().try_for_each(|frame| client.write_all(&frame.bytes))
}

/// BackendKeyData: process id, then a secret.
fn backend_pid(frame: &Frame) -> Option<u32> {
    Some(u32::from_be_bytes(frame.body().get(..4)?.try_into().ok()?))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
