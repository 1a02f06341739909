//! The database's own health while a release bakes: asked with what the plan brought, sorted by what it means.
//!
//! Newer migrations and seeds of somebody else are no problem there. A look that got no answer, or a late one, says
//! nothing about the release: more time may bring it, and silence passes nothing.

use crate::hands::Access;
use crate::records::brought::Brought;
use nica_engine::validate::Health;
use nica_migrate::connect::DbUrl;
use nica_migrate::health::{self, Limits, Needs, State};
use std::time::Duration;
use tokio::time::Instant;

/// How often it is asked; each look opens a session of its own, as a stranger's would be.
const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Database {
    url: DbUrl,
    owner: (String, String),
    brought: Brought,
    last: Option<(Instant, Health)>,
}

impl Database {
    pub(super) fn new(access: &Access, brought: Brought) -> Database {
        let owner = (access.service.clone(), access.env.clone());
        Database { url: access.url.clone(), owner, brought, last: None }
    }

    pub(super) async fn look(&mut self) -> Health {
        if let Some((at, health)) = &self.last
            && at.elapsed() < EVERY
        {
            return health.clone();
        }
        let owner = Some((self.owner.0.as_str(), self.owner.1.as_str()));
        let needs = Needs { owner, migrations: &self.brought.migrations, seeds: &self.brought.seeds };
        let health = sort(&health::healthcheck(&self.url, &needs, &Limits::default()).await);
        self.last = Some((Instant::now(), health.clone()));
        health
    }
}

fn sort(health: &health::Health) -> Health {
    let Some(problem) = health.problems.first() else { return Health::Good };
    match problem.state {
        State::Unreachable | State::AuthRefused | State::TlsRefused | State::TooSlow => {
            Health::Unknown(problem.sentence.clone())
        }
        State::WrongDatabase
        | State::ReadOnly
        | State::MigrationsBehind
        | State::AheadByContract
        | State::MigrationEdited
        | State::LedgerMoved
        | State::StepHalfDone
        | State::SeedMissing
        | State::SeedAltered
        | State::InvalidIndex => Health::Bad(problem.sentence.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nica_migrate::health::{Note, Problem};

    fn health(states: &[State], notes: Vec<Note>) -> health::Health {
        let problem =
            |state: &State| Problem { state: *state, sentence: state.code().to_string(), items: vec![] };
        let problems: Vec<Problem> = states.iter().map(problem).collect();
        let (healthy, verdict) = (problems.is_empty(), "as the problems say");
        health::Health { format: 1, database: "db".into(), healthy, verdict, problems, notes, millis: 1 }
    }

    #[test]
    fn what_is_wrong_refuses_and_what_could_not_be_seen_waits() {
        let waits = [State::Unreachable, State::AuthRefused, State::TlsRefused, State::TooSlow];
        for state in State::ALL {
            let expected = match waits.contains(&state) {
                true => Health::Unknown(state.code().to_string()),
                false => Health::Bad(state.code().to_string()),
            };
            assert_eq!(sort(&health(&[state], vec![])), expected);
        }
    }

    #[test]
    fn being_ahead_is_healthy() {
        let note = Note {
            code: "ahead-by-expand",
            sentence: "0009_x is newer".into(),
            items: vec!["0009_x".into()],
        };
        assert_eq!(sort(&health(&[], vec![note])), Health::Good);
    }
}
