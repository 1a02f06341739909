//! Ask the database, and sort what comes back or does not come into states.

use super::judge::{self, Judgement};
use super::{Health, Limits, Needs, Note, Problem, State, few};
use crate::adopt::{self, AdoptError};
use crate::connect::{ConnectError, DbUrl, connect, reason};
use crate::fence::{Class, classify};
use crate::foreign::LedgerError;
use crate::seed::{self, SeedError};
use crate::state::{self, StateError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::{Client, error::SqlState};

/// Look at a database with the eyes of a program. Never fails: not getting an answer is an answer.
pub async fn healthcheck(url: &DbUrl, needs: &Needs<'_>, limits: &Limits) -> Health {
    let begun = Instant::now();
    let mut all = Judgement::default();
    let looking = look(url, needs, limits, &mut all);
    match tokio::time::timeout(limits.give_up, looking).await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => all.problems.push(problem),
        Err(_) => all.problems.push(too_slow(limits.give_up)),
    }
    let took = begun.elapsed();
    if took > limits.slow && !all.problems.iter().any(|p| p.state == State::TooSlow) {
        let sentence = format!(
            "the answer took {} ms, the limit is {} ms; look at the server's load and the way to it",
            took.as_millis(),
            limits.slow.as_millis()
        );
        all.problems.push(Problem::new(State::TooSlow, sentence, Vec::new()));
    }
    Health::of(url, all.problems, all.notes, took)
}

/// What was found before something broke stays in `all`.
async fn look(url: &DbUrl, needs: &Needs<'_>, limits: &Limits, all: &mut Judgement) -> Result<(), Problem> {
    let client = connect(url, "nica/health").await.map_err(|e| no_session(&e))?;
    all.problems.extend(read_only(&client, limits).await?);
    all.problems.extend(wrong_database(&client, needs).await?);
    let applied = state::migrations(&client).await.map_err(|e| unreadable_state(&e))?;
    all.add(judge::migrations(needs.migrations, applied.as_deref()));
    if applied.is_some() {
        all.problems.extend(moved(&client).await?);
    }
    match seed::differences(&client, needs.seeds).await {
        Ok(differences) => all.add(judge::seeds(&differences)),
        Err(error) => all.problems.push(unreadable_seeds(&error)?),
    }
    all.add(indexes(&client).await?);
    Ok(())
}

/// Another tool, whose ledger was taken over, was run afterwards.
async fn moved(client: &Client) -> Result<Option<Problem>, Problem> {
    match adopt::moved(client).await {
        Ok(moved) => {
            Ok(moved.map(|moved| Problem::new(State::LedgerMoved, moved.to_string(), moved.rows.clone())))
        }
        Err(AdoptError::Ledger(LedgerError::Sql(error))) => Err(unread(&error)),
        // Its table has another shape now: that is a writing too.
        Err(error) => Ok(Some(Problem::new(State::LedgerMoved, format!("failed to {error}"), Vec::new()))),
    }
}

impl Judgement {
    fn add(&mut self, more: Judgement) {
        self.problems.extend(more.problems);
        self.notes.extend(more.notes);
    }
}

fn no_session(error: &ConnectError) -> Problem {
    let state = match error {
        ConnectError::Unreachable { .. } => State::Unreachable,
        ConnectError::AuthRefused { .. } => State::AuthRefused,
        ConnectError::TlsRefused { .. } => State::TlsRefused,
        ConnectError::WrongDatabase { .. } => State::WrongDatabase,
        ConnectError::TooSlow { .. } => State::TooSlow,
    };
    Problem::new(state, format!("failed to {error}"), Vec::new())
}

/// Asked before this session itself becomes read-only.
async fn read_only(client: &Client, limits: &Limits) -> Result<Option<Problem>, Problem> {
    let sql = "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'";
    let row = client.query_typed_one(sql, &[]).await.map_err(|e| unread(&e))?;
    let protect = format!(
        "SET default_transaction_read_only = on; SET statement_timeout = {0}; SET lock_timeout = {0}",
        limits.give_up.as_millis().max(1)
    );
    client.batch_execute(&protect).await.map_err(|e| unread(&e))?;
    let sentence = match (row.get(0), row.get(1)) {
        (true, _) => "this server is a standby; use the address of the primary",
        (false, true) => "writes are switched off (default_transaction_read_only); look who did it and why",
        (false, false) => return Ok(None),
    };
    Ok(Some(Problem::new(State::ReadOnly, sentence, Vec::new())))
}

