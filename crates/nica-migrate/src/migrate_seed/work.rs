//! The writing half: one holder of the lease, admitted, applies what is still missing and then the seeds.

use super::look::look;
use super::{MigrateSeedError, Options, Program, Report};
use crate::attic::Misfit;
use crate::connect::DbUrl;
use crate::fence::{Admission, FenceError, Lease, admit};
use crate::runner::{Attempts, By, Outcome, RunError, Session};
use crate::seed::{self, Changed, SeedError};
use crate::source::{Class, Migration};

pub(super) async fn work(
    url: &DbUrl,
    program: &Program<'_>,
    options: &Options,
    lease: &Lease,
    report: &mut Report,
) -> Result<(), MigrateSeedError> {
    let session = session(url, program, options, lease.number());
    let mut client = session.open().await?;
    admit(&mut client, session.fence, program.env, options.admit, Admission::DemandUnmanaged).await?;
    drop(client);
    // Nobody else can change it any more: what is seen now is what is done.
    let seen = look(url, program).await?;
    for migration in &seen.ready {
        still_ours(lease, &session)?;
        if apply(&session, migration, report).await? == Outcome::Done {
            report.applied.push(migration.id.clone());
            report.late.extend(seen.is_late(migration).then(|| migration.id.clone()));
        }
    }
    for id in &seen.unparking {
        still_ours(lease, &session)?;
        unpark(&session, id, report).await?;
    }
    still_ours(lease, &session)?;
    let changed = seeds(&session, program).await?;
    look(url, program).await?.tell(report);
    report.seeds = merged(std::mem::take(&mut report.seeds), changed);
    Ok(())
}

fn session(url: &DbUrl, program: &Program<'_>, options: &Options, fence: i64) -> Session {
    let by = By { run: None, who: program.who.to_string(), version: program.version.to_string() };
    Session {
        url: url.clone(),
        env: program.env.to_string(),
        fence,
        run_suffix: None,
        limits: options.limits,
        patience: options.lock,
        by,
    }
}

/// No new effect may begin without the lease.
fn still_ours(lease: &Lease, session: &Session) -> Result<(), FenceError> {
    if lease.is_held() { Ok(()) } else { Err(FenceError::Superseded { fence: session.fence }) }
}

async fn apply(session: &Session, migration: &Migration, report: &mut Report) -> Result<Outcome, RunError> {
    if !migration.transactional {
        return session.converge_up(migration).await;
    }
    let outcome = session.up(migration).await?;
    if migration.class == Class::Parking {
        unpark(session, &migration.id, report).await?;
    }
    Ok(outcome)
}

/// What an earlier down has parked comes back with the next up.
async fn unpark(session: &Session, id: &str, report: &mut Report) -> Result<(), RunError> {
    let unparked = session.unpark(id).await?;
    let misfit = |m: &Misfit| format!("{id}: {} rows of {} stay parked: {}", m.rows, m.source, m.why);
    report.parked.extend(unparked.misfits.iter().map(misfit));
    Ok(())
}

async fn seeds(session: &Session, program: &Program<'_>) -> Result<Changed, MigrateSeedError> {
    let mut attempts = session.attempts().await?;
    loop {
        let tried = match seeds_once(&mut attempts, session, program).await {
            Ok(changed) => Ok(changed),
            Err(Tried::Run(error)) => Err(error),
            Err(Tried::Seed(error)) => return Err(error.into()),
        };
        if let Some(changed) = attempts.judge(tried).await? {
            return Ok(changed);
        }
    }
}

enum Tried {
    Run(RunError),
    Seed(SeedError),
}

impl<E: Into<RunError>> From<E> for Tried {
    fn from(error: E) -> Tried {
        Tried::Run(error.into())
    }
}

/// All seeds in one transaction. No run of a deployer stands behind it, so the name of the run is ours.
async fn seeds_once(
    attempts: &mut Attempts,
    session: &Session,
    program: &Program<'_>,
) -> Result<Changed, Tried> {
    let run = format!("{}-{}-byhand00", session.env, session.fence);
    let tx = attempts.begin().await?;
    let changed = seed::apply(&tx, program.seeds, &run).await.map_err(|error| match error.postgres() {
        Some(source) if !is_ours(source) => Tried::Run(tx.error(source).into()),
        _ => Tried::Seed(error),
    })?;
    tx.commit().await?;
    Ok(changed)
}

/// The server said no to a row: named with its table. Locks, fences and lost answers are the runner's business.
fn is_ours(error: &tokio_postgres::Error) -> bool {
    crate::fence::classify(error) == crate::fence::Class::Sql
}

fn merged(earlier: Changed, now: Changed) -> Changed {
    let both = |mut one: Vec<_>, other| {
        one.extend(other);
        one
    };
    Changed {
        inserted: both(earlier.inserted, now.inserted),
        updated: both(earlier.updated, now.updated),
        retired: both(earlier.retired, now.retired),
        recorded: both(earlier.recorded, now.recorded),
        local: now.local,
    }
}
