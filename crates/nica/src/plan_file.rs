//! The plan file: what `nica plan` writes, people sign and `nica deploy --plan` opens.
//!
//! It is read in its canonical form only: two texts that mean the same would have two signatures' worth of doubt.
//! Signatures stand beside it, in `FILE.approvals/` and `FILE.waivers/`, one file per signature.

use nica_engine::approval::Approval;
use nica_engine::evidence::Signed;
use nica_engine::{Plan, canonical, waiver};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub(crate) const PLAN_FILE_FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanFile {
    pub format: u32,
    /// Where the release stood when this was planned.
    pub release_file: PathBuf,
    pub plan: Plan,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanFileError {
    #[error("read {path}: {cause}")]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("write {path}: {cause}")]
    Write { path: PathBuf, cause: std::io::Error },
    #[error("read {path}: {why}; write it again with `nica plan --out`")]
    NotAPlan { path: PathBuf, why: String },
}

impl PlanFile {
    pub(crate) fn read(path: &Path) -> Result<PlanFile, PlanFileError> {
        let bytes =
            std::fs::read(path).map_err(|cause| PlanFileError::Read { path: path.to_path_buf(), cause })?;
        let not_a_plan = |why: String| PlanFileError::NotAPlan { path: path.to_path_buf(), why };
        let file: PlanFile = canonical::read(&bytes).map_err(|e| not_a_plan(e.to_string()))?;
        if file.format > PLAN_FILE_FORMAT {
            return Err(not_a_plan(format!("format {} is newer than this nica knows", file.format)));
        }
        Ok(file)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), PlanFileError> {
        write(path, &canonical::to_bytes(self))
    }
}

/// Every approval beside a plan file, whatever it is worth.
pub(crate) fn approvals(plan: &Path) -> Result<Vec<Signed>, PlanFileError> {
    signed(&beside(plan, APPROVALS))
}

/// Every waiver beside a plan file, whatever it is worth.
pub(crate) fn waivers(plan: &Path) -> Result<Vec<Signed>, PlanFileError> {
    signed(&beside(plan, WAIVERS))
}

/// Keep an approval beside the plan; where it was put.
pub(crate) fn add_approval(
    plan: &Path,
    approval: &Approval,
    signed: &Signed,
) -> Result<PathBuf, PlanFileError> {
    keep(&beside(plan, APPROVALS), &approval.nonce, signed)
}

/// Keep waivers beside the plan, for the deploy that opens it.
pub(crate) fn add_waivers(plan: &Path, waivers: &[Signed]) -> Result<(), PlanFileError> {
    let said = waivers.iter().filter_map(|signed| Some((waiver::read(signed).ok()?.nonce, signed)));
    // A nonce is a file's name here, and whoever signed it chose it.
    let mut named = said.filter(|(nonce, _)| nonce.chars().all(|c| c.is_ascii_alphanumeric()));
    named.try_for_each(|(nonce, signed)| keep(&beside(plan, WAIVERS), &nonce, signed).map(drop))
}

const APPROVALS: &str = ".approvals";
const WAIVERS: &str = ".waivers";

fn beside(plan: &Path, what: &str) -> PathBuf {
    let mut name = plan.as_os_str().to_os_string();
    name.push(what);
    PathBuf::from(name)
}

fn signed(folder: &Path) -> Result<Vec<Signed>, PlanFileError> {
    let mut signed = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(signed) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "json")) {
        let text = std::fs::read(path).map_err(|cause| PlanFileError::Read { path: path.clone(), cause })?;
        let one = serde_json::from_slice(&text)
            .map_err(|e| PlanFileError::NotAPlan { path: path.clone(), why: e.to_string() })?;
        signed.push(one);
    }
    Ok(signed)
}

fn keep(folder: &Path, nonce: &str, signed: &Signed) -> Result<PathBuf, PlanFileError> {
    let write_error = |cause| PlanFileError::Write { path: folder.to_path_buf(), cause };
    std::fs::create_dir_all(folder).map_err(write_error)?;
    let path = folder.join(format!("{nonce}.json"));
    write(&path, &canonical::to_bytes(signed))?;
    Ok(path)
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), PlanFileError> {
    std::fs::write(path, bytes).map_err(|cause| PlanFileError::Write { path: path.to_path_buf(), cause })
}
