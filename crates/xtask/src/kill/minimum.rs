//! The checked-in data of the sweep, beside the program it judges: `crates/nica/tests/kill/*.toml`.
//!
//! `minimum.toml` says how many points and cases there are at least; every other file is one case that is always
//! played, with the reason why somebody wrote it down.

use super::case::Case;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Minimum {
    pub cases: usize,
    /// Story → turns of its undisturbed run at which it can be stopped.
    pub points: BTreeMap<String, usize>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseFile {
    pub case: String,
    pub why: String,
}

const MINIMUM: &str = "minimum.toml";

fn folder() -> PathBuf {
    crate::repo::root().join("crates/nica/tests/kill")
}

impl Minimum {
    pub(crate) fn read() -> Result<Minimum> {
        read_toml(&folder().join(MINIMUM))
    }

    /// What has shrunk; empty is good.
    pub(crate) fn shrunk(&self, found: &Minimum) -> Vec<String> {
        let mut shrunk = Vec::new();
        if found.cases < self.cases {
            shrunk.push(format!("{} cases, there were {}", found.cases, self.cases));
        }
        for (story, minimum) in &self.points {
            let now = found.points.get(story).copied().unwrap_or_default();
            if now < *minimum {
                shrunk.push(format!("{now} points of the story {story}, there were {minimum}"));
            }
        }
        shrunk
    }
}

/// Cases that are always played.
pub(crate) fn kept_cases() -> Result<Vec<Case>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .map(|all| all.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.retain(|file| {
        file.extension().is_some_and(|end| end == "toml") && file.file_name().is_some_and(|n| n != MINIMUM)
    });
    files.sort();
    files.iter().map(|file| case_file(file)).collect()
}

pub(crate) fn case_file(path: &Path) -> Result<Case> {
    let file: CaseFile = read_toml(path)?;
    Case::parse(&file.case).with_context(|| format!("read {}", path.display()))
}

fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_points_or_cases_are_told() {
        let of =
            |cases, forward| Minimum { cases, points: BTreeMap::from([("forward".to_string(), forward)]) };
        assert!(of(900, 100).shrunk(&of(900, 101)).is_empty());
        assert_eq!(of(900, 100).shrunk(&of(899, 99)).len(), 2);
        assert_eq!(of(900, 100).shrunk(&Minimum { cases: 900, points: BTreeMap::new() }).len(), 1);
    }
}
