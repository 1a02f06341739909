//! Answers that were given before, one file per question, in a folder that only this user can write.
//!
//! What is found there lets a release pass, so it is trusted like a file of NICA's own: the folder must be ours, and
//! an answer names its question. Whatever is wrong with it costs the time to ask again and nothing else.

use super::Question;
use crate::config::variables;
use nica_engine::gates::Certificate;
use nica_engine::{Digest, canonical};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Raised when a file is written in another way.
const KEPT_FORMAT: u32 = 1;

pub(super) struct Kept {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    format: u32,
    question: Digest,
    certificates: Vec<Certificate>,
}

impl Kept {
    pub(super) fn of_this_user() -> Kept {
        Kept::below(&variables::cache())
    }

    pub(super) fn below(folder: &Path) -> Kept {
        Kept { folder: folder.join("certificates") }
    }

    pub(super) fn find(&self, question: &Question<'_>) -> Option<Vec<Certificate>> {
        self.is_ours().then_some(())?;
        let name = Digest::of_value(question);
        let answer: Answer = serde_json::from_slice(&std::fs::read(self.file(&name)).ok()?).ok()?;
        let fits = answer.format == KEPT_FORMAT && answer.question == name;
        (fits && is_whole(question, &answer.certificates)).then_some(answer.certificates)
    }

    /// Failures are not kept: the next time they may have had another cause.
    pub(super) fn keep(&self, question: &Question<'_>, certificates: &[Certificate]) {
        if !is_whole(question, certificates) {
            return;
        }
        let question = Digest::of_value(question);
        let answer = Answer { format: KEPT_FORMAT, certificates: certificates.to_vec(), question };
        if let Err(error) = self.write(&answer) {
            tracing::debug!(%error, folder = %self.folder.display(), "the certificates were not kept");
        }
    }

    fn write(&self, answer: &Answer) -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        if !self.is_ours() {
            return Err(std::io::Error::other("others can write there"));
        }
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&canonical::to_bytes(answer))?;
        file.persist(self.file(&answer.question))?;
        Ok(())
    }

    fn file(&self, question: &Digest) -> PathBuf {
        self.folder.join(format!("{question}.json"))
    }

    /// A folder of our own, no link to one, that nobody else can write.
    fn is_ours(&self) -> bool {
        let us = rustix::process::geteuid().as_raw();
        let ours = |m: std::fs::Metadata| m.is_dir() && m.uid() == us && m.mode() & 0o022 == 0;
        std::fs::symlink_metadata(&self.folder).is_ok_and(ours)
    }
}

fn is_whole(question: &Question<'_>, certificates: &[Certificate]) -> bool {
    let wanted = question.wanted.iter().map(|m| &m.id);
    wanted.eq(certificates.iter().map(|c| &c.migration)) && certificates.iter().all(|c| c.errors.is_empty())
}
