//! Where an actor's traffic passes one by one: it is numbered, written down, and held at one chosen point.
//!
//! Each actor process has its own gate, shared by its proxies. A gate holds at most one turn, says who was caught
//! and waits to be told what happens to the held bytes: they go on, or they are lost. Everything else passes.

use super::label::{Labels, Point};
use super::proc::Limit;
use anyhow::{Result, bail};
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Where a turn can be caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Asked by the actor, not yet at the participant.
    Request,
    /// At the participant, not yet applied: held until somebody made sure that the participant will have to wait.
    Sent,
    /// Applied and answered; the actor does not have the answer.
    Answer,
}

/// What a gate waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trap {
    pub point: Point,
    pub place: Place,
}

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// `application_name` at a database, `supervisor` at the supervisor's socket.
    pub name: String,
    /// The server's process that serves this session, when it is a database session.
    pub backend: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Caught {
    pub session: Session,
    pub said: String,
}

/// What becomes of held bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// They arrive, however late.
    Forward,
    /// They never arrive, and the connection ends.
    Lose,
}

/// One turn as it passed.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    pub at: Duration,
    pub session: String,
    pub point: Option<Point>,
    pub said: String,
}

/// What a proxy does with a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Forward,
    /// Forward, and ask again when the whole answer is there.
    ForwardThenAsk,
    Lose,
}

pub(crate) struct Gate {
    born: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    labels: Labels,
    log: Vec<Passed>,
    trap: Option<Trap>,
    caught: Option<Caught>,
    release: Option<Release>,
    /// Connections that are being served.
    connections: usize,
}

/// One connection through a gate, for as long as this lives.
pub(crate) struct Connection<'a>(&'a Gate);

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.0.lock().connections -= 1;
    }
}

impl Gate {
    /// `born` is when the case's clock began.
    pub(crate) fn new(born: Instant, trap: Option<Trap>) -> Gate {
        let state = State { trap, ..State::default() };
        Gate { born, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Counted until the value is dropped.
    pub(crate) fn connection(&self) -> Connection<'_> {
        self.lock().connections += 1;
        Connection(self)
    }

    /// Whether everything that went through has come to its end, answers too.
    pub(crate) fn is_quiet(&self) -> bool {
        self.lock().connections == 0
    }

    /// A turn on its way to the participant. Blocks while it is held.
    pub(crate) fn request(&self, session: &Session, said: &str) -> Pass {
        let mut state = self.lock();
        let point = session.counts().then(|| state.labels.name(said));
        state.log.push(Passed {
            at: self.born.elapsed(),
            session: session.name.clone(),
            point: point.clone(),
            said: said.to_string(),
        });
        let Some(place) = state.springs(point.as_ref()) else { return Pass::Forward };
        match place {
            Place::Request | Place::Sent => self.hold(state, session, said),
            Place::Answer => Pass::ForwardThenAsk,
        }
    }

    /// Writes down what was answered; that is no turn.
    pub(crate) fn heard(&self, session: &Session, answer: &str) {
        let said = format!("  answered {answer}");
        let passed = Passed { at: self.born.elapsed(), session: session.name.clone(), point: None, said };
        self.lock().log.push(passed);
    }

    /// The whole answer of a turn that was to be asked about. Blocks while it is held.
    pub(crate) fn answer(&self, session: &Session, said: &str) -> Pass {
        self.hold(self.lock(), session, said)
    }

    fn hold(&self, mut state: MutexGuard<'_, State>, session: &Session, said: &str) -> Pass {
        state.caught = Some(Caught { session: session.clone(), said: said.to_string() });
        self.changed.notify_all();
        let state = self
            .changed
            .wait_while(state, |state| state.release.is_none())
            .expect("no holder of this lock panics");
        match state.release {
            Some(Release::Lose) => Pass::Lose,
            _ => Pass::Forward,
        }
    }

    /// Waits until the trap springs; none when `gave_up` says that it no longer can.
    pub(crate) fn caught(
        &self,
        length: Duration,
        mut gave_up: impl FnMut() -> bool,
    ) -> Result<Option<Caught>> {
        let limit = Limit::new(length);
        loop {
            let state = self.lock();
            if state.caught.is_some() {
                return Ok(state.caught.clone());
            }
            drop(state);
            if gave_up() {
                return Ok(self.lock().caught.clone());
            }
            if limit.passed() {
                bail!("wait for the point: the limit has passed");
            }
            let _ = self.changed.wait_timeout(self.lock(), Duration::from_millis(10));
        }
    }

    /// Lets go of what is held; from now on everything passes.
    pub(crate) fn release(&self, release: Release) {
        self.lock().release.get_or_insert(release);
        self.changed.notify_all();
    }

    pub(crate) fn log(&self) -> Vec<Passed> {
        self.lock().log.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Session {
    /// NICA's own acting sessions are counted; the service's are not.
    fn counts(&self) -> bool {
        self.name.starts_with("nica/") || self.name == SUPERVISOR
    }
}

/// Name of every session at the supervisor's socket.
pub(crate) const SUPERVISOR: &str = "supervisor";

impl State {
    /// The place to catch this turn at, when it is the one.
    fn springs(&self, point: Option<&Point>) -> Option<Place> {
        let trap = self.trap.as_ref()?;
        let free = self.caught.is_none() && self.release.is_none();
        (free && point == Some(&trap.point)).then_some(trap.place)
    }
}

impl Place {
    pub(crate) const ALL: [Place; 3] = [Place::Request, Place::Sent, Place::Answer];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Place::Request => "request",
            Place::Sent => "sent",
            Place::Answer => "answer",
        }
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let point = self.point.as_ref().map(ToString::to_string).unwrap_or_default();
        write!(f, "{:9.3}  {:<28} {:<34} {}", self.at.as_secs_f64(), self.session, point, self.said)
    }
}