/// Touches the tables that are read next: what keeps one from being read is told apart here.
async fn wrong_database(client: &Client, needs: &Needs<'_>) -> Result<Option<Problem>, Problem> {
    let there = client.query_typed_one("SELECT to_regclass('nica.control') IS NOT NULL", &[]).await;
    if !there.map_err(|e| unread(&e))?.get::<_, bool>(0) {
        return Ok(None);
    }
    let sql = "SELECT service, env, (SELECT count(*) FROM nica.migration), (SELECT count(*) FROM nica.seed WHERE false)
               FROM nica.control";
    let row = client.query_typed_one(sql, &[]).await.map_err(|e| unread(&e))?;
    let found: (String, String) = (row.get(0), row.get(1));
    let Some((service, env)) = needs.owner.filter(|owner| *owner != (&found.0, &found.1)) else {
        return Ok(None);
    };
    let sentence =
        format!("this database is {}/{}, not {service}/{env}; check the database url", found.0, found.1);
    Ok(Some(Problem::new(State::WrongDatabase, sentence, Vec::new())))
}

/// An index that is being built right now is invalid until it is done: nobody's problem yet.
const INDEXES: &str = "
    SELECT i.indexrelid::regclass::text, EXISTS (
        SELECT FROM pg_stat_progress_create_index p WHERE p.datname = current_database() AND p.index_relid = i.indexrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND n.nspname !~ '^pg_' ORDER BY 1";

async fn indexes(client: &Client) -> Result<Judgement, Problem> {
    let rows = client.query_typed(INDEXES, &[]).await.map_err(|e| unread(&e))?;
    let names = |building: bool| {
        let of = rows.iter().filter(|row| row.get::<_, bool>(1) == building);
        of.map(|row| row.get(0)).collect::<Vec<String>>()
    };
    let (broken, building) = (names(false), names(true));
    let mut found = Judgement::default();
    if !broken.is_empty() {
        let sentence = format!("{} is invalid and serves no query; drop it and build it again", few(&broken));
        found.problems.push(Problem::new(State::InvalidIndex, sentence, broken));
    }
    if !building.is_empty() {
        let sentence = format!("{} is being built", few(&building));
        found.notes.push(Note { code: "index-building", sentence, items: building });
    }
    Ok(found)
}

/// The server did not answer a question.
fn unread(error: &tokio_postgres::Error) -> Problem {
    let why = reason(error);
    match (error.code(), classify(error)) {
        (Some(&SqlState::QUERY_CANCELED), _) | (_, Class::LockNotAvailable) => {
            Problem::new(State::TooSlow, format!("a question was not answered: {why}"), Vec::new())
        }
        (Some(&SqlState::INSUFFICIENT_PRIVILEGE), _) => {
            let sentence = format!("this role may not look: {why}; use the role that migrates");
            Problem::new(State::AuthRefused, sentence, Vec::new())
        }
        _ => Problem::new(State::Unreachable, format!("the connection broke: {why}"), Vec::new()),
    }
}

fn unreadable_state(error: &StateError) -> Problem {
    match error {
        StateError::Sql(error) => unread(error),
        // A newer NICA's words: what it did here cannot be judged by this one.
        StateError::Unknown { .. } => {
            Problem::new(State::AheadByContract, format!("failed to {error}; use a newer NICA"), Vec::new())
        }
    }
}

/// A value that its column cannot hold is a difference; everything else ends the look.
fn unreadable_seeds(error: &SeedError) -> Result<Problem, Problem> {
    let Some(source) = error.postgres() else {
        return Ok(Problem::new(State::SeedAltered, format!("failed to {error}"), Vec::new()));
    };
    let is_value = source.code().is_some_and(|code| code.code().starts_with("22"));
    if is_value {
        return Ok(Problem::new(State::SeedAltered, format!("failed to {error}"), Vec::new()));
    }
    Err(unread(source))
}

fn too_slow(limit: Duration) -> Problem {
    let sentence = format!("no answer came within {} ms; look at the server's load", limit.as_millis());
    Problem::new(State::TooSlow, sentence, Vec::new())
}
