//! Executables and other immutable things, named by what they are.
//!
//! A name that is there is not written again; a name that is read is hashed first. The result of that hash is
//! remembered as long as the file's inode, size and change time stay the same.

use super::state::fresh;
use nica_engine::Digest;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

#[derive(Debug)]
pub(super) struct Store {
    root: PathBuf,
    verified: Mutex<HashMap<Digest, Stamp>>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("{0:?} is not in the store; put it there again")]
    Missing(Digest),
    #[error("store holds {found:?} under the name {named:?}; put it there again")]
    Differs { named: Digest, found: Digest },
    #[error("{0}")]
    Io(#[from] io::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Store {
    pub(super) fn new(root: PathBuf) -> Store {
        Store { root, verified: Mutex::default() }
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.path(digest).exists()
    }

    pub(super) fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join(digest.as_str())
    }

    /// Copies a file in under its name; what is there and whole is left alone.
    pub(super) fn put(&self, from: &Path, digest: &Digest) -> Result<(), StoreError> {
        if self.verified(digest).is_ok() {
            return Ok(());
        }
        let new = self.root.join(format!(".{}.{}", digest.short(), fresh()));
        let placed =
            self.copy(from, &new, digest).and_then(|()| Ok(std::fs::rename(&new, self.path(digest))?));
        if placed.is_err() {
            let _ = std::fs::remove_file(&new);
        }
        placed?;
        Ok(File::open(&self.root)?.sync_all()?)
    }

    fn copy(&self, from: &Path, new: &Path, digest: &Digest) -> Result<(), StoreError> {
        let mut to = OpenOptions::new().write(true).create_new(true).mode(0o755).open(new)?;
        let found = hash_into(&mut File::open(from)?, &mut to)?;
        to.sync_all()?;
        if found == *digest { Ok(()) } else { Err(StoreError::Differs { named: digest.clone(), found }) }
    }

    /// The path, after the bytes under it were found to be what their name says.
    pub(super) fn verified(&self, digest: &Digest) -> Result<PathBuf, StoreError> {
        let path = self.path(digest);
        let missing = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing(digest.clone()),
            _ => StoreError::Io(error),
        };
        let mut file = File::open(&path).map_err(missing)?;
        let stamp = stamp(&file)?;
        let known = self.known().get(digest) == Some(&stamp);
        if !known {
            let found = hash_into(&mut file, &mut io::sink())?;
            if found != *digest {
                return Err(StoreError::Differs { named: digest.clone(), found });
            }
            self.known().insert(digest.clone(), stamp);
        }
        Ok(path)
    }

    /// The digest of what a process runs, whatever has become of the file's name since.
    pub(super) fn of_process(&self, pid: i32) -> io::Result<Digest> {
        let mut file = File::open(format!("/proc/{pid}/exe"))?;
        let stamp = stamp(&file)?;
        let known =
            self.known().iter().find(|(_, verified)| **verified == stamp).map(|(digest, _)| digest.clone());
        known.map_or_else(|| hash_into(&mut file, &mut io::sink()), Ok)
    }

    /// Removes what is not kept, and what an interrupted copy left behind.
    pub(super) fn sweep(&self, keep: impl Fn(&str) -> bool) -> io::Result<u32> {
        let mut removed = 0;
        for entry in std::fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(&keep) {
                continue;
            }
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
        Ok(removed)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Stamp>> {
        self.verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn stamp(file: &File) -> io::Result<Stamp> {
    let meta = file.metadata()?;
    let (device, inode, bytes) = (meta.dev(), meta.ino(), meta.size());
    Ok(Stamp { device, inode, bytes, changed: (meta.ctime(), meta.ctime_nsec()) })
}

fn hash_into(from: &mut File, to: &mut impl Write) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
    }
    Ok(Digest::try_from(hex::encode(hash.finalize())).expect("SHA-256 is 64 hex digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store, PathBuf, Digest) {
        let dir = tempfile::tempdir().expect("a folder");
        let from = dir.path().join("from");
        std::fs::write(&from, b"program").expect("a file");
        std::fs::create_dir(dir.path().join("store")).expect("a folder");
        let store = Store::new(dir.path().join("store"));
        (dir, store, from, Digest::of(b"program"))
    }

    #[test]
    fn putting_twice_is_putting_once() {
        let (_dir, store, from, digest) = store();
        store.put(&from, &digest).expect("first");
        let inode = store.path(&digest).metadata().expect("there").ino();
        store.put(&from, &digest).expect("second");
        assert_eq!(store.path(&digest).metadata().expect("there").ino(), inode);
    }

    #[test]
    fn other_bytes_than_the_name_says_are_refused_and_leave_nothing() {
        let (_dir, store, from, _) = store();
        let other = Digest::of(b"other");
        assert!(matches!(store.put(&from, &other), Err(StoreError::Differs { .. })));
        assert_eq!(std::fs::read_dir(&store.root).expect("a folder").count(), 0);
    }

    #[test]
    fn bytes_that_changed_in_the_store_are_found_and_put_repairs_them() {
        let (_dir, store, from, digest) = store();
        store.put(&from, &digest).expect("put");
        store.verified(&digest).expect("whole");
        std::fs::write(store.path(&digest), b"evil!!!").expect("overwritten");
        assert!(matches!(store.verified(&digest), Err(StoreError::Differs { .. })));
        store.put(&from, &digest).expect("repaired");
        store.verified(&digest).expect("whole again");
    }
}
