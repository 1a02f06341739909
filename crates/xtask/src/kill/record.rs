//! What came out of each case of the whole sweep, so that a later `--all` goes on where one stopped.
//!
//! A line a case, in a file that is named by the digest of everything that could change a result: the programs that
//! are judged, and the one that judges.

use super::case::Case;
use super::proc;
use super::report;
use super::slot::Slot;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

pub(crate) struct Record {
    pub path: PathBuf,
    file: Mutex<File>,
    /// Case → how it came out, before this sweep.
    pub known: BTreeMap<String, report::Result>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    case: String,
    result: report::Result,
}

/// Characters of the digest that name the file.
const NAME: usize = 16;

impl Record {
    /// The record of these builds; `anew` forgets what is there.
    pub(crate) fn open(slot: &Slot, anew: bool) -> Result<Record> {
        let folder = crate::repo::root().join("target/kill/results");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.jsonl", &digest(slot)?[..NAME]));
        if anew {
            let _ = std::fs::remove_file(&path);
        }
        let known = read(&std::fs::read_to_string(&path).unwrap_or_default());
        let file = File::options().create(true).append(true).open(&path);
        let file = Mutex::new(file.with_context(|| format!("write {}", path.display()))?);
        Ok(Record { path, file, known })
    }

    /// One write, so that a sweep that is killed leaves whole lines but the last.
    pub(crate) fn keep(&self, case: &Case, result: &report::Result) -> Result<()> {
        let line = Line { case: case.to_string(), result: result.told_shortly() };
        let text = serde_json::to_string(&line)? + "\n";
        let mut file = self.file.lock().expect("no holder of this lock panics");
        Ok(file.write_all(text.as_bytes())?)
    }
}

/// A line that was cut off is a case that was not played.
fn read(text: &str) -> BTreeMap<String, report::Result> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    lines.map(|line| (line.case, line.result)).collect()
}

fn digest(slot: &Slot) -> Result<String> {
    let judge = PathBuf::from(proc::this_program());
    let mut all = Sha256::new();
    for program in [Some(&slot.nica), slot.other.as_ref(), Some(&judge)].into_iter().flatten() {
        let bytes = std::fs::read(program).with_context(|| format!("read {}", program.display()))?;
        all.update(Sha256::digest(bytes));
    }
    Ok(hex::encode(all.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_was_not_played() {
        let verdict = serde_json::json!({"outcome": "held", "end": "live 0", "wrong": []});
        let line =
            serde_json::json!({"case": "a", "result": {"verdict": verdict, "seconds": 1.0, "timeline": ""}});
        let text = format!("{line}\n{}", &line.to_string()[..30]);
        assert_eq!(read(&text).into_keys().collect::<Vec<_>>(), ["a"]);
    }
}
