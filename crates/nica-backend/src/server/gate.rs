//! When new connections are accepted.
//!
//! Several replicas accept from one queue that their parent holds open. Who cannot serve must leave the queue to
//! the others; who is told to end must leave it first, before anything else. Tried and worse: SO_REUSEPORT, where
//! the queue of a dying replica is lost.

use crate::readiness::{Readiness, State};
use tokio::sync::watch;

/// Where the process stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Serving,
    /// SIGTERM came: answers go out, each closing its connection.
    Draining,
    /// Idle connections are closed, requests in flight are finished.
    Ending,
}

/// Decides for one listener.
#[derive(Clone)]
pub struct Gate {
    phase: watch::Receiver<Phase>,
    readiness: watch::Receiver<State>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The queue belongs to several replicas.
    Shared,
    /// The queue is ours alone: what we do not accept is lost.
    Own,
    /// Health and metrics: open as long as there is a process.
    Admin,
}

impl Gate {
    pub fn shared(phase: watch::Receiver<Phase>, readiness: watch::Receiver<State>) -> Gate {
        Gate { phase, readiness, kind: Kind::Shared }
    }

    pub fn own(phase: watch::Receiver<Phase>, readiness: watch::Receiver<State>) -> Gate {
        Gate { phase, readiness, kind: Kind::Own }
    }

    pub fn admin(phase: watch::Receiver<Phase>, readiness: watch::Receiver<State>) -> Gate {
        Gate { phase, readiness, kind: Kind::Admin }
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    pub(super) fn is_ending(&self) -> bool {
        *self.phase.borrow() == Phase::Ending
    }

    pub(super) fn is_open(&self) -> bool {
        opens(self.kind, *self.phase.borrow(), &self.readiness.borrow())
    }

    /// Waits until the answer may be another one.
    pub(super) async fn changed(&mut self) {
        let (phase, readiness) = (&mut self.phase, &mut self.readiness);
        tokio::select! {
            result = phase.changed() => if result.is_err() { std::future::pending().await },
            result = readiness.changed() => if result.is_err() { std::future::pending().await },
        }
    }
}

fn opens(kind: Kind, phase: Phase, state: &State) -> bool {
    match (kind, phase) {
        (_, Phase::Ending) => false,
        (Kind::Admin, _) | (Kind::Own, Phase::Draining) => true,
        (Kind::Shared, Phase::Draining) => false,
        (Kind::Shared | Kind::Own, Phase::Serving) => can_serve(state),
    }
}

/// A database that does not answer is the same for every replica: leaving the queue would turn quick refusals into
/// a silent wait. A schema that does not fit is ours alone.
fn can_serve(state: &State) -> bool {
    match state.readiness {
        Readiness::Ready => true,
        Readiness::Blind(_) => state.was_ready,
        Readiness::Starting | Readiness::Unfit(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(readiness: Readiness, was_ready: bool) -> State {
        State { readiness, was_ready, ..State::default() }
    }

    #[test]
    fn nobody_is_accepted_before_the_first_ready_nor_by_a_shared_socket_after_sigterm() {
        use Kind::{Admin, Own, Shared};
        use Phase::{Draining, Ending, Serving};
        let starting = state(Readiness::Starting, false);
        let ready = state(Readiness::Ready, true);
        let unfit = state(Readiness::Unfit(vec![]), true);
        let blind_before = state(Readiness::Blind("x".into()), false);
        let blind_later = state(Readiness::Blind("x".into()), true);
        let cases = [
            (Shared, Serving, &starting, false),
            (Shared, Serving, &ready, true),
            (Shared, Serving, &unfit, false),
            (Shared, Serving, &blind_before, false),
            (Shared, Serving, &blind_later, true),
            (Shared, Draining, &ready, false),
            (Shared, Ending, &ready, false),
            (Own, Serving, &starting, false),
            (Own, Draining, &ready, true),
            (Own, Ending, &ready, false),
            (Admin, Serving, &starting, true),
            (Admin, Draining, &unfit, true),
            (Admin, Ending, &ready, false),
        ];
        for (kind, phase, state, expected) in cases {
            assert_eq!(opens(kind, phase, state), expected, "{kind:?} {phase:?} {:?}", state.readiness);
        }
    }
}
