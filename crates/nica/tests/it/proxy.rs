//! A network that loses one answer: a man in the middle on a unix socket, between a deployer and the real server.
//!
//! It forwards everything. Once, on the session that sent a certain statement, the server does what it is asked next and
//! its answer is kept back; then the connection is cut, or stays open and silent. It understands frames, and no more.

use nica_migrate::DbUrl;
use std::io::{self, Read, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// File name of a server's socket inside its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// Which answer is lost.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lost {
    /// The COMMIT's, in the transaction of this statement.
    CommitAfter(&'static str),
    /// This statement's own.
    Answer(&'static str),
    /// The first that holds these words.
    Holding(&'static str),
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Then {
    Cut,
    Silent,
}

pub(crate) struct Proxy {
    folder: tempfile::TempDir,
    fate: Arc<Fate>,
}

struct Fate {
    server: PathBuf,
    lost: Lost,
    then: Then,
    /// Somebody's answer is lost; nobody else's will be.
    met: AtomicBool,
    /// The server has said it, into the void.
    swallowed: AtomicBool,
}

impl Fate {
    fn is_silent(&self, ours: &AtomicBool) -> bool {
        self.then == Then::Silent && ours.load(Ordering::SeqCst)
    }
}

impl Proxy {
    pub(crate) fn before(server: &Path, lost: Lost, then: Then) -> Proxy {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join(SOCKET)).expect("a socket");
        let (met, swallowed) = (AtomicBool::new(false), AtomicBool::new(false));
        let fate = Arc::new(Fate { server: server.join(SOCKET), lost, then, met, swallowed });
        let shared = fate.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let fate = shared.clone();
                std::thread::spawn(move || serve(&client, &fate));
            }
        });
        Proxy { folder, fate }
    }

    /// The same database, behind this proxy.
    pub(crate) fn url(&self, user: &str, database: &str) -> DbUrl {
        DbUrl::on_socket(self.folder.path(), user, database)
    }

    pub(crate) fn has_swallowed(&self) -> bool {
        self.fate.swallowed.load(Ordering::SeqCst)
    }
}

/// Both sides see the connection end when this returns.
fn serve(client: &UnixStream, fate: &Arc<Fate>) {
    if let Ok(server) = UnixStream::connect(&fate.server) {
        let _ = relay(client, &server, fate);
        let _ = server.shutdown(Shutdown::Both);
    }
    let _ = client.shutdown(Shutdown::Both);
}

fn relay(mut client: &UnixStream, mut server: &UnixStream, fate: &Arc<Fate>) -> io::Result<()> {
    let ours = Arc::new(AtomicBool::new(false));
    let answers = {
        let (ours, fate) = (ours.clone(), fate.clone());
        let (server, client) = (server.try_clone()?, client.try_clone()?);
        std::thread::spawn(move || {
            let _ = relay_answers(&server, &client, &ours, &fate);
            if !fate.is_silent(&ours) {
                let _ = client.shutdown(Shutdown::Both);
            }
        })
    };
    // The startup message has no type letter.
    server.write_all(&frame(&mut client, 0)?)?;
    let mut in_transaction = false;
    while let Ok(asked) = frame(&mut client, 1) {
        if is_it(fate.lost, &asked, &mut in_transaction) && !fate.met.swap(true, Ordering::SeqCst) {
            ours.store(true, Ordering::SeqCst);
        }
        // A silent network does not tell that the server has gone either.
        if server.write_all(&asked).is_err() && !fate.is_silent(&ours) {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
    let _ = answers.join();
    Ok(())
}

fn holds(message: &[u8], words: &str) -> bool {
    message.windows(words.len()).any(|part| part == words.as_bytes())
}

/// Whether the answer to this message is the one that gets lost.
fn is_it(lost: Lost, asked: &[u8], in_transaction: &mut bool) -> bool {
    let says = |words: &str| matches!(asked[0], b'Q' | b'P') && holds(asked, words);
    match lost {
        Lost::CommitAfter(statement) => {
            *in_transaction |= says(statement);
            *in_transaction && says("COMMIT")
        }
        Lost::Answer(statement) => says(statement),
        Lost::Holding(_) => false,
    }
}

fn relay_answers(
    mut server: &UnixStream,
    mut client: &UnixStream,
    ours: &AtomicBool,
    fate: &Fate,
) -> io::Result<()> {
    loop {
        let answer = frame(&mut server, 1)?;
        if matches!(fate.lost, Lost::Holding(words) if holds(&answer, words))
            && !fate.met.swap(true, Ordering::SeqCst)
        {
            ours.store(true, Ordering::SeqCst);
        }
        if !ours.load(Ordering::SeqCst) {
            client.write_all(&answer)?;
            continue;
        }
        let is_done = match fate.lost {
            // The server has committed, it says.
            Lost::CommitAfter(_) => answer[0] == b'C' && answer[5..].starts_with(b"COMMIT"),
            Lost::Answer(_) | Lost::Holding(_) => answer[0] == b'Z',
        };
        if is_done {
            fate.swallowed.store(true, Ordering::SeqCst);
            if fate.then == Then::Cut {
                return Ok(());
            }
        }
    }
}

/// One message, with a type letter of so many bytes.
fn frame(from: &mut impl Read, letter: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; letter + 4];
    from.read_exact(&mut bytes)?;
    let length = u32::from_be_bytes(bytes[letter..].try_into().expect("four bytes")) as usize;
    bytes.resize(letter + length, 0);
    from.read_exact(&mut bytes[letter + 4..])?;
    Ok(bytes)
}
