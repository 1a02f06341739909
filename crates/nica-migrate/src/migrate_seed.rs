//! The guide's `migrate-seed`: bring a database without a deployer to what a program embeds.
//!
//! A pass that finds nothing to do only reads. Else exactly one of however many takes the lease; the others poll for
//! it and hold no transaction meanwhile, because a concurrent index build waits for every older snapshot. What they
//! find when it is their turn decides again. On a database that a deployer manages it only says what is missing: else
//! a restarting pod would migrate up again after an undo.

mod look;
mod work;

use crate::connect::{ConnectError, DbUrl, connect};
use crate::fence::{self, FenceError, Holder, Lease};
use crate::runner::RunError;
use crate::schema::{self, SchemaError};
use crate::seed::{Changed, SeedError, SeedFile};
use crate::source::Migration;
use crate::state::StateError;
use look::{Seen, look};
use serde::Serialize;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What a program embeds, and in whose name it acts.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    pub service: &'a str,
    pub env: &'a str,
    /// The person or pod, `ana@laptop`.
    pub who: &'a str,
    pub host: &'a str,
    /// The program's own version.
    pub version: &'a str,
    pub migrations: &'a [Migration],
    pub seeds: &'a [SeedFile],
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub lease_ttl: Duration,
    /// How long another one's work is waited for, long index builds included.
    pub turn: Duration,
    /// How long a lock is tried for.
    pub lock: Duration,
    /// How long sessions of a dead predecessor may take to end.
    pub admit: Duration,
    pub limits: fence::Limits,
}

/// What was done, or what is missing where nothing may be done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// A deployer manages this database: nothing was written.
    pub managed: bool,
    pub schema_created: bool,
    /// Migrations that this call applied.
    pub applied: Vec<String>,
    /// Those of them whose number is lower than one that was applied before.
    pub late: Vec<String>,
    /// Not applied: on a managed database, or behind a contract.
    pub pending: Vec<String>,
    /// Contracts are applied by `nica contract` only.
    pub contracts_pending: Vec<String>,
    /// Values in the attic that did not fit where they came from, in a sentence each; never the values.
    pub parked: Vec<String>,
    pub seeds: Changed,
    /// Seed rows that are not as the files say, on a managed database.
    pub seeds_pending: Vec<String>,
}

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum MigrateSeedError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Fence(#[from] FenceError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error(
        "apply migrations: {ids:?} were applied with another text; undo the edit and write a new migration"
    )]
    Edited { ids: Vec<String> },
    #[error("open this database: it belongs to {found}, not to {wanted}; check the url")]
    Foreign { found: String, wanted: String },
}

impl Default for Options {
    fn default() -> Options {
        Options {
            lease_ttl: Duration::from_secs(15),
            turn: Duration::from_secs(3600),
            lock: Duration::from_secs(60),
            admit: Duration::from_secs(30),
            limits: fence::Limits::default(),
        }
    }
}

impl Report {
    /// Whether the database now has all that the program embeds and that may be applied without a deployer.
    pub fn is_complete(&self) -> bool {
        self.pending.is_empty() && self.seeds_pending.is_empty()
    }

    /// Whether this call wrote anything.
    pub fn wrote(&self) -> bool {
        self.schema_created || !self.applied.is_empty() || !self.seeds.is_nothing()
    }
}

/// Migrate and seed; everybody may call it at once, and again after any death.
///
/// # Errors
/// The first thing that an operator has to look at; what was applied before it stays applied.
pub async fn migrate_seed(
    url: &DbUrl,
    program: &Program<'_>,
    options: &Options,
) -> Result<Report, MigrateSeedError> {
    let deadline = Instant::now() + options.turn;
    let (mut report, mut lost) = (Report::default(), 0);
    loop {
        match pass(url, program, options, &mut report).await {
            Ok(true) => return Ok(report),
            Ok(false) => {}
            Err(error) => {
                lost += u32::from(is_lost_answer(&error));
                if !is_passing(&error) || lost > LOST_MAX || Instant::now() > deadline {
                    return Err(error);
                }
                tracing::info!(%error, "looking again");
            }
        }
        wait_for_turn(url, options, deadline).await?;
    }
}

