//! The cache folder, as the hub's own libraries lay it out: `hub/models--owner--name/{blobs,snapshots,refs}`.
//!
//! Blobs are named by their content. A snapshot is a folder of links that appears by one rename, and the reference
//! that says which snapshot a revision means is written last.

use super::PrefetchError;
use super::hub::{File, Snapshot};
use std::fs::{self, TryLockError};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often somebody else's lock is looked at.
const LOCK_EVERY: Duration = Duration::from_millis(200);

pub(super) struct Cache {
    folder: PathBuf,
    /// Two replicas may share a volume: one fetches, the other waits and finds all of it.
    _lock: fs::File,
}

impl Cache {
    pub(super) async fn open(home: &Path, repo: &str) -> Result<Cache, PrefetchError> {
        let name = format!("models--{}", repo.replace('/', "--"));
        let locks = home.join("hub/.locks").join(&name);
        let folder = home.join("hub").join(name);
        for folder in [&locks, &folder.join("blobs"), &folder.join("snapshots"), &folder.join("refs")] {
            fs::create_dir_all(folder).map_err(disk(folder))?;
        }
        let path = locks.join("prefetch.lock");
        let lock =
            fs::File::options().create(true).truncate(false).write(true).open(&path).map_err(disk(&path))?;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Cache { folder, _lock: lock }),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_EVERY).await,
                Err(TryLockError::Error(error)) => return Err(disk(&path)(error)),
            }
        }
    }

    pub(super) fn blob(&self, file: &File) -> PathBuf {
        self.folder.join("blobs").join(file.name.as_str())
    }

    /// What has its final name was whole when it got it.
    pub(super) fn has(&self, file: &File) -> bool {
        fs::metadata(self.blob(file)).is_ok_and(|found| found.is_file() && found.len() == file.size)
    }

    /// All blobs are there: the snapshot appears, then the reference.
    pub(super) fn show(&self, snapshot: &Snapshot, revision: &str) -> Result<(), PrefetchError> {
        let place = self.folder.join("snapshots").join(&snapshot.commit);
        if place.is_dir() {
            // Another tool may have fetched a part of it.
            links(&place, snapshot).map_err(disk(&place))?;
        } else {
            let half = place.with_extension("half");
            if half.exists() {
                fs::remove_dir_all(&half).map_err(disk(&half))?;
            }
            links(&half, snapshot).and_then(|()| fs::rename(&half, &place)).map_err(disk(&half))?;
        }
        let reference = self.folder.join("refs").join(revision);
        point(&reference, &snapshot.commit).map_err(disk(&reference))
    }
}

pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> PrefetchError {
    let path = path.to_path_buf();
    move |error| PrefetchError::Disk { path, error }
}

fn links(folder: &Path, snapshot: &Snapshot) -> io::Result<()> {
    for file in &snapshot.files {
        let link = folder.join(&file.path);
        fs::create_dir_all(link.parent().expect("it is below the folder"))?;
        let up = "../".repeat(file.path.split('/').count() + 1);
        let to = format!("{up}blobs/{}", file.name.as_str());
        if fs::read_link(&link).is_ok_and(|found| found == Path::new(&to)) {
            continue;
        }
        let half = link.with_extension("half-link");
        let _ = fs::remove_file(&half);
        symlink(to, &half)?;
        fs::rename(half, link)?;
    }
    Ok(())
}

fn point(reference: &Path, commit: &str) -> io::Result<()> {
    if fs::read_to_string(reference).is_ok_and(|found| found == commit) {
        return Ok(());
    }
    fs::create_dir_all(reference.parent().expect("it is below refs"))?;
    let half = reference.with_extension("half");
    fs::write(&half, commit)?;
    fs::rename(half, reference)
}
