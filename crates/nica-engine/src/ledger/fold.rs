//! What the chain says about today: read from its entries, stored nowhere else.

use super::{Entry, Lift, Named};
use crate::canonical::Digest;
use crate::instant::Instant;
use crate::next::Ending;
use crate::validate::Figures;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Why a digest may not come back, and where that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantined {
    pub component: String,
    pub reason: String,
    pub env: String,
    pub entry: u64,
}

/// A run of an environment, as the environments after it need to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passed {
    pub entry: u64,
    pub release: Named,
    pub ending: Ending,
    pub settled_at: Instant,
}

/// What "back" means: the last release that went live, or was accepted as what is.
pub fn baseline(entries: &[Entry]) -> Option<&Named> {
    let live = |entry: &'_ Entry| match entry.ending {
        Ending::Live => true,
        Ending::Accepted => entry.accepted.is_some(),
        _ => false,
    };
    let last = entries.iter().rev().find(|entry| live(entry))?;
    match &last.accepted {
        Some(accepted) => accepted.live.as_ref(),
        None => Some(&last.release),
    }
}

/// The figures that the next bake is compared with: of the run in which the baseline went live.
pub fn baseline_bake(entries: &[Entry]) -> Option<&Figures> {
    let baseline = baseline(entries)?;
    let went_live = |entry: &&Entry| entry.ending == Ending::Live && entry.release == *baseline;
    entries.iter().rev().find(went_live)?.bake.as_ref()
}

/// Digests under quarantine. Inside one entry what was found stands before what was lifted.
pub fn quarantine(entries: &[Entry]) -> BTreeMap<Digest, Quarantined> {
    let mut quarantine = BTreeMap::new();
    for entry in entries {
        for suspect in &entry.quarantined {
            let (component, reason) = (suspect.component.clone(), suspect.reason.clone());
            let found = Quarantined { component, reason, env: entry.env.clone(), entry: entry.n };
            quarantine.insert(suspect.digest.clone(), found);
        }
        for Lift { digest, .. } in &entry.lifted {
            quarantine.remove(digest);
        }
    }
    quarantine
}

/// The nonces of all approvals and waivers that opened a run.
pub fn consumed(entries: &[Entry]) -> BTreeSet<String> {
    let approvals = entries.iter().flat_map(|e| &e.approvals).map(|a| a.nonce.clone());
    approvals.chain(entries.iter().flat_map(|e| &e.waivers).map(|w| w.nonce.clone())).collect()
}

pub fn passed(entries: &[Entry]) -> Vec<Passed> {
    let passed = |e: &Entry| Passed {
        entry: e.n,
        release: e.release.clone(),
        ending: e.ending,
        settled_at: e.settled_at,
    };
    entries.iter().map(passed).collect()
}
