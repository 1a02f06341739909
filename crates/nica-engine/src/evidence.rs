//! Signed evidence: what somebody outside saw about a release, bound to its hash.
//!
//! Evidence stands beside a release, never in it. A document is believed when a key of policy signed exactly these
//! bytes and they speak of exactly this release; a document that says less than was asked is no pass.

use crate::canonical::{self, Digest};
use crate::instant::Instant;
use crate::policy::Signer;
use crate::signature::{self, BadSignature, Key};
use serde::{Deserialize, Serialize};

pub const EVIDENCE_FORMAT: u32 = 1;
/// The purpose that evidence is signed for.
pub const NAMESPACE: &str = "nica-evidence";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub format: u32,
    /// `ci`, `audit`.
    pub kind: String,
    pub release_hash: Digest,
    pub commit: String,
    pub checks: Vec<Check>,
    pub at: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub name: String,
    pub verdict: CheckVerdict,
    /// How many things were looked at: tests, files, rules. Zero proves nothing.
    pub count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckVerdict {
    Pass,
    Refuse,
    Inconclusive,
}

/// The two files as they lie on disk: `KIND.json` and `KIND.json.sig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    pub document: String,
    pub signature: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEvidence {
    #[error("the evidence cannot be read: {0}")]
    Unreadable(String),
    #[error("the evidence has format {0}, this nica reads up to {EVIDENCE_FORMAT}")]
    Format(u32),
    #[error("{0}")]
    Signature(#[from] BadSignature),
    #[error("it is signed by {0}, which is not the signer in nica.toml")]
    OtherKey(Key),
}

impl Evidence {
    /// The bytes that are signed.
    pub fn to_document(&self) -> String {
        canonical_text(self)
    }
}

/// The canonical JSON of a value as text.
pub(crate) fn canonical_text<T: Serialize>(value: &T) -> String {
    String::from_utf8(canonical::to_bytes(value)).expect("JSON is UTF-8")
}

/// The evidence, when this signer signed it.
pub fn verify(signed: &Signed, signer: &Signer) -> Result<Evidence, BadEvidence> {
    let key = signature::verify(&signed.signature, NAMESPACE, signed.document.as_bytes())?;
    if key != signer.key {
        return Err(BadEvidence::OtherKey(key));
    }
    let evidence: Evidence =
        serde_json::from_str(&signed.document).map_err(|e| BadEvidence::Unreadable(e.to_string()))?;
    if evidence.format > EVIDENCE_FORMAT {
        return Err(BadEvidence::Format(evidence.format));
    }
    Ok(evidence)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{NAMESPACE, Signed};
    use crate::signature::{sign, testing::private};

    pub(crate) fn signed(document: &str, key: u8) -> Signed {
        let signature = sign(&private(key), NAMESPACE, document.as_bytes()).unwrap();
        Signed { document: document.into(), signature }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::signed;
    use super::*;
    use crate::signature::testing::public;

    fn evidence() -> Evidence {
        let checks = vec![Check { name: "test".into(), verdict: CheckVerdict::Pass, count: 12 }];
        let (release_hash, at) = (Digest::of(b"release"), Instant::from_unix_ms(0).unwrap());
        Evidence { format: 1, kind: "ci".into(), release_hash, commit: "c0ffee".into(), checks, at }
    }

    fn signer(key: u8) -> Signer {
        Signer { key: public(key), checks: Default::default() }
    }

    #[test]
    fn only_the_signer_in_policy_is_believed() {
        let document = evidence().to_document();
        assert_eq!(verify(&signed(&document, 1), &signer(1)), Ok(evidence()));
        assert_eq!(verify(&signed(&document, 2), &signer(1)), Err(BadEvidence::OtherKey(public(2))));
        let mut changed = signed(&document, 1);
        changed.document = changed.document.replace("\"count\":12", "\"count\":13");
        assert_eq!(verify(&changed, &signer(1)), Err(BadEvidence::Signature(BadSignature::Mismatch)));
    }

    #[test]
    fn a_document_that_says_something_unknown_is_not_guessed_at() {
        let check = |document: String, says: &str| {
            let error = verify(&signed(&document, 1), &signer(1)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        let document = evidence().to_document();
        check("{}".into(), "cannot be read: missing field");
        check(document.replace("\"pass\"", "\"perhaps\""), "cannot be read: unknown variant `perhaps`");
        check(document.replace("\"count\"", "\"cont\""), "cannot be read: unknown field `cont`");
        check(document.replace("\"format\":1", "\"format\":2"), "format 2");
    }
}
