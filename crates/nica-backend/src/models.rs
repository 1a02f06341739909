//! Models from a hub that speaks Hugging Face's protocol, into the cache folder that its libraries read.
//!
//! A snapshot becomes visible as a whole: files are fetched under their content's name, continued where an earlier try
//! ended, checked against the name that the hub gives for them, and only then linked. Loading a model is not here; a
//! service without one serves all the same.

mod cache;
mod fetch;
mod hub;

use crate::config;
use cache::Cache;
use hub::Hub;
use serde::Serialize;
use std::path::PathBuf;

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum PrefetchError {
    #[error("reach the hub at {host}: {why}; check HF_ENDPOINT and the network")]
    Unreachable { host: String, why: String },
    #[error(
        "read {what}: the hub refuses (status {status}); check its name, HF_REVISION and the token in HF_TOKEN_PATH"
    )]
    Denied { what: String, status: u16 },
    #[error("read {what}: the hub answers with status {status}; try again later")]
    Answered { what: String, status: u16 },
    #[error("read {what}: {why}; check that HF_ENDPOINT is a hub")]
    Nonsense { what: String, why: String },
    #[error(
        "fetch {what}: it is {found}, and the hub names it {named}; try again, or pin another HF_REVISION"
    )]
    Altered { what: String, named: String, found: String },
    #[error("send the token to {host} without TLS; set HF_ENDPOINT to an address that begins with https://")]
    PlainToken { host: String },
    #[error("write {}: {error}; let HF_HOME be a folder with room that this user may write", path.display())]
    Disk { path: PathBuf, error: std::io::Error },
    #[error("fetch all models within {secs} s; the next try continues, or raise HF_PREFETCH_TIMEOUT_MS")]
    TooLong { secs: u64 },
}

/// What one repository has now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fetched {
    pub repo: String,
    pub commit: String,
    pub files: usize,
    /// Files that were not there before.
    pub fetched: usize,
    /// Bytes that came over the network for them.
    pub bytes: u64,
}

/// Every repository at the wanted revision; a second call asks and fetches nothing.
///
/// # Errors
/// The first repository that could not be had; those before it stay.
pub async fn prefetch(wanted: &config::Models) -> Result<Vec<Fetched>, PrefetchError> {
    let all = async {
        let hub = Hub::new(wanted)?;
        let mut done = Vec::new();
        for repo in &wanted.repos {
            done.push(one(&hub, wanted, repo).await?);
        }
        Ok(done)
    };
    let too_long = || PrefetchError::TooLong { secs: wanted.limit.as_secs() };
    tokio::time::timeout(wanted.limit, all).await.map_err(|_| too_long())?
}

async fn one(hub: &Hub, wanted: &config::Models, repo: &str) -> Result<Fetched, PrefetchError> {
    let snapshot = hub.snapshot(repo, &wanted.revision).await?;
    let cache = Cache::open(&wanted.home, repo).await?;
    let mut done = Fetched {
        repo: repo.into(),
        commit: snapshot.commit.clone(),
        files: snapshot.files.len(),
        fetched: 0,
        bytes: 0,
    };
    for file in snapshot.files.iter() {
        if !cache.has(file) {
            done.bytes += fetch::file(hub, &cache, repo, &snapshot.commit, file).await?;
            done.fetched += 1;
        }
    }
    cache.show(&snapshot, &wanted.revision)?;
    Ok(done)
}
