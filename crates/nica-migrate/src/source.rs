//! Migrations as they stand in a repository: `migrations/NNNN_name/{up.sql,down.sql,migration.toml}`.
//!
//! Everything is judged at the door and all mistakes are reported at once; behind it a `Migration` can be trusted.
//! What a file may not say stands in `source/refused`, what a statement writes in `source/hazards`.

mod folder;
mod hazards;
mod manifest;
mod refused;
mod texts;

pub use folder::read_dir;
pub(crate) use folder::{read_named, twice};
pub use hazards::{Verb, Write, writes};
pub use manifest::{Backfill, Manifest, Park};
pub use refused::{Lone, lone};
pub use texts::read_texts;

use crate::lexer;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Adds; the release before works on with it.
    Expand,
    /// Takes away or narrows; forward only.
    Contract,
}

/// What going back may do with an expand migration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Its down removes nothing that a user could have written.
    Lossless,
    /// Its down keeps the named values in the attic.
    Parking,
    /// It stays once the new release may have served anybody.
    #[default]
    Sticky,
}

/// One migration that may be run: its texts are whole and hold nothing refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The folder's name, `0042_diary_client_id`.
    pub id: String,
    pub phase: Phase,
    pub class: Class,
    pub park: Vec<Park>,
    /// False for one statement that cannot run inside a transaction.
    pub transactional: bool,
    /// The contract that must be there before: expands and contracts are two sequences.
    pub after: Option<String>,
    pub up: String,
    /// Empty where nothing is to be done to take it back.
    pub down: Option<String>,
    /// SHA-256 of the normalised up text: what the migration table remembers.
    pub sha256: String,
}

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// `0042_diary/up.sql`
    pub file: String,
    pub line: Option<usize>,
    pub what: String,
}

/// All of them. Reads after "failed to".
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl Migration {
    /// # Errors
    /// Every mistake in the texts and between texts and manifest.
    pub fn new(
        id: &str,
        manifest: Manifest,
        up: String,
        down: Option<String>,
    ) -> Result<Migration, Mistakes> {
        // A backfill writes into columns of its own release; what takes those away takes its values away.
        let down = down.or_else(|| is_backfill(&up).then(String::new));
        let mut mistakes = manifest.check(id, down.is_some());
        mistakes.extend(refused::check(&format!("{id}/up.sql"), &up, manifest.transaction));
        if let Some(down) = down.as_ref().filter(|d| !d.is_empty()) {
            mistakes.extend(refused::check(&format!("{id}/down.sql"), down, manifest.transaction));
        }
        let park = Park::parse_all(id, &manifest.park).unwrap_or_else(|more| {
            mistakes.extend(more);
            Vec::new()
        });
        if !mistakes.is_empty() {
            return Err(Mistakes(mistakes));
        }
        let sha256 = lexer::normalised_sha256(&up).expect("the text was split without error above");
        let Manifest { phase, class, transaction, after, .. } = manifest;
        Ok(Migration {
            id: id.to_string(),
            phase,
            class,
            park,
            transactional: transaction,
            after,
            up,
            down,
            sha256,
        })
    }

    /// SHA-256 of up.sql byte for byte: what a release names.
    pub fn up_digest(&self) -> String {
        sha256_hex(self.up.as_bytes())
    }

    pub fn down_digest(&self) -> Option<String> {
        self.down.as_ref().filter(|d| !d.is_empty()).map(|down| sha256_hex(down.as_bytes()))
    }

    /// Digits before the first `_`.
    pub fn number(&self) -> u64 {
        number_of(&self.id).unwrap_or(0)
    }
}

fn is_backfill(up: &str) -> bool {
    let statements = lexer::split(up).unwrap_or_default();
    matches!(statements.first().map(lone), Some(Ok(Lone::Backfill(_))))
}

pub fn number_of(id: &str) -> Option<u64> {
    id.split_once('_')?.0.parse().ok()
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Mistake {
    pub(crate) fn new(file: impl Into<String>, line: Option<usize>, what: impl Into<String>) -> Mistake {
        Mistake { file: file.into(), line, what: what.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read the migrations:")?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Expand => "expand",
            Phase::Contract => "contract",
        })
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Lossless => "lossless",
            Class::Parking => "parking",
            Class::Sticky => "sticky",
        })
    }
}

#[cfg(test)]
mod tests;
