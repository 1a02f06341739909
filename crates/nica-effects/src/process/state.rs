//! The state folder: where its files are, who owns it, and how a file in it is replaced.
//!
//! `lock` is held for life and names its holder. `desired.json` holds the fence and the desired state together,
//! in one file, because two files could disagree after a crash. `socket` says where the holder listens.

use super::ProcessError;
use super::config;
use super::kernel::{self, ProcessId};
use nica_engine::Digest;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

#[derive(Clone, Debug)]
pub(super) struct StateDir {
    pub root: PathBuf,
}

impl StateDir {
    /// Makes the folder and its parts when they are missing; readable by its owner alone.
    pub(super) fn open(root: &Path) -> Result<StateDir, ProcessError> {
        for part in ["", "store", "secrets", "logs"] {
            let path = root.join(part);
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&path).map_err(ProcessError::file("create", &path))?;
        }
        let root = root.canonicalize().map_err(ProcessError::file("resolve", root))?;
        Ok(StateDir { root })
    }

    pub(super) fn record(&self) -> PathBuf {
        self.root.join("desired.json")
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The file that says where the supervisor listens, whatever the reader's own `XDG_RUNTIME_DIR` is.
    pub(super) fn socket_note(&self) -> PathBuf {
        self.root.join("socket")
    }

    pub(super) fn lock(&self, name: &str) -> Result<Lock, ProcessError> {
        Lock::take(&self.root.join(name))
    }

    /// The folder of this state's sockets: the one in use, whatever our own `XDG_RUNTIME_DIR` is, else a new one. Its
    /// name is short, because socket paths end at 108 bytes.
    pub(super) fn runtime(&self) -> Result<PathBuf, ProcessError> {
        let note = std::fs::read_to_string(self.socket_note()).ok();
        if let Some(Ok(path)) = note.and_then(|note| Some(ours(Path::new(&note).parent()?.into()))) {
            return Ok(path);
        }
        let name = Digest::of(self.root.as_os_str().as_bytes());
        let path = config::runtime_dir().join(format!("nica-{}", &name.as_str()[..16]));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => ours(path),
            Err(error) => Err(ProcessError::file("create", &path)(error)),
        }
    }
}

/// The temporary folder is everybody's: a folder that somebody else made there is not used.
fn ours(path: PathBuf) -> Result<PathBuf, ProcessError> {
    let meta = path.symlink_metadata().map_err(ProcessError::file("look at", &path))?;
    let mine = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o077 == 0;
    if mine { Ok(path) } else { Err(ProcessError::Folder { path, why: "it is not ours alone" }) }
}

/// A flock that lasts as long as this value, with its holder's name inside the file.
///
/// A forked child shares it until its `exec`, so a successor never misses a replica that was just being started.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Lock, ProcessError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let mut file = file.map_err(ProcessError::file("open", path))?;
        if !exclusive(&file).map_err(ProcessError::file("lock", path))? {
            return Err(ProcessError::Locked(path.into()));
        }
        let holder = serde_json::to_string(&kernel::this()).expect("two numbers always serialise");
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes()));
        written.map_err(ProcessError::file("write", path))?;
        Ok(Lock { _file: file })
    }

    /// Nobody holds it at this moment.
    pub(super) fn is_free(path: &Path) -> bool {
        let Ok(file) = File::open(path) else { return true };
        flock(&file, FlockOperation::NonBlockingLockShared).is_ok()
    }

    /// Who took it last, dead or alive.
    pub(super) fn holder(path: &Path) -> Option<ProcessId> {
        let mut text = String::new();
        File::open(path).ok()?.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// Whoever asks `is_free` holds it for an instant, so one refusal is not yet another holder.
fn exclusive(file: &File) -> io::Result<bool> {
    for _ in 0..LOCK_TRIES {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(LOCK_PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Write, fsync, rename, fsync the folder: after this the new content is there, whatever happens.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().expect("every file of ours stands in a folder");
    let new =
        folder.join(format!(".{}.{}", path.file_name().map_or("".into(), |n| n.to_string_lossy()), fresh()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| std::fs::rename(&new, path));
    if placed.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    placed.and_then(|()| File::open(folder)?.sync_all())
}

/// A suffix that no other writer has.
pub(super) fn fresh() -> String {
    hex::encode(rand::random::<[u8; 6]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_its_name_is_in_the_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("lock");
        let first = Lock::take(&path).expect("the lock is free");
        assert!(matches!(Lock::take(&path), Err(ProcessError::Locked(_))));
        assert!(!Lock::is_free(&path));
        assert_eq!(Lock::holder(&path), Some(kernel::this()));
        drop(first);
        assert!(Lock::is_free(&path));
    }

    #[test]
    fn a_foreign_or_open_folder_is_not_used_for_sockets() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let open = dir.path().join("open");
        DirBuilder::new().mode(0o755).create(&open).expect("a folder");
        assert!(ours(open).is_err());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).expect("a link");
        assert!(ours(link).is_err());
    }
}
