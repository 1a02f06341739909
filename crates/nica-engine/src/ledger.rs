//! The hash-chained history of an environment's runs: one entry per run, written by Settle.
//!
//! A row is an entry's canonical text and its hash; the text names the hash before it. So a changed, missing or
//! moved row breaks the chain where it stands, and a cut tail is found by an anchor that stands elsewhere. What an
//! environment is (its baseline, what is quarantined) is read out of the chain in `ledger/fold`.

mod fold;

pub use fold::{Passed, Quarantined, baseline, baseline_bake, consumed, passed, quarantine};

use crate::approval::Approver;
use crate::canonical::{self, Digest};
use crate::finding::GateReport;
use crate::instant::Instant;
use crate::next::{Direction, Ending};
use crate::plan::Status;
use crate::validate::Figures;
use crate::world::Verdict;
use serde::{Deserialize, Serialize};

/// The newest that this program reads.
pub const ENTRY_FORMAT: u32 = 3;

/// The oldest format that says what an entry has to say: 2 knows contract runs and acceptance, 3 knows waivers by
/// their nonce.
pub fn format_of(ending: Ending, waivers: &[Waiver]) -> u32 {
    match ending {
        _ if !waivers.is_empty() => 3,
        Ending::Contracted | Ending::Accepted => 2,
        _ => 1,
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub format: u32,
    /// From 1, without a gap.
    pub n: u64,
    /// The hash of the entry before; of the first, 64 zeros.
    pub prev: Digest,
    pub service: String,
    pub env: String,
    pub env_id: String,
    pub run: String,
    pub release: Named,
    /// What was live before, none for a first deploy.
    pub baseline: Option<Named>,
    pub plan_hash: Digest,
    /// The hash of what an outsider could read after the end.
    pub projection: Digest,
    pub approvals: Vec<Approver>,
    pub gates: GateReport,
    pub waivers: Vec<Waiver>,
    pub steps: Vec<StepLine>,
    /// What the bake said.
    pub verdict: Verdict,
    pub direction: Direction,
    pub ending: Ending,
    /// Why the run turned back.
    pub reason: Option<String>,
    /// Migrations and seed rows that stayed although the run went back.
    pub retained: Vec<String>,
    pub bake: Option<Figures>,
    pub starter: String,
    pub host: String,
    pub fence: i64,
    pub opened_at: Instant,
    pub settled_at: Instant,
    pub quarantined: Vec<Suspect>,
    pub lifted: Vec<Lift>,
    /// What people accepted, where they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

/// A state that two people took upon themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The hash that they signed.
    pub hash: Digest,
    /// What counts as live from then on.
    pub live: Option<Named>,
}

/// A release by hash, and its version for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub hash: Digest,
    pub version: String,
}

/// Leave to pass one finding, or one gate, in spite of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// `promoted/soak`, or `promoted` for the whole gate.
    pub finding: String,
    pub person: String,
    pub reason: String,
    pub until: Instant,
    /// It was signed once and is used once.
    pub nonce: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepLine {
    pub n: u32,
    pub effect: String,
    pub status: Status,
    pub started_at: Option<Instant>,
    pub done_at: Option<Instant>,
}

/// A digest that no automation may bring back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspect {
    pub component: String,
    pub digest: Digest,
    pub reason: String,
}

/// A quarantine taken back by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lift {
    pub digest: Digest,
    pub person: String,
    pub reason: String,
}

/// An entry as it is stored: its canonical text and the text's hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub n: u64,
    pub entry: String,
    pub prev: Digest,
    pub hash: Digest,
}

/// The chain's end, kept where whoever writes the ledger cannot write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    pub entries: u64,
    pub last: Digest,
}

/// The first row that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ledger entry {n}: {what}")]
pub struct FirstBad {
    pub n: u64,
    pub what: String,
}

/// What stands before the first entry.
pub fn genesis() -> Digest {
    Digest::try_from("0".repeat(64)).expect("64 zeros are 64 hex digits")
}

impl Entry {
    /// The entry as the row that follows `last`; `n` and `prev` are set here, whatever they were.
    pub fn seal(mut self, last: Option<&Anchor>) -> Row {
        self.n = last.map_or(0, |a| a.entries) + 1;
        self.prev = last.map_or_else(genesis, |a| a.last.clone());
        let bytes = canonical::to_bytes(&self);
        let hash = Digest::of(&bytes);
        let entry = String::from_utf8(bytes).expect("JSON is UTF-8");
        Row { n: self.n, entry, prev: self.prev, hash }
    }
}

impl Row {
    pub fn anchor(&self) -> Anchor {
        Anchor { entries: self.n, last: self.hash.clone() }
    }
}

/// All entries, when every row is as it was written and none is missing that the anchor knows of.
pub fn verify(rows: &[Row], anchor: Option<&Anchor>) -> Result<Vec<Entry>, FirstBad> {
    let mut entries = Vec::with_capacity(rows.len());
    let mut last: Option<Anchor> = None;
    for row in rows {
        entries.push(verify_row(row, last.as_ref())?);
        last = Some(row.anchor());
        reached(anchor, row)?;
    }
    match anchor {
        Some(anchor) if anchor.entries > rows.len() as u64 => {
            let what =
                format!("missing: the anchor knows {} entries, here are {}", anchor.entries, rows.len());
            Err(FirstBad { n: rows.len() as u64 + 1, what })
        }
        _ => Ok(entries),
    }
}

fn verify_row(row: &Row, last: Option<&Anchor>) -> Result<Entry, FirstBad> {
    let n = last.map_or(0, |a| a.entries) + 1;
    let bad = |what: String| Err(FirstBad { n, what });
    let prev = last.map_or_else(genesis, |a| a.last.clone());
    if row.n != n {
        return bad(format!("missing: the next row is number {}", row.n));
    }
    if Digest::of(row.entry.as_bytes()) != row.hash {
        return bad("its text does not have its hash: one of the two was changed".into());
    }
    if row.prev != prev {
        return bad(format!("it follows {}, the entry before is {}", row.prev.short(), prev.short()));
    }
    // Before anything else of it is read: a newer format may have what this program does not know.
    if let Some(format) = newer(&row.entry) {
        return bad(format!("it has format {format}, this nica reads up to {ENTRY_FORMAT}"));
    }
    let entry: Entry = match canonical::read(row.entry.as_bytes()) {
        Ok(entry) => entry,
        Err(error) => return bad(format!("its text cannot be read: {error}")),
    };
    if entry.n != n || entry.prev != prev {
        return bad("its text does not say what its row says".into());
    }
    Ok(entry)
}

/// The entry's format, where this program does not know it.
fn newer(entry: &str) -> Option<u64> {
    let entry: serde_json::Value = serde_json::from_str(entry).ok()?;
    entry["format"].as_u64().filter(|format| *format > ENTRY_FORMAT.into())
}

fn reached(anchor: Option<&Anchor>, row: &Row) -> Result<(), FirstBad> {
    match anchor {
        Some(anchor) if anchor.entries == row.n && anchor.last != row.hash => {
            let what = format!("its hash is {}, the anchor says {}", row.hash.short(), anchor.last.short());
            Err(FirstBad { n: row.n, what })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
