//! Concurrent index builds and drops. Only the catalogue knows how far an earlier one came.

use super::overseer::nobody_works;
use crate::catalog::literal;
use crate::fence::{BEGIN_LIMIT, FenceError, Guarded, bounded, within};
use crate::lexer::{Statement, Token};
use crate::runner::{Attempts, RunError};
use tokio_postgres::SimpleQueryMessage;

/// What is being brought to its end.
pub(super) struct Work<'a> {
    pub(super) id: &'a str,
    pub(super) file: &'a str,
    /// `0042_x/up.sql:1`
    pub(super) place: String,
    pub(super) statement: &'a Statement<'a>,
}

/// An index as the catalogue has it.
struct Found {
    valid: bool,
    /// Table, uniqueness and everything from USING on.
    definition: String,
}

pub(super) async fn create(attempts: &mut Attempts, work: &Work<'_>, name: &str) -> Result<(), RunError> {
    loop {
        let result = create_once(attempts, work, name).await;
        if let Some(()) = attempts.judge(result).await? {
            return Ok(());
        }
    }
}

async fn create_once(attempts: &mut Attempts, work: &Work<'_>, name: &str) -> Result<(), RunError> {
    let limit = attempts.session().longest(1);
    let (table, wanted, found) = bounded(limit, look(attempts, work, name)).await?;
    match found {
        Some(found) if found.definition != wanted => {
            let why = format!("index {name} on {table} is another one: {}; rename one", found.definition);
            return Err(RunError::Converge { id: work.id.to_string(), why });
        }
        Some(found) if found.valid => return Ok(()),
        // Half-built: nobody can continue it.
        Some(_) => alone(attempts, work, &format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).await?,
        None => {}
    }
    let built = alone(attempts, work, work.statement.text).await;
    if let Err(RunError::Statement { .. }) = &built {
        // Refused (a duplicate): the rest of a unique index would go on refusing what users write.
        let removed = alone(attempts, work, &format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).await;
        removed.inspect_err(|error| tracing::warn!(%error, id = work.id, "half-built index stays")).ok();
    }
    built
}

/// The table, what the statement would make, and what stands under its name.
async fn look(
    attempts: &mut Attempts,
    work: &Work<'_>,
    name: &str,
) -> Result<(String, String, Option<Found>), RunError> {
    let shape = Shape::of(work.statement).ok_or_else(|| RunError::Converge {
        id: work.id.to_string(),
        why: format!("{}: no table was found in the statement", work.place),
    })?;
    let tx = attempts.begin().await?;
    let fail = |e: tokio_postgres::Error| RunError::statement(tx.fence(), work.place.clone(), &e);
    let at = format!("{}.{name}", schema_of(&tx, &shape.table).await.map_err(fail)?);
    let found = found(&tx, &if name.contains('.') { name.to_string() } else { at }).await.map_err(fail)?;
    // The server itself says what the statement means: on an empty copy, that goes with this transaction.
    let copy =
        format!("CREATE TEMP TABLE nica_shape (LIKE {}) ON COMMIT DROP; {}", shape.table, shape.on_copy);
    tx.batch_execute(&copy).await.map_err(fail)?;
    let sql =
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'pg_temp.nica_shape'::regclass";
    let made: String = tx.query_one(sql, &[]).await.map_err(fail)?.get(0);
    let wanted = definition(&tx, &made).await.map_err(fail)?;
    let on = regclass(&tx, &shape.table).await.map_err(fail)?;
    tx.rollback().await?;
    Ok((shape.table, format!("on {on} {wanted}"), found))
}

pub(super) async fn drop(attempts: &mut Attempts, work: &Work<'_>, name: &str) -> Result<(), RunError> {
    let concurrently = format!("DROP INDEX CONCURRENTLY IF EXISTS {name}");
    match alone(attempts, work, &concurrently).await {
        Err(error) if error.is_retryable() => {}
        other => return other,
    }
    // It waits for every transaction that may still use the index; plainly it takes one lock, for a moment.
    attempts.fresh();
    let limit = attempts.session().longest(1);
    loop {
        let result = bounded(limit, drop_plainly(attempts, work, name)).await;
        if let Some(()) = attempts.judge(result).await? {
            return Ok(());
        }
    }
}

async fn drop_plainly(attempts: &mut Attempts, work: &Work<'_>, name: &str) -> Result<(), RunError> {
    let tx = attempts.begin().await?;
    let answer = tx.batch_execute(&format!("DROP INDEX IF EXISTS {name}")).await;
    answer.map_err(|e| RunError::statement(tx.fence(), work.place.clone(), &e))?;
    tx.commit().await?;
    Ok(())
}

/// Whether it is there and serves queries: nothing of it was taken away.
pub(super) async fn is_whole(tx: &Guarded<'_>, name: &str) -> Result<bool, RunError> {
    let found = found(tx, name).await.map_err(|e| RunError::records(tx, &e))?;
    Ok(found.is_some_and(|found| found.valid))
}

