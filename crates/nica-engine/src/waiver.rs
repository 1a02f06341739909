//! Waivers: a person's signature that takes one finding upon themselves, for one plan, with a reason and an end, once.
//!
//! Signed like an approval and void on any changed byte likewise. Which finding it passes is the gates' affair; a waiver
//! of `approval` is how glass is broken, and stays in the ledger for whoever reviews it.

mod passing;

pub(crate) use passing::Waivers;

use crate::approval::Wanted;
use crate::canonical::{self, Digest, NotCanonical};
use crate::evidence::{Signed, canonical_text};
use crate::instant::Instant;
use crate::ledger::Waiver;
use crate::people::People;
use crate::signature::{self, BadSignature, Key};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub const WAIVER_FORMAT: u32 = 1;
/// The purpose that waivers are signed for.
pub const NAMESPACE: &str = "nica-waiver";
/// At most this long; what is needed for longer is a rule and belongs into nica.toml.
pub const AT_MOST: Duration = Duration::from_secs(90 * 24 * 3_600);

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waived {
    pub format: u32,
    pub plan_hash: Digest,
    pub env: String,
    /// `promoted/soak`, or `promoted` for the whole gate.
    pub finding: String,
    pub reason: String,
    pub until: Instant,
    /// Makes each signature one of its own; consumed when a run is opened with it.
    pub nonce: String,
}

#[derive(Debug, thiserror::Error)]
pub enum NotWaived {
    #[error("the waiver cannot be read: {0}")]
    Unreadable(#[from] NotCanonical),
    #[error("the waiver has format {0}, this nica reads up to {WAIVER_FORMAT}")]
    Format(u32),
    #[error("{0}")]
    Signature(#[from] BadSignature),
    #[error("the key {0} belongs to nobody in people.toml")]
    Nobody(Key),
    #[error("{0} gave no reason")]
    NoReason(String),
    #[error("{person} waived it for plan {waived}, what would be applied now is plan {wanted}")]
    OtherPlan { person: String, waived: String, wanted: String },
    #[error("{0} waived it for {1}, not for {2}")]
    OtherEnvironment(String, String, String),
    #[error("the waiver of {0} expired at {1}")]
    Expired(String, Instant),
    #[error("the waiver of {0} is valid until {1}, longer than the 90 d that are allowed")]
    TooLong(String, Instant),
    #[error("the waiver of {0} was used by an earlier run")]
    Consumed(String),
}

impl Waived {
    /// The bytes that are signed.
    pub fn to_document(&self) -> String {
        canonical_text(self)
    }
}

/// The person behind a waiver, when it holds for what is wanted.
pub fn verify(signed: &Signed, people: &People, wanted: &Wanted<'_>) -> Result<Waiver, NotWaived> {
    let key = signature::verify(&signed.signature, NAMESPACE, signed.document.as_bytes())?;
    let waived = read(signed)?;
    let person = people.by_key(&key).ok_or_else(|| NotWaived::Nobody(key.clone()))?.to_string();
    fits(&waived, &person, wanted)?;
    let Waived { finding, reason, until, nonce, .. } = waived;
    Ok(Waiver { finding, person, reason, until, nonce })
}

/// What it says, whatever it is worth.
pub fn read(signed: &Signed) -> Result<Waived, NotWaived> {
    let waived: Waived = canonical::read(signed.document.as_bytes())?;
    if waived.format > WAIVER_FORMAT {
        return Err(NotWaived::Format(waived.format));
    }
    Ok(waived)
}

fn fits(waived: &Waived, person: &str, wanted: &Wanted<'_>) -> Result<(), NotWaived> {
    let person = person.to_string();
    if waived.plan_hash != *wanted.plan_hash {
        let (waived, wanted) = (waived.plan_hash.short().into(), wanted.plan_hash.short().into());
        return Err(NotWaived::OtherPlan { person, waived, wanted });
    }
    if waived.env != wanted.env {
        return Err(NotWaived::OtherEnvironment(person, waived.env.clone(), wanted.env.into()));
    }
    if waived.reason.trim().is_empty() {
        return Err(NotWaived::NoReason(person));
    }
    if waived.until <= wanted.now {
        return Err(NotWaived::Expired(person, waived.until));
    }
    if waived.until > wanted.now.plus(AT_MOST) {
        return Err(NotWaived::TooLong(person, waived.until));
    }
    if wanted.consumed.contains(&waived.nonce) {
        return Err(NotWaived::Consumed(person));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{NAMESPACE, Waived};
    use crate::evidence::Signed;
    use crate::signature::{sign, testing::private};

    pub(crate) fn signed(waived: &Waived, key: u8) -> Signed {
        let document = waived.to_document();
        let signature = sign(&private(key), NAMESPACE, document.as_bytes()).unwrap();
        Signed { document, signature }
    }
}

#[cfg(test)]
mod tests;
