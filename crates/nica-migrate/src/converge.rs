//! What cannot run inside a transaction, or takes too long for one: it converges to its definition instead.
//!
//! The row `started` is committed first, on the very session that then runs the statement: its guard has passed, and
//! admission of a higher fence ends exactly this session. Whoever comes next looks at the catalogue, never at the
//! row alone: a half-built index is dropped and built again, a right one is accepted, a batch goes on at its cursor.

mod backfill;
mod index;
mod overseer;

use crate::fence::{Limits, bounded};
use crate::lexer;
use crate::runner::{self, Attempts, Outcome, RunError, Session};
use crate::source::{Lone, Migration, lone};

impl Session {
    /// Bring a migration outside a transaction to its end, wherever an earlier try has left it.
    ///
    /// # Errors
    /// `Converge` when the catalogue holds something else under the same name; `Statement` when the server refuses
    /// (a duplicate under a unique index); else as `up`.
    pub async fn converge_up(&self, migration: &Migration) -> Result<Outcome, RunError> {
        assert!(!migration.transactional, "{}: runs inside a transaction", migration.id);
        let mut attempts = self.attempts().await?;
        loop {
            let result = bounded(self.longest(1), begin(&mut attempts, migration)).await;
            match attempts.judge(result).await? {
                Some(Outcome::Already) => return Ok(Outcome::Already),
                Some(Outcome::Done) => break,
                None => {}
            }
        }
        let file = format!("{}/up.sql", migration.id);
        run(&mut attempts, &migration.id, &file, &migration.up).await?;
        settle(&mut attempts, &migration.id, "applied").await?;
        Ok(Outcome::Done)
    }

    /// Take such a migration back by its stored text, wherever it stands.
    ///
    /// # Errors
    /// As `converge_up`; `NoDown` without a stored text.
    pub async fn converge_down(&self, id: &str) -> Result<Outcome, RunError> {
        let mut attempts = self.attempts().await?;
        let (down, before) = loop {
            let result = bounded(self.longest(1), begin_down(&mut attempts, id)).await;
            match attempts.judge(result).await? {
                Some(Some(begun)) => break begun,
                Some(None) => return Ok(Outcome::Already),
                None => {}
            }
        };
        if !down.is_empty()
            && let Err(refused) = run(&mut attempts, id, &format!("{id}/down.sql"), &down).await
        {
            self.keep_whole(id, &down, &before).await;
            return Err(refused);
        }
        settle(&mut attempts, id, "undone").await?;
        Ok(Outcome::Done)
    }

    /// A drop that was refused before it began has taken nothing away: the row says so again. Whatever else there is
    /// stays `started`, which is the truth until somebody has looked.
    async fn keep_whole(&self, id: &str, down: &str, before: &str) {
        let kept = async {
            let mut attempts = self.attempts().await?;
            bounded(self.longest(1), keep_whole_once(&mut attempts, id, down, before)).await
        };
        if let Err(error) = kept.await {
            tracing::warn!(%error, id, "nobody could look whether it is whole");
        }
    }
}

/// Commit that it starts, unless it is there.
async fn begin(attempts: &mut Attempts, migration: &Migration) -> Result<Outcome, RunError> {
    let by = attempts.session().by.clone();
    let tx = attempts.begin().await?;
    if runner::is_applied(&tx, migration).await? {
        return Ok(Outcome::Already);
    }
    runner::write_row(&tx, migration, &by, "started").await?;
    tx.commit().await?;
    Ok(Outcome::Done)
}

async fn keep_whole_once(
    attempts: &mut Attempts,
    id: &str,
    down: &str,
    before: &str,
) -> Result<(), RunError> {
    let statements = lexer::split(down)?;
    let [Ok(Lone::DropIndex { name })] = &statements.iter().map(lone).collect::<Vec<_>>()[..] else {
        return Ok(());
    };
    let tx = attempts.begin().await?;
    if index::is_whole(&tx, name).await? {
        runner::set_state(&tx, id, before).await?;
    }
    Ok(tx.commit().await?)
}

/// Commit that it is no longer whole, before anything is taken away; the text to do it with, and the state before.
async fn begin_down(attempts: &mut Attempts, id: &str) -> Result<Option<(String, String)>, RunError> {
    let tx = attempts.begin().await?;
    let row = runner::stored(&tx, id).await?.filter(|row| row.state != "undone");
    let Some(row) = row else { return Ok(None) };
    let down = row.down.ok_or_else(|| RunError::NoDown { id: id.to_string() })?;
    runner::set_state(&tx, id, "started").await?;
    tx.commit().await?;
    Ok(Some((down, row.state)))
}

/// The one statement of the file, by its kind.
async fn run(attempts: &mut Attempts, id: &str, file: &str, sql: &str) -> Result<(), RunError> {
    let statements = lexer::split(sql)?;
    let [statement] = &statements[..] else {
        let why = format!("{file} holds {} statements, one is needed", statements.len());
        return Err(RunError::Converge { id: id.to_string(), why });
    };
    let kind = lone(statement).map_err(|why| RunError::Converge { id: id.to_string(), why })?;
    let work = index::Work { id, file, place: format!("{file}:{}", statement.line), statement };
    match kind {
        Lone::CreateIndex { name } => index::create(attempts, &work, &name).await,
        Lone::DropIndex { name } => index::drop(attempts, &work, &name).await,
        Lone::Validate => validate(attempts, &work).await,
        Lone::Backfill(settings) => backfill::run(attempts, &work, settings).await,
    }
}

/// Scans the table without a lock that users feel, so only its time limit differs from any other statement.
async fn validate(attempts: &mut Attempts, work: &index::Work<'_>) -> Result<(), RunError> {
    loop {
        let result = validate_once(attempts, work).await;
        if let Some(()) = attempts.judge(result).await? {
            return Ok(());
        }
    }
}

async fn validate_once(attempts: &mut Attempts, work: &index::Work<'_>) -> Result<(), RunError> {
    let limits = attempts.session().limits;
    let limits = Limits { statement: limits.build, ..limits };
    let tx = attempts.begin_with(&limits).await?;
    runner::execute_one(&tx, work.file, work.statement).await?;
    tx.commit().await?;
    Ok(())
}

async fn settle(attempts: &mut Attempts, id: &str, state: &str) -> Result<(), RunError> {
    let limit = attempts.session().longest(1);
    loop {
        let result = bounded(limit, settle_once(attempts, id, state)).await;
        if let Some(()) = attempts.judge(result).await? {
            return Ok(());
        }
    }
}

async fn settle_once(attempts: &mut Attempts, id: &str, state: &str) -> Result<(), RunError> {
    let tx = attempts.begin().await?;
    runner::set_state(&tx, id, state).await?;
    tx.commit().await?;
    Ok(())
}
