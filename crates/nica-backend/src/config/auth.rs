//! The secret that signs and checks tokens.

use super::Secret;
use super::reader::{Given, Reader};

/// Bytes of a key that HMAC-SHA-256 can fully use.
const SECRET_BYTES_MIN: usize = 32;
/// What people leave in a template. Any secret that begins so is refused, however long it is.
const PLACEHOLDERS: [&str; 4] = ["changeme", "change-me", "change_me", "secret"];

#[derive(Clone, Debug)]
pub struct Auth {
    /// `AUTH_SECRET`, or a file named by `AUTH_SECRET_FILE`, no default: at least 32 bytes. Not needed with
    /// `--read-only`.
    pub secret: Option<Secret>,
}

impl Auth {
    pub(super) fn read(reader: &mut Reader<'_>, required: bool) -> Auth {
        let next = "set AUTH_SECRET to at least 32 random bytes, for example from `openssl rand -base64 48`";
        match reader.secret("AUTH_SECRET") {
            Given::Nothing if required => reader.mistake("AUTH_SECRET", "is not set", next),
            Given::Nothing | Given::Wrong => {}
            Given::Value(value) => {
                if let Some(what) = wrong(&value) {
                    reader.mistake("AUTH_SECRET", what, next);
                }
                return Auth { secret: Some(Secret::new(value)) };
            }
        }
        Auth { secret: None }
    }
}

/// What is wrong with a secret, without a byte of it.
fn wrong(value: &str) -> Option<String> {
    let lower = value.to_ascii_lowercase();
    if PLACEHOLDERS.iter().any(|placeholder| lower.starts_with(placeholder)) {
        return Some("is a placeholder from a template".into());
    }
    let bytes = value.len();
    (bytes < SECRET_BYTES_MIN).then(|| format!("has {bytes} bytes, at least {SECRET_BYTES_MIN} are needed"))
}
