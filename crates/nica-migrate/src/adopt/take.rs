//! The writing half: one transaction under the fence, in which everything that was seen is seen again.
//!
//! The tool's table is locked against writers meanwhile, so that no row of its comes between the look and the commit.
//! Killed before the commit nothing is taken over, after it all of it is.

use super::AdoptError;
use super::look::Seen;
use super::record::Record;
use crate::connect::DbUrl;
use crate::fence::{Admission, FenceError, Guarded, Lease, admit};
use crate::fingerprint::Fingerprint;
use crate::foreign::LedgerError;
use crate::migrate_down::Caller;
use crate::migrate_seed::Options;
use crate::runner::{self, Attempts, By, RunError, Session};
use crate::source::Phase;

pub(super) async fn take(
    url: &DbUrl,
    caller: &Caller<'_>,
    options: &Options,
    lease: &Lease,
    seen: &Seen,
    made: &Fingerprint,
) -> Result<(), AdoptError> {
    let session = Session {
        url: url.clone(),
        env: caller.env.to_string(),
        fence: lease.number(),
        run_suffix: None,
        limits: options.limits,
        patience: options.lock,
        by: By { run: None, who: caller.who.to_string(), version: caller.version.to_string() },
    };
    let mut client = session.open().await?;
    admit(&mut client, session.fence, caller.env, options.admit, Admission::DemandUnmanaged).await?;
    drop(client);
    if !lease.is_held() {
        return Err(FenceError::Superseded { fence: session.fence }.into());
    }
    let mut attempts = session.attempts().await?;
    loop {
        let tried = match once(&mut attempts, &session.by, seen, made).await {
            Ok(()) => Ok(()),
            Err(AdoptError::Run(error)) => Err(error),
            Err(AdoptError::Fence(error)) => Err(error.into()),
            Err(error) => return Err(error),
        };
        if attempts.judge(tried).await?.is_some() {
            return Ok(());
        }
    }
}

async fn once(attempts: &mut Attempts, by: &By, seen: &Seen, made: &Fingerprint) -> Result<(), AdoptError> {
    let mut tx = attempts.begin().await?;
    let lock = format!("LOCK TABLE {} IN SHARE MODE", seen.ledger.table);
    tx.batch_execute(&lock).await.map_err(|e| RunError::records(&tx, &e))?;
    if !is_as_seen(&mut tx, seen, made).await? {
        return Err(AdoptError::Changed { table: seen.ledger.table.clone(), form: seen.ledger.form });
    }
    let taken = seen.to_take();
    for migration in &taken {
        runner::write_row(&tx, migration, by, "applied").await?;
        if migration.phase == Phase::Contract {
            runner::raise_floor(&tx, &migration.id).await?;
        }
    }
    let ids = taken.iter().map(|m| m.id.clone()).collect();
    Record::of(seen.record.as_ref(), &seen.ledger, ids).write(&tx).await?;
    Ok(tx.commit().await?)
}

async fn is_as_seen(tx: &mut Guarded<'_>, seen: &Seen, made: &Fingerprint) -> Result<bool, AdoptError> {
    let again = match seen.ledger.again(&**tx).await {
        Err(LedgerError::Sql(error)) => return Err(RunError::records(tx, &error).into()),
        again => again?,
    };
    if again.as_ref() != Some(&seen.ledger) {
        return Ok(false);
    }
    match Fingerprint::read(&mut **tx).await {
        Ok(schema) => Ok(schema.without_table(&seen.ledger.table) == *made),
        Err(error) => Err(RunError::records(tx, &error.postgres()).into()),
    }
}
