//! The supervisor's side of the keeper: starts it, hands it every socket, notices its death at once.
//!
//! A thread of its own, because passing sockets blocks and a stopped keeper must not stop the supervisor. A
//! keeper that does not answer is killed and replaced; the supervisor and every replica hold the sockets too.

use super::{Held, Question, all, ask, socket};
use crate::process::kernel::{self, Process};
use crate::process::state::{Lock, StateDir};
use crate::process::{ProcessError, config};
use rustix::process::Signal;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// A dead keeper is noticed within this.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Who holds the lock and says nothing for this long is stopped or stuck.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const START_LIMIT: Duration = Duration::from_secs(5);

/// What the supervisor tells the thread.
enum Order {
    Hold(String, OwnedFd),
    Drop(String),
    End,
}

pub(in crate::process) struct Warden {
    orders: Sender<Order>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Warden {
    /// Finds or starts the keeper, and returns the sockets it held.
    pub(in crate::process) fn start(state: &StateDir) -> Result<(Warden, Held), ProcessError> {
        let mut keeper = Keeper { state: state.clone(), socket: socket(state)?, process: None, child: None };
        let held = keeper.find().map_err(ProcessError::system("start the keeper"))?;
        let copy = held
            .iter()
            .map(|(address, fd)| Ok((address.clone(), fd.try_clone()?)))
            .collect::<io::Result<Held>>();
        let copy = copy.map_err(ProcessError::system("copy the keeper's sockets"))?;
        let (orders, inbox) = channel();
        let thread = std::thread::spawn(move || keeper.serve(&inbox, copy));
        Ok((Warden { orders, thread: Some(thread) }, held))
    }

    pub(in crate::process) fn hold(&self, address: &str, fd: OwnedFd) {
        let _ = self.orders.send(Order::Hold(address.into(), fd));
    }

    pub(in crate::process) fn release(&self, address: &str) {
        let _ = self.orders.send(Order::Drop(address.into()));
    }

    /// Ends the keeper too: the whole target stops.
    pub(in crate::process) fn end(mut self) {
        let _ = self.orders.send(Order::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Keeper {
    state: StateDir,
    socket: PathBuf,
    process: Option<Process>,
    /// Only when it is our own child, to reap it.
    child: Option<Child>,
}

impl Keeper {
    fn serve(mut self, inbox: &Receiver<Order>, mut held: Held) {
        loop {
            match inbox.recv_timeout(LOOK_EVERY) {
                Ok(Order::Hold(address, fd)) => {
                    self.or_restart(&held, |socket| ask(socket, &Question::Hold(address.clone()), Some(&fd)));
                    held.insert(address, fd);
                }
                Ok(Order::Drop(address)) => {
                    held.remove(&address);
                    self.or_restart(&held, |socket| ask(socket, &Question::Drop(address.clone()), None));
                }
                Ok(Order::End) => return self.kill(),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.process.as_ref().is_none_or(|process| process.wait(Duration::ZERO)) {
                self.restart(&held);
            }
        }
    }

    fn or_restart<T>(&mut self, held: &Held, ask: impl Fn(&Path) -> io::Result<T>) {
        if ask(&self.socket).is_err() {
            self.restart(held);
            if let Err(error) = ask(&self.socket) {
                tracing::error!(%error, "the keeper does not take sockets; a supervisor's death would lose them");
            }
        }
    }

    fn restart(&mut self, held: &Held) {
        self.kill();
        let again = self.find().and_then(|_| {
            held.iter().try_for_each(|(address, fd)| {
                ask(&self.socket, &Question::Hold(address.clone()), Some(fd)).map(drop)
            })
        });
        match again {
            Ok(()) => tracing::info!(sockets = held.len(), "the keeper was replaced"),
            Err(error) => tracing::error!(%error, "the keeper could not be replaced; trying again"),
        }
    }

    fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.signal(Signal::KILL);
            process.wait(Duration::from_secs(1));
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.try_wait();
        }
    }

    /// Connects to the living keeper, else starts one; asks it for everything it holds.
    fn find(&mut self) -> io::Result<Held> {
        let lock = self.state.root.join("keeper.lock");
        let (deadline, stuck_at) = (Instant::now() + START_LIMIT, Instant::now() + ANSWER_LIMIT);
        let mut started = false;
        loop {
            if let Ok(held) = all(&self.socket) {
                let pid = kernel::peer(UnixStream::connect(&self.socket)?)?;
                self.process = Process::open(pid)?;
                return Ok(held);
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the keeper does not answer"));
            }
            if Lock::is_free(&lock) && !started {
                self.child = Some(spawn(&self.state)?);
                started = true;
            } else if Instant::now() > stuck_at {
                kill_holder(&lock);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// It holds the lock and did not answer: stopped, or stuck.
fn kill_holder(lock: &Path) {
    let Some(holder) = Lock::holder(lock) else { return };
    if let Ok(Some(process)) = Process::open(holder.pid)
        && process.id == holder
    {
        process.signal(Signal::KILL);
        process.wait(Duration::from_secs(1));
    }
}

/// `/proc/self/exe` is this very program, even when its file was replaced meanwhile.
fn spawn(state: &StateDir) -> io::Result<Child> {
    let log = OpenOptions::new().append(true).create(true).open(state.logs().join("keeper.log"))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("nica").arg("keep").arg("--state").arg(&state.root);
    command.env_clear().envs(config::inherited()).env("NICA_STATE", &state.root).current_dir("/");
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
}
