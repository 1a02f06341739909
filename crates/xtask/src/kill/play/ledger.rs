//! The last entry of the environment's ledger, as psql reads it.

use crate::kill::cluster::Cluster;
use anyhow::{Result, bail};
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

/// Everything in one question: entries, whether a run is open, the chain, the last entry.
fn question() -> String {
    format!(
        "SELECT (SELECT count(*) FROM nica.ledger), (SELECT count(*) FROM nica.run WHERE settled_at IS NULL), ({CHAINED}),
            (SELECT entry FROM nica.ledger ORDER BY n DESC LIMIT 1)"
    )
}

pub(super) fn last(cluster: &Cluster) -> Result<Last> {
    let answer = cluster.psql(&question())?;
    let fields: Vec<&str> = answer.splitn(4, '|').collect();
    let [count, open, chained, entry] = fields[..] else { bail!("read the ledger: psql said {answer:?}") };
    let entry: serde_json::Value = serde_json::from_str(entry).unwrap_or_default();
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let (ending, version) = (word(&entry["ending"]), word(&entry["release"]["version"]));
    let kept =
        entry["retained"].as_array().into_iter().flatten().filter_map(|id| id.as_str()).map(str::to_string);
    let (count, open, chained) = (count.parse()?, open != "0", chained == "t");
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
