//! What replicas print: one file each, bounded, and its last lines as evidence.
//!
//! Files and not pipes: a pipe would break when the supervisor dies, and a replica with it.

use crate::process::protocol::SecretValue;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
const FILES_MAX: usize = 40;
const TAIL_BYTES_MAX: u64 = 16 * 1024;
const TAIL_LINES_MAX: usize = 20;

#[derive(Clone, Debug)]
pub(super) struct Log {
    path: PathBuf,
    /// Where this replica's own lines begin; an earlier one with the same name wrote before.
    from: u64,
}

impl Log {
    pub(super) fn open(folder: &Path, name: &str) -> io::Result<(Log, File)> {
        let path = folder.join(format!("{name}.log"));
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let from = file.metadata()?.len();
        Ok((Log { path, from }, file))
    }

    /// The log of a replica that somebody else started: all that is there counts.
    pub(super) fn found(folder: &Path, name: &str) -> Log {
        Log { path: folder.join(format!("{name}.log")), from: 0 }
    }

    /// The last lines, without the values of secrets that the replica may have printed.
    pub(super) fn tail(&self, secrets: &[SecretValue]) -> Vec<String> {
        let mut text = read_tail(&self.path, self.from).unwrap_or_default();
        for secret in secrets.iter().filter(|secret| !secret.reveal().is_empty()) {
            text = text.replace(secret.reveal(), "•••");
        }
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES_MAX);
        lines[from..].iter().map(|line| line.to_string()).collect()
    }

    /// Starts over when the file has grown too long; its last bytes stay beside it. The writer appends, so it goes
    /// on at the new end; a line written in between may be lost.
    pub(super) fn bound(&mut self) -> io::Result<()> {
        if self.path.metadata()?.len() < FILE_BYTES_MAX {
            return Ok(());
        }
        std::fs::copy(&self.path, self.path.with_extension("old"))?;
        OpenOptions::new().write(true).open(&self.path)?.set_len(0)?;
        self.from = 0;
        Ok(())
    }
}

fn read_tail(path: &Path, from: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(end.saturating_sub(TAIL_BYTES_MAX)).min(end)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Removes the oldest replicas' files, when generations have come and gone; those in use stay.
pub(super) fn sweep(folder: &Path, in_use: impl Fn(&str) -> bool) -> io::Result<()> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| of_replica(name) && !in_use(name)))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    files.sort();
    let surplus = files.len().saturating_sub(FILES_MAX);
    files[..surplus].iter().try_for_each(|(_, path)| std::fs::remove_file(path))
}

/// `<component>.<generation>.<n>.log`; supervisor and keeper have shorter names.
fn of_replica(file: &str) -> bool {
    file.split('.').count() == 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_tail_is_this_replicas_own_and_shows_no_secret() {
        let dir = tempfile::tempdir().expect("a folder");
        let (_, mut before) = Log::open(dir.path(), "a.1").expect("a log");
        writeln!(before, "of an earlier one").expect("written");
        let (log, mut file) = Log::open(dir.path(), "a.1").expect("a log");
        (0..30).for_each(|n| writeln!(file, "line {n} hunter2").expect("written"));
        let tail = log.tail(&[SecretValue::new("hunter2".into())]);
        assert_eq!(tail.len(), TAIL_LINES_MAX);
        assert_eq!(tail.last().map(String::as_str), Some("line 29 •••"));
        assert!(tail.iter().all(|line| !line.contains("earlier")));
    }

    #[test]
    fn a_file_that_is_too_long_starts_over_and_its_writer_goes_on() {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut log, mut file) = Log::open(dir.path(), "a.1").expect("a log");
        file.write_all(&vec![b'x'; FILE_BYTES_MAX as usize]).expect("written");
        log.bound().expect("bounded");
        writeln!(file, "after").expect("written");
        assert_eq!(log.tail(&[]), ["after"]);
    }
}