/// One statement on its own, right behind a guard that passed on this session. Its lock limit is the whole patience:
/// what it waits for are old transactions, and nobody waits behind it meanwhile.
async fn alone(attempts: &mut Attempts, work: &Work<'_>, sql: &str) -> Result<(), RunError> {
    let session = attempts.session().clone();
    let limits = session.limits;
    attempts.begin().await?.commit().await?;
    let client = attempts.client();
    let settings = format!(
        "SET standard_conforming_strings = on; SET client_connection_check_interval = '1s'; SET lock_timeout = '{}ms'; SET statement_timeout = '{}ms'; SELECT pg_backend_pid()",
        session.patience.as_millis().max(1),
        limits.build.as_millis(),
    );
    let fail = |e: tokio_postgres::Error| RunError::statement(session.fence, work.place.clone(), &e);
    // The settings are answered at once or never, so that little time passes between the guard and what it guards; only
    // the statement has the hours of a build.
    let set = async { client.simple_query(&settings).await.map_err(|e| FenceError::of(session.fence, &e)) };
    let pid = pid(&within(BEGIN_LIMIT, set).await?)?;
    let done = async { Ok::<_, FenceError>(client.execute_typed(sql, &[]).await) };
    tokio::select! {
        done = within(limits.build + limits.answer(), done) => done?.map(|_| ()).map_err(fail),
        lost = nobody_works(&session, pid) => Err(lost.into()),
    }
}

fn pid(answer: &[SimpleQueryMessage]) -> Result<i32, FenceError> {
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let unsaid = || FenceError::LostAnswer { why: "the server did not say which process it is".to_string() };
    row.and_then(|pid| pid.parse().ok()).ok_or_else(unsaid)
}

type Driver<T> = Result<T, tokio_postgres::Error>;

async fn schema_of(tx: &tokio_postgres::Transaction<'_>, table: &str) -> Driver<String> {
    let sql = "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = $1::text::regclass";
    Ok(tx.query_one(sql, &[&table]).await?.get(0))
}

async fn regclass(tx: &tokio_postgres::Transaction<'_>, table: &str) -> Driver<String> {
    Ok(tx.query_one("SELECT $1::text::regclass::text", &[&table]).await?.get(0))
}

async fn found(tx: &tokio_postgres::Transaction<'_>, name: &str) -> Driver<Option<Found>> {
    let sql = format!(
        "SELECT indisvalid AND indisready AND indislive, indrelid::regclass::text, indexrelid::regclass::text
         FROM pg_index WHERE indexrelid = to_regclass({})",
        literal(name)
    );
    let Some(row) = tx.query_opt(&sql, &[]).await? else { return Ok(None) };
    let (valid, table, index): (bool, String, String) = (row.get(0), row.get(1), row.get(2));
    let definition = format!("on {table} {}", definition(tx, &index).await?);
    Ok(Some(Found { valid, definition }))
}

/// Uniqueness and everything from USING on: what does not depend on names.
async fn definition(tx: &tokio_postgres::Transaction<'_>, index: &str) -> Driver<String> {
    let sql = "
        SELECT CASE WHEN indisunique THEN 'unique ' ELSE '' END
            || substring(pg_get_indexdef(indexrelid) FROM ' (USING .*)$')
        FROM pg_index WHERE indexrelid = $1::text::regclass";
    Ok(tx.query_one(sql, &[&index]).await?.get(0))
}

/// `CREATE [UNIQUE] INDEX CONCURRENTLY name ON table rest`, taken apart by token.
struct Shape {
    table: String,
    /// The same index on the empty copy, not concurrently.
    on_copy: String,
}

impl Shape {
    fn of(statement: &Statement<'_>) -> Option<Shape> {
        let tokens: Vec<_> = statement.sql().copied().collect();
        let on = tokens.iter().position(|t| t.is("on"))?;
        let mut at = on + 1;
        if tokens.get(at)?.is("only") {
            at += 1;
        }
        let mut table = tokens.get(at)?.text.to_string();
        while tokens.get(at + 1).is_some_and(|t| t.is_sign(".")) {
            table = format!("{table}.{}", tokens.get(at + 2)?.text);
            at += 2;
        }
        let unique = if tokens[1].is("unique") { "UNIQUE " } else { "" };
        let rest = text_from(statement, tokens.get(at + 1)?);
        let on_copy = format!("CREATE {unique}INDEX ON pg_temp.nica_shape {rest}");
        Some(Shape { table, on_copy })
    }
}

fn text_from<'a>(statement: &Statement<'a>, token: &Token<'a>) -> &'a str {
    let offset = token.text.as_ptr() as usize - statement.text.as_ptr() as usize;
    &statement.text[offset..]
}
