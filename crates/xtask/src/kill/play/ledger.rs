//! The last entry of the environment's ledger, as psql reads it.

use crate::kill::cluster::Cluster;
use anyhow::Result;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    /// Entries so far.
    pub count: u32,
    pub ending: String,
    pub version: String,
    /// Migrations that going back kept.
    pub kept: Vec<String>,
    /// A run is open.
    pub open: bool,
    /// Each entry says which one it follows.
    pub chained: bool,
}

/// True when every entry carries the hash of the one before it, the first one zeros, and its own is of its bytes.
const CHAINED: &str = "SELECT coalesce(bool_and(prev = before AND entry::json ->> 'prev' = before
        AND hash = encode(sha256(convert_to(entry, 'UTF8')), 'hex')), true)
    FROM (SELECT *, coalesce(lag(hash) OVER (ORDER BY n), repeat('0', 64)) AS before FROM nica.ledger) l";

pub(super) fn last(cluster: &Cluster) -> Result<Last> {
    let open = cluster.psql("SELECT count(*) FROM nica.run WHERE settled_at IS NULL")? != "0";
    let count = cluster.psql("SELECT count(*) FROM nica.ledger")?.parse()?;
    let entry = cluster.psql("SELECT entry FROM nica.ledger ORDER BY n DESC LIMIT 1")?;
    let entry: serde_json::Value = serde_json::from_str(&entry).unwrap_or_default();
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let (ending, version) = (word(&entry["ending"]), word(&entry["release"]["version"]));
    let kept =
        entry["retained"].as_array().into_iter().flatten().filter_map(|id| id.as_str()).map(str::to_string);
    let chained = cluster.psql(CHAINED)? == "t";
    Ok(Last { count, ending, version, kept: kept.collect(), open, chained })
}

impl fmt::Display for Last {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Last { count, ending, version, kept, .. } = self;
        let open = if self.open { ", a run is open" } else { "" };
        let open = if self.chained { open } else { ", THE CHAIN IS BROKEN" };
        write!(f, "{count} entries, the last {ending} ({version}, kept {kept:?}){open}")
    }
}
