//! What migrations really do, seen on a throw-away database: up, down, up again.
//!
//! A private cluster gets the migrations that are live and a few rows in every table; then each migration that a plan
//! applies takes its round, by the same runner that a deployer uses. What is seen is reported and judged elsewhere;
//! what kept us from seeing is an error, never a report.

mod compare;
mod ground;
mod report;
mod round;
mod rows;
mod shape;
mod text;
mod trial;

pub use report::{Change, ChangeKind, Place, Removed, Report, RoundTrip, SqlError};

use crate::connect::reason;
use crate::fingerprint::FingerprintError;
use crate::runner::RunError;
use crate::schema::SchemaError;
use crate::scratch::{ScratchCluster, ScratchError};
use crate::source::{Migration, Phase};
use ground::Ground;
use round::{Rounds, Then};
use std::future::Future;
use std::time::Duration;

/// Raised when the same migrations would be reported otherwise than before.
pub const REPORT_FORMAT: u32 = 1;
/// For all of it. A migration that needs longer on a handful of rows is not going to end.
pub const CERTIFY_LIMIT: Duration = Duration::from_secs(120);

/// Nobody could look. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Fingerprint(#[from] FingerprintError),
    #[error("look at the throw-away database: {0}")]
    Look(String),
    /// The server here is not like the real one, or not well.
    #[error("try {id}: {why}")]
    Ground { id: String, why: String },
    #[error("put {id}, which is live already, into a throw-away database: {why}")]
    Live { id: String, why: RunError },
    #[error("find {id}: the release has no such migration")]
    Unknown { id: String },
    #[error("try the migrations within {secs} s")]
    TooSlow { secs: u64 },
}

impl CertifyError {
    fn look(error: &tokio_postgres::Error) -> CertifyError {
        CertifyError::Look(reason(error))
    }
}

/// Try the migrations `wanted` on top of those that are `live`, both out of `all`, which is in the order in which a
/// release applies them. One report each, up to the first that leaves no ground for the next.
///
/// # Errors
/// No server programs here, a server that lacks what the real one has, or too little time. Nothing is left behind.
pub async fn certify(
    all: &[Migration],
    live: &[String],
    wanted: &[String],
) -> Result<Vec<Report>, CertifyError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    certify_on(&cluster().await?, "certify", all, live, wanted).await
}

/// As `certify`, in a new database of a cluster that is there. The database stays until the cluster goes.
///
/// # Errors
/// As `certify`, or the database is there already.
pub async fn certify_on(
    cluster: &ScratchCluster,
    database: &str,
    all: &[Migration],
    live: &[String],
    wanted: &[String],
) -> Result<Vec<Report>, CertifyError> {
    let (live, wanted) = (pick(all, live)?, pick(all, wanted)?);
    let work = async {
        let ground = Ground::prepare(cluster, database).await?;
        let mut rounds = Rounds::begin(&ground, &live).await?;
        let mut reports = Vec::new();
        for migration in wanted {
            let (report, then) = rounds.round(migration).await?;
            reports.push(report);
            if let Then::Stop = then {
                break;
            }
        }
        Ok(reports)
    };
    in_time(work).await
}

/// Each expand of `all` as if those before it were live: what a repository's own check asks. Contracts are applied in
/// their place and not reported.
///
/// # Errors
/// As `certify`.
pub async fn certify_each(all: &[Migration]) -> Result<Vec<Report>, CertifyError> {
    let cluster = cluster().await?;
    let work = async {
        let ground = Ground::prepare(&cluster, "certify").await?;
        let mut rounds = Rounds::begin(&ground, &[]).await?;
        let mut reports = Vec::new();
        for migration in all {
            if migration.phase == Phase::Contract {
                rounds.take_as_live(migration).await?;
                continue;
            }
            rounds.older_is_all();
            let (report, then) = rounds.round(migration).await?;
            reports.push(report);
            if let Then::Stop = then {
                break;
            }
        }
        Ok(reports)
    };
    in_time(work).await
}

/// It lives for seconds, and nothing else runs on it.
async fn cluster() -> Result<ScratchCluster, CertifyError> {
    Ok(ScratchCluster::start_with(&[("autovacuum", "off"), ("max_connections", "20")]).await?)
}

async fn in_time<T>(work: impl Future<Output = Result<T, CertifyError>>) -> Result<T, CertifyError> {
    let late = |_| CertifyError::TooSlow { secs: CERTIFY_LIMIT.as_secs() };
    tokio::time::timeout(CERTIFY_LIMIT, work).await.map_err(late)?
}

fn pick<'a>(all: &'a [Migration], ids: &[String]) -> Result<Vec<&'a Migration>, CertifyError> {
    match ids.iter().find(|id| !all.iter().any(|m| m.id == **id)) {
        Some(id) => Err(CertifyError::Unknown { id: id.clone() }),
        None => Ok(all.iter().filter(|m| ids.contains(&m.id)).collect()),
    }
}