/// True when there is nothing left to do; false when somebody else is at it.
async fn pass(
    url: &DbUrl,
    program: &Program<'_>,
    options: &Options,
    report: &mut Report,
) -> Result<bool, MigrateSeedError> {
    let seen = look(url, program).await?;
    seen.tell(report);
    if seen.is_done() || seen.managed {
        return Ok(true);
    }
    prepare(url, program, &seen, report).await?;
    let holder = Holder { env: program.env.into(), name: program.who.into(), host: program.host.into() };
    let Some(lease) = Lease::take(url, &holder, options.lease_ttl).await? else { return Ok(false) };
    let worked = work::work(url, program, options, &lease, report).await;
    // The answer of the work matters more than that of giving back: a session that ends gives back as well.
    let _ = lease.release().await;
    match worked {
        Err(MigrateSeedError::Fence(FenceError::Managed { .. })) => Ok(false),
        other => other.map(|()| true),
    }
}

/// Create schema `nica` where it is missing, once the way to the database is known to be good.
async fn prepare(
    url: &DbUrl,
    program: &Program<'_>,
    seen: &Seen<'_>,
    report: &mut Report,
) -> Result<(), MigrateSeedError> {
    if seen.has_nica {
        return Ok(());
    }
    fence::refuse_pooler(url).await?;
    let mut client = connect(url, "nica/genesis").await?;
    report.schema_created |= schema::genesis(&mut client, program.service, program.env).await?;
    Ok(())
}

const POLL: Duration = Duration::from_millis(50);
/// Answers that do not come, in one call. More than this is no accident.
const LOST_MAX: u32 = 5;

async fn wait_for_turn(url: &DbUrl, options: &Options, deadline: Instant) -> Result<(), MigrateSeedError> {
    loop {
        sleep(jittered()).await;
        match poll(url, options, deadline).await {
            Err(error) if is_passing(&error) && Instant::now() < deadline => {}
            ended => return ended,
        }
    }
}

/// Until nobody holds the lease. One connection, and no transaction between two questions.
async fn poll(url: &DbUrl, options: &Options, deadline: Instant) -> Result<(), MigrateSeedError> {
    let client = connect(url, "nica/waiting").await?;
    while schema::exists(&client).await? {
        let row = fence::peek(&client, options.lease_ttl).await?;
        if row.lapsed {
            return Ok(());
        }
        if Instant::now() > deadline {
            let holder = row.holder.unwrap_or_default();
            let host = row.host.unwrap_or_default();
            return Err(FenceError::Held { holder, host, number: row.number }.into());
        }
        sleep(jittered()).await;
    }
    Ok(())
}

fn jittered() -> Duration {
    POLL.mul_f64(rand::random_range(0.5..1.5))
}

/// Whether looking again may find another world: somebody else took over, or the server had no room for a moment.
fn is_passing(error: &MigrateSeedError) -> bool {
    let fence = match error {
        MigrateSeedError::Fence(fence) | MigrateSeedError::Run(RunError::Fence(fence)) => fence,
        MigrateSeedError::Connect(error) => return is_crowded(error),
        _ => return false,
    };
    match fence {
        FenceError::Superseded { .. } | FenceError::NotAdmitted { .. } | FenceError::LostAnswer { .. } => {
            true
        }
        FenceError::Connect(error) => is_crowded(error),
        _ => false,
    }
}

fn is_lost_answer(error: &MigrateSeedError) -> bool {
    matches!(
        error,
        MigrateSeedError::Fence(FenceError::LostAnswer { .. })
            | MigrateSeedError::Run(RunError::Fence(FenceError::LostAnswer { .. }))
    )
}

/// 53300: too many connections, as when all pods start at once.
fn is_crowded(error: &ConnectError) -> bool {
    matches!(error, ConnectError::Unreachable { why, .. } if why.contains("(53300)"))
}
