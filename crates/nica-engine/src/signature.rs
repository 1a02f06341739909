//! SSH keys and SSHSIG signatures: the one kind of signature that NICA makes and believes.
//!
//! Ed25519 only, so that there is one path and no fallback. A signature has one written form: a text that
//! decodes to the same signature but differs in a byte is refused.

use serde::{Deserialize, Serialize};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};
use std::fmt;

/// An Ed25519 public key, written `ssh-ed25519 AAAA…` without its comment.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    #[error("`{0}` is no OpenSSH public key: the form is `ssh-ed25519 AAAA…`")]
    Unreadable(String),
    #[error("keys of the kind {0} are not used: make one with `ssh-keygen -t ed25519`")]
    OtherKind(String),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    #[error("the signature is not readable as SSHSIG")]
    Unreadable,
    #[error("the signature is made for `{0}`, not for `{1}`")]
    Namespace(String, String),
    #[error("the signature's key is not used: {0}")]
    Key(NotAKey),
    #[error("the signature does not fit the document")]
    Mismatch,
}

impl Key {
    pub fn parse(text: &str) -> Result<Key, NotAKey> {
        let unreadable = || NotAKey::Unreadable(text.chars().take(40).collect());
        let key = PublicKey::from_openssh(text.trim()).map_err(|_| unreadable())?;
        Key::of(&key)
    }

    pub fn of(key: &PublicKey) -> Result<Key, NotAKey> {
        if key.algorithm() != Algorithm::Ed25519 {
            return Err(NotAKey::OtherKind(key.algorithm().to_string()));
        }
        let bare = PublicKey::new(key.key_data().clone(), "");
        let text = bare.to_openssh().expect("an ed25519 key can always be written");
        Ok(Key(text.trim_end().to_string()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Signs `message` for one purpose. Ed25519 draws no random numbers: the same input gives the same text.
pub fn sign(key: &PrivateKey, namespace: &str, message: &[u8]) -> Result<String, ssh_key::Error> {
    SshSig::sign(key, namespace, HashAlg::Sha512, message)?.to_pem(LineEnding::LF)
}

/// The key that made this signature over these bytes for this purpose. Whose key it is, is another question.
pub fn verify(pem: &str, namespace: &str, message: &[u8]) -> Result<Key, BadSignature> {
    let signature = SshSig::from_pem(pem).map_err(|_| BadSignature::Unreadable)?;
    if signature.namespace() != namespace {
        return Err(BadSignature::Namespace(signature.namespace().into(), namespace.into()));
    }
    let public = PublicKey::new(signature.public_key().clone(), "");
    let key = Key::of(&public).map_err(BadSignature::Key)?;
    public.verify(namespace, message, &signature).map_err(|_| BadSignature::Mismatch)?;
    let written = signature.to_pem(LineEnding::LF).map_err(|_| BadSignature::Unreadable)?;
    if written.trim_end_matches('\n') == pem.strip_suffix('\n').unwrap_or(pem) {
        Ok(key)
    } else {
        Err(BadSignature::Unreadable)
    }
}

impl TryFrom<String> for Key {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<Self, NotAKey> {
        Key::parse(&text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keys for tests, made from one byte each.
#[cfg(test)]
pub(crate) mod testing {
    use super::Key;
    use ssh_key::PrivateKey;
    use ssh_key::private::Ed25519Keypair;

    pub(crate) fn private(seed: u8) -> PrivateKey {
        Ed25519Keypair::from_seed(&[seed; 32]).into()
    }

    pub(crate) fn public(seed: u8) -> Key {
        Key::of(private(seed).public_key()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{private, public};
    use super::*;

    #[test]
    fn a_signature_names_its_key_and_fits_one_message_and_one_purpose() {
        let pem = sign(&private(1), "nica-approval", b"text").unwrap();
        assert_eq!(verify(&pem, "nica-approval", b"text"), Ok(public(1)));
        assert_eq!(verify(&pem, "nica-approval", b"texT"), Err(BadSignature::Mismatch));
        let other = BadSignature::Namespace("nica-approval".into(), "nica-evidence".into());
        assert_eq!(verify(&pem, "nica-evidence", b"text"), Err(other));
        assert_eq!(verify("", "nica-approval", b"text"), Err(BadSignature::Unreadable));
    }

    #[test]
    fn a_signature_has_one_written_form() {
        let pem = sign(&private(1), "nica-approval", b"text").unwrap();
        for other in
            [pem.replace('\n', "\r\n"), format!("{pem}\n"), format!(" {pem}"), pem.replacen('\n', "\n\n", 1)]
        {
            assert!(verify(&other, "nica-approval", b"text").is_err(), "{other:?}");
        }
    }

    #[test]
    fn comments_do_not_make_another_key() {
        let with_comment = format!("{} ana@example.org", public(1));
        assert_eq!(Key::parse(&with_comment), Ok(public(1)));
    }

    #[test]
    fn only_ed25519_keys_are_used() {
        let check = |text: &str, says: &str| assert_eq!(Key::parse(text).unwrap_err().to_string(), says);
        check("ana", "`ana` is no OpenSSH public key: the form is `ssh-ed25519 AAAA…`");
        check(
            "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc=",
            "keys of the kind ecdsa-sha2-nistp256 are not used: make one with `ssh-keygen -t ed25519`",
        );
    }
}
