//! Secrets are kept under a name that tells values apart and gives none away.
//!
//! The name is an HMAC of the value, keyed by a key that never leaves the state folder. So a plan can say which
//! secret it means, and going back brings the baseline's value back, without Postgres ever seeing more than that.

use super::protocol::SecretValue;
use super::state;
use super::{ProcessError, state::StateDir};
use hmac::{Hmac, Mac};
use nica_engine::effect::SecretName;
use sha2::Sha256;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const KEY_BYTES: usize = 32;

/// The name of a value. Needs no running supervisor; makes the key when there is none yet.
pub fn name(state: &Path, value: &SecretValue) -> Result<SecretName, ProcessError> {
    let path = StateDir::open(state)?.root.join("secret.key");
    let key = key(&path).map_err(ProcessError::file("read", &path))?;
    Ok(keyed_name(&key, value))
}

/// The name of a value under a key, wherever the key is kept.
pub fn keyed_name(key: &[u8], value: &SecretValue) -> SecretName {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(value.reveal().as_bytes());
    SecretName(hex::encode(mac.finalize().into_bytes()))
}

/// Two that find no key both make one; `link` lets one of them win, and both use the winner's.
fn key(path: &Path) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read.and_then(|key| whole(key, path)),
    }
    let folder = path.parent().expect("the key stands in the state folder");
    let new = folder.join(format!(".secret.key.{}", state::fresh()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(&rand::random::<[u8; KEY_BYTES]>())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&new, path);
    std::fs::remove_file(&new)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => File::open(folder)?.sync_all()?,
    }
    whole(std::fs::read(path)?, path)
}

fn whole(key: Vec<u8>, path: &Path) -> io::Result<Vec<u8>> {
    let wrong = || {
        io::Error::new(io::ErrorKind::InvalidData, format!("{} has not {KEY_BYTES} bytes", path.display()))
    };
    if key.len() == KEY_BYTES { Ok(key) } else { Err(wrong()) }
}

fn file(state: &StateDir, name: &SecretName) -> Option<PathBuf> {
    let plain = name.0.len() == 64 && name.0.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| state.root.join("secrets").join(&name.0))
}

pub(super) fn keep(state: &StateDir, value: &SecretValue) -> Result<SecretName, ProcessError> {
    let name = name(&state.root, value)?;
    let path = file(state, &name).expect("an HMAC is 64 hex digits");
    if !path.exists() {
        state::replace(&path, value.reveal().as_bytes(), 0o600)
            .map_err(ProcessError::file("write", &path))?;
    }
    Ok(name)
}

pub(super) fn value(state: &StateDir, name: &SecretName) -> Option<SecretValue> {
    std::fs::read_to_string(file(state, name)?).ok().map(SecretValue::new)
}

pub(super) fn is_kept(state: &StateDir, name: &SecretName) -> bool {
    file(state, name).is_some_and(|path| path.exists())
}

/// Removes the values that are not kept.
pub(super) fn sweep(state: &StateDir, keep: impl Fn(&SecretName) -> bool) -> io::Result<u32> {
    let mut removed = 0;
    for entry in std::fs::read_dir(state.root.join("secrets"))? {
        let entry = entry?;
        let name = entry.file_name().to_str().map(|name| SecretName(name.into()));
        if !name.is_some_and(|name| keep(&name)) {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn equal_values_have_one_name_and_only_under_one_key() {
        let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let named = |dir: &tempfile::TempDir, value: &str| {
            name(dir.path(), &SecretValue::new(value.into())).expect("a name")
        };
        assert_eq!(named(&one, "a"), named(&one, "a"));
        assert_ne!(named(&one, "a"), named(&one, "b"));
        assert_ne!(named(&one, "a"), named(&two, "a"));
    }

    #[test]
    fn many_at_once_agree_on_one_key() {
        let dir = tempfile::tempdir().expect("a folder");
        let make = || name(dir.path(), &SecretValue::new("v".into())).expect("a name");
        let names: Vec<SecretName> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(names.iter().all(|name| *name == names[0]));
    }

    #[test]
    fn key_and_values_are_readable_by_their_owner_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = StateDir::open(dir.path()).expect("a state folder");
        let name = keep(&state, &SecretValue::new("geheim".into())).expect("it is kept");
        for path in [state.root.join("secret.key"), state.root.join("secrets").join(&name.0)] {
            assert_eq!(path.metadata().expect("it is there").permissions().mode() & 0o777, 0o600, "{path:?}");
        }
        assert_eq!(value(&state, &name).map(|v| v.reveal().to_string()), Some("geheim".into()));
    }

    #[test]
    fn a_name_with_a_path_in_it_is_no_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = StateDir::open(dir.path()).expect("a state folder");
        assert!(value(&state, &SecretName("../secret.key".into())).is_none());
    }
}
