//! Taking over what another tool has applied: its ledger becomes rows of NICA's migration table, once.
//!
//! First all is looked at, read-only: ledger and folder must agree by the tool's own checksums, and the schema must be
//! what the applied files make on a throw-away database. Then one transaction under the fence looks again and writes.
//! The tool's table is read and never written, so the way back to it stays open; what the tool writes there later is
//! noticed (`record`).

mod compare;
mod look;
mod record;
mod take;

pub use compare::Refusal;
pub use record::{Moved, moved};

use crate::certify::{self, CertifyError};
use crate::connect::{ConnectError, DbUrl, connect};
use crate::fence::{self, FenceError, Holder, Lease};
use crate::fingerprint::{Fingerprint, FingerprintError};
use crate::foreign::{Form, LedgerError};
use crate::migrate_down::Caller;
use crate::migrate_seed::Options;
use crate::runner::RunError;
use crate::schema::{self, SchemaError};
use crate::source::{Migration, Mistakes};
use crate::state::StateError;
use look::Seen;
use serde::Serialize;
use std::path::Path;

/// What shall be taken over.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Where the tool's files are.
    pub folder: &'a Path,
    /// Whose ledger; the only one that is there unless said.
    pub form: Option<Form>,
    /// The ledger's table, where it has another name than the tool gives it.
    pub table: Option<&'a str>,
    /// A server for throw-away databases, where no server programs are installed.
    pub scratch: Option<&'a DbUrl>,
    /// Only say what would be done.
    pub dry: bool,
}

/// What was done, would be done, or stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub from: Form,
    pub table: String,
    pub dry: bool,
    /// It was taken over before, and nothing has changed since.
    pub already: bool,
    /// Ids that were, or would be, written as applied.
    pub adopted: Vec<String>,
    /// In the folder and not applied: what migrate-seed or a deploy applies next.
    pub pending: Vec<String>,
    /// Those of them with a number below one that is applied.
    pub late: Vec<String>,
    pub notes: Vec<String>,
    /// Nothing is written while there is one.
    pub refusals: Vec<Refusal>,
    /// How the schema differs from what the applied files make.
    pub difference: Vec<String>,
}

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Folder(#[from] Mistakes),
    #[error(transparent)]
    Fingerprint(#[from] FingerprintError),
    #[error(transparent)]
    Certify(#[from] CertifyError),
    #[error(transparent)]
    Fence(#[from] FenceError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("take over {table}: it or the schema changed while it was looked at; stop {form} and try again")]
    Changed { table: String, form: Form },
    #[error("read what was taken over: {0}; a newer NICA wrote it")]
    Record(String),
}

impl Report {
    fn of(seen: &Seen, request: &Request<'_>) -> Report {
        let ids = |all: &[&Migration]| all.iter().map(|m| m.id.clone()).collect::<Vec<_>>();
        let pending = seen.pending();
        let late = pending.iter().filter(|m| seen.is_late(m)).map(|m| m.id.clone()).collect();
        Report {
            from: seen.ledger.form,
            table: seen.ledger.table.clone(),
            dry: request.dry,
            already: seen.is_done(),
            adopted: ids(&seen.to_take()),
            pending: ids(&pending),
            late,
            notes: seen.notes.clone(),
            refusals: seen.refusals.clone(),
            difference: Vec::new(),
        }
    }

    /// Whether the database is, or was before, in NICA's hands.
    pub fn is_adopted(&self) -> bool {
        self.refusals.is_empty() && (self.already || !self.dry)
    }
}

/// Take a ledger over; harmless to repeat, and after any death either all of it is taken over or nothing.
///
/// # Errors
/// What kept us from looking or writing. What speaks against it is no error: it stands in the report.
pub async fn adopt(
    url: &DbUrl,
    caller: &Caller<'_>,
    request: &Request<'_>,
    options: &Options,
) -> Result<Report, AdoptError> {
    let seen = look::look(url, caller, request).await?;
    let mut report = Report::of(&seen, request);
    if report.already || !report.refusals.is_empty() {
        return Ok(report);
    }
    let made = certify::schema_of(&seen.expected(), request.scratch).await?;
    report.difference = made.diff(&seen.schema);
    if !report.difference.is_empty() {
        report.refusals.push(Refusal::schema(&seen.ledger));
    }
    if report.refusals.is_empty() && !request.dry {
        write_surely((url, caller, request, options), seen, &made).await?;
    }
    Ok(report)
}

/// Answers that do not come, in one call. More than this is no accident.
const LOST_MAX: u32 = 5;

/// When an answer is lost nobody knows whether it was written: a look tells, and another try has the next number.
async fn write_surely(
    (url, caller, request, options): (&DbUrl, &Caller<'_>, &Request<'_>, &Options),
    mut seen: Seen,
    made: &Fingerprint,
) -> Result<(), AdoptError> {
    for _ in 0..LOST_MAX {
        let error = match write(url, caller, options, &seen, made).await {
            Err(error) if error.is_lost_answer() => error,
            done => return done,
        };
        tracing::info!(%error, "looking again");
        let again = look::look(url, caller, request).await?;
        if again.ledger != seen.ledger || !again.refusals.is_empty() {
            return Err(AdoptError::Changed { table: seen.ledger.table, form: seen.ledger.form });
        }
        if again.is_done() {
            return Ok(());
        }
        seen = again;
    }
    write(url, caller, options, &seen, made).await
}

impl AdoptError {
    fn is_lost_answer(&self) -> bool {
        match self {
            AdoptError::Run(error) => error.is_lost_answer(),
            AdoptError::Fence(error) => matches!(error, FenceError::LostAnswer { .. }),
            _ => false,
        }
    }
}

/// Under the lease and its fence, as everything that NICA writes.
async fn write(
    url: &DbUrl,
    caller: &Caller<'_>,
    options: &Options,
    seen: &Seen,
    made: &Fingerprint,
) -> Result<(), AdoptError> {
    if !seen.has_nica {
        fence::refuse_pooler(url).await?;
        let mut client = connect(url, "nica/genesis").await?;
        schema::genesis(&mut client, caller.service, caller.env).await?;
    }
    let holder = Holder { env: caller.env.into(), name: caller.who.into(), host: caller.host.into() };
    let lease = Lease::wait(url, &holder, options.lease_ttl, options.lease_ttl.mul_f64(1.5)).await?;
    let done = take::take(url, caller, options, &lease, seen, made).await;
    // The answer of the work matters more than that of giving back: a session that ends gives back as well.
    let _ = lease.release().await;
    done
}
