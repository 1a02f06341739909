//! One byte sequence per value, and its name.
//!
//! Hashes are taken over canonical JSON: keys sorted, no spaces, no floats. Two programs that hold equal values
//! must get equal hashes, whatever order their fields were written in.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// SHA-256 of some bytes, as 64 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

#[derive(Debug, thiserror::Error)]
#[error("parse digest `{0}`: 64 lower-case hex digits are needed")]
pub struct NotADigest(String);

impl Digest {
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(hex::encode(Sha256::digest(bytes)))
    }

    /// The hash of a value's canonical JSON.
    pub fn of_value<T: Serialize>(value: &T) -> Digest {
        Digest::of(&to_bytes(value))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits: enough to tell things apart for a person.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        let hex = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex { Ok(Digest(text)) } else { Err(NotADigest(text)) }
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.short())
    }
}

/// Canonical JSON: `serde_json`'s map is sorted by key, and going through `Value` sorts struct fields too.
pub fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("our types have string keys and no failing serialisers");
    serde_json::to_vec(&value).expect("a Value always serialises")
}

#[derive(Debug, thiserror::Error)]
pub enum NotCanonical {
    #[error("{0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("it is not in its canonical form: something was changed by hand")]
    OtherForm,
}

/// Reads only what `to_bytes` writes. A text with another byte is refused even where it would mean the same, so
/// that what was signed and what is read are one sequence of bytes.
pub fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, NotCanonical> {
    let value: T = serde_json::from_slice(bytes)?;
    if to_bytes(&value) == bytes { Ok(value) } else { Err(NotCanonical::OtherForm) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_order_does_not_change_the_hash() {
        #[derive(Serialize)]
        struct A {
            a: u8,
            b: u8,
        }
        #[derive(Serialize)]
        struct B {
            b: u8,
            a: u8,
        }
        assert_eq!(Digest::of_value(&A { a: 1, b: 2 }), Digest::of_value(&B { b: 2, a: 1 }));
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        let check = |text: &str, expected: Option<(Option<u8>, u8)>| {
            #[derive(Serialize, Deserialize)]
            struct A {
                a: Option<u8>,
                b: u8,
            }
            assert_eq!(read::<A>(text.as_bytes()).ok().map(|v| (v.a, v.b)), expected, "{text}");
        };
        check(r#"{"a":null,"b":1}"#, Some((None, 1)));
        for other in
            [r#"{"b":1,"a":null}"#, r#"{"a":null, "b":1}"#, r#"{"c":null,"b":1}"#, r#"{"b":1}"#, "{}"]
        {
            check(other, None);
        }
    }

    #[test]
    fn only_64_lower_case_hex_digits_are_a_digest() {
        for bad in ["", "abc", &"A".repeat(64), &"g".repeat(64)] {
            assert!(Digest::try_from(bad.to_string()).is_err(), "{bad}");
        }
        assert!(Digest::try_from("a".repeat(64)).is_ok());
    }
}
