//! What migrations really do, seen on a throw-away database: up, down, up again.
//!
//! A private cluster, or a server that was given for it, gets the migrations that are live and a few rows in every
//! table; then each migration that a plan applies takes its round, by the same runner that a deployer uses. What is seen
//! is reported and judged elsewhere; what kept us from seeing is an error, never a report.

mod compare;
mod ground;
mod report;
mod round;
mod rows;
mod shape;
mod text;
mod trial;

pub use report::{Change, ChangeKind, Place, Removed, Report, RoundTrip, SqlError};

use crate::connect::DbUrl;
use crate::connect::reason;
use crate::fingerprint::{Fingerprint, FingerprintError};
use crate::runner::RunError;
use crate::schema::SchemaError;
use crate::scratch::{self, GivenServer, ScratchCluster, ScratchError};
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
/// release applies them. One report each, up to the first that leaves no ground for the next. `given`: a server for
/// throw-away databases, where no server programs are installed here.
///
/// # Errors
/// No server, a server that lacks what the real one has, or too little time. Nothing is left behind.
pub async fn certify(
    all: &[Migration],
    live: &[String],
    wanted: &[String],
    given: Option<&DbUrl>,
) -> Result<Vec<Report>, CertifyError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let (live, wanted) = (pick(all, live)?, pick(all, wanted)?);
    on_a_new_database(given, async |url| certify_in(url, &live, &wanted).await).await
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
    let url = cluster.create_database(database).await?;
    in_time(certify_in(url, &live, &wanted)).await
}

/// As `certify`, on a server that was given for it, whatever is installed here.
///
/// # Errors
/// As `certify`, or its role may not create a database.
pub async fn certify_given(
    server: &GivenServer,
    all: &[Migration],
    live: &[String],
    wanted: &[String],
) -> Result<Vec<Report>, CertifyError> {
    let (live, wanted) = (pick(all, live)?, pick(all, wanted)?);
    on_given(server, async |url| certify_in(url, &live, &wanted).await).await
}

async fn certify_in(
    url: DbUrl,
    live: &[&Migration],
    wanted: &[&Migration],
) -> Result<Vec<Report>, CertifyError> {
    let ground = Ground::prepare(url).await?;
    let mut rounds = Rounds::begin(&ground, live).await?;
    let mut reports = Vec::new();
    for migration in wanted {
        let (report, then) = rounds.round(migration).await?;
        reports.push(report);
        if let Then::Stop = then {
            break;
        }
    }
    Ok(reports)
}

/// Each expand of `all` as if those before it were live: what a repository's own check asks. Contracts are applied in
/// their place and not reported.
///
/// # Errors
/// As `certify`.
pub async fn certify_each(all: &[Migration], given: Option<&DbUrl>) -> Result<Vec<Report>, CertifyError> {
    on_a_new_database(given, async |url| {
        let ground = Ground::prepare(url).await?;
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
    })
    .await
}

/// The schema that these migrations make, in their order, on a throw-away database.
///
/// # Errors
/// As `certify`; `Live` where one of them does not run there.
pub async fn schema_of(all: &[&Migration], given: Option<&DbUrl>) -> Result<Fingerprint, CertifyError> {
    on_a_new_database(given, async |url| {
        let ground = Ground::prepare(url).await?;
        for migration in all {
            let live = |why| CertifyError::Live { id: migration.id.clone(), why };
            ground.up(migration).await?.map_err(live)?;
        }
        Ok(Fingerprint::read(&mut ground.client().await?).await?)
    })
    .await
}

/// What a report depends on beside its migrations.
///
/// # Errors
/// Neither server programs here nor a server that was given.
pub async fn server_version(given: Option<&DbUrl>) -> Result<String, CertifyError> {
    match (scratch::server_version(), given) {
        (Err(ScratchError::NoServer), Some(url)) => Ok(GivenServer::new(url.clone()).version().await?),
        (version, _) => Ok(version?),
    }
}

/// A private cluster that lives for seconds, where its programs are installed; else the server that was given.
async fn on_a_new_database<T>(
    given: Option<&DbUrl>,
    work: impl AsyncFnOnce(DbUrl) -> Result<T, CertifyError>,
) -> Result<T, CertifyError> {
    const SETTINGS: [(&str, &str); 2] = [("autovacuum", "off"), ("max_connections", "20")];
    match (ScratchCluster::start_with(&SETTINGS).await, given) {
        (Err(ScratchError::NoServer), Some(url)) => on_given(&GivenServer::new(url.clone()), work).await,
        (cluster, _) => {
            let cluster = cluster?;
            in_time(work(cluster.create_database("certify").await?)).await
        }
    }
}

async fn on_given<T>(
    server: &GivenServer,
    work: impl AsyncFnOnce(DbUrl) -> Result<T, CertifyError>,
) -> Result<T, CertifyError> {
    let database = server.create_database().await?;
    let done = in_time(work(database.clone())).await;
    // What was seen counts; what could not be dropped is dropped by the next.
    let _ = server.drop_database(&database).await;
    done
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
