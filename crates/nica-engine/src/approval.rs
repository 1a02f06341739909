//! Approvals: a person's signature over one plan, for one environment, for a few hours, once.
//!
//! A signature is believed or not (`verify`); whether the people behind the believed ones are enough and far
//! enough from the change is another question (`count`). Nothing here knows how signatures were gathered.

use crate::canonical::{self, Digest, NotCanonical};
use crate::evidence::{Signed, canonical_text};
use crate::instant::Instant;
use crate::people::People;
use crate::signature::{self, BadSignature, Key};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub const APPROVAL_FORMAT: u32 = 1;
/// The purpose that approvals are signed for.
pub const NAMESPACE: &str = "nica-approval";
/// How long a signature holds unless the signer chose less, and at most.
pub const VALID_FOR: Duration = Duration::from_secs(4 * 3_600);
/// A signer's own clock may run this much ahead of the database's.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    pub format: u32,
    pub plan_hash: Digest,
    pub env: String,
    pub expiry: Instant,
    /// Makes each signature one of its own; consumed when a run is opened with it.
    pub nonce: String,
}

/// A signature that was believed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    pub person: String,
    pub key: Key,
    pub nonce: String,
    pub expiry: Instant,
}

/// What a signature must fit.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Computed from what will really be applied.
    pub plan_hash: &'a Digest,
    pub env: &'a str,
    pub now: Instant,
    /// Nonces that opened a run already.
    pub consumed: &'a BTreeSet<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum NotApproved {
    #[error("the approval cannot be read: {0}")]
    Unreadable(#[from] NotCanonical),
    #[error("the approval has format {0}, this nica reads up to {APPROVAL_FORMAT}")]
    Format(u32),
    #[error("{0}")]
    Signature(#[from] BadSignature),
    #[error("the key {0} belongs to nobody in people.toml")]
    Nobody(Key),
    #[error("{0} is no approver")]
    NoApprover(String),
    #[error("{person} approved plan {approved}, what would be applied now is plan {wanted}")]
    OtherPlan { person: String, approved: String, wanted: String },
    #[error("{0} approved for {1}, not for {2}")]
    OtherEnvironment(String, String, String),
    #[error("the approval of {0} expired at {1}")]
    Expired(String, Instant),
    #[error("the approval of {0} is valid until {1}, longer than the 4 h that are allowed")]
    TooLong(String, Instant),
    #[error("the approval of {0} was used by an earlier run")]
    Consumed(String),
}

/// Who may not approve, and how the others were counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Distinct people whose approval counts, each with one signature.
    pub count: BTreeMap<String, Approver>,
    /// People who signed but wrote a commit or started the run, with the reason.
    pub excluded: BTreeMap<String, String>,
}

impl Approval {
    /// The bytes that are signed.
    pub fn to_document(&self) -> String {
        canonical_text(self)
    }
}

/// The person behind an approval, when it holds for what is wanted. One changed byte anywhere and it does not.
pub fn verify(signed: &Signed, people: &People, wanted: &Wanted<'_>) -> Result<Approver, NotApproved> {
    let key = signature::verify(&signed.signature, NAMESPACE, signed.document.as_bytes())?;
    let approval = read(&signed.document)?;
    let person = people.by_key(&key).ok_or_else(|| NotApproved::Nobody(key.clone()))?.to_string();
    if !people.may_approve(&person) {
        return Err(NotApproved::NoApprover(person));
    }
    fits(&approval, &person, wanted)?;
    Ok(Approver { person, key, nonce: approval.nonce, expiry: approval.expiry })
}

/// One approval, one text.
fn read(document: &str) -> Result<Approval, NotApproved> {
    let approval: Approval = canonical::read(document.as_bytes())?;
    if approval.format > APPROVAL_FORMAT {
        return Err(NotApproved::Format(approval.format));
    }
    Ok(approval)
}

fn fits(approval: &Approval, person: &str, wanted: &Wanted<'_>) -> Result<(), NotApproved> {
    let person = person.to_string();
    if approval.plan_hash != *wanted.plan_hash {
        let (approved, wanted) = (approval.plan_hash.short().into(), wanted.plan_hash.short().into());
        return Err(NotApproved::OtherPlan { person, approved, wanted });
    }
    if approval.env != wanted.env {
        return Err(NotApproved::OtherEnvironment(person, approval.env.clone(), wanted.env.into()));
    }
    if approval.expiry <= wanted.now {
        return Err(NotApproved::Expired(person, approval.expiry));
    }
    if approval.expiry > wanted.now.plus(VALID_FOR + CLOCKS_DIFFER) {
        return Err(NotApproved::TooLong(person, approval.expiry));
    }
    if wanted.consumed.contains(&approval.nonce) {
        return Err(NotApproved::Consumed(person));
    }
    Ok(())
}

/// Counts people, not signatures: several keys of one person are one, and neither an author nor the starter counts.
pub fn count(
    approvers: &[Approver],
    people: &People,
    authors: &BTreeSet<String>,
    starters: &BTreeSet<&str>,
) -> Tally {
    let authors: BTreeMap<&str, &str> =
        authors.iter().flat_map(|email| people.by_email(email).map(move |p| (p, email.as_str()))).collect();
    let mut tally = Tally::default();
    for approver in approvers {
        let person = approver.person.clone();
        if starters.contains(person.as_str()) {
            tally.excluded.insert(person, "started this run".into());
        } else if let Some(email) = authors.get(person.as_str()) {
            tally.excluded.insert(person, format!("wrote commits of it as {email}"));
        } else {
            tally.count.entry(person).or_insert_with(|| approver.clone());
        }
    }
    tally
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Approval, NAMESPACE};
    use crate::evidence::Signed;
    use crate::signature::{sign, testing::private};

    pub(crate) fn signed(approval: &Approval, key: u8) -> Signed {
        let document = approval.to_document();
        let signature = sign(&private(key), NAMESPACE, document.as_bytes()).unwrap();
        Signed { document, signature }
    }
}

#[cfg(test)]
mod tests;
