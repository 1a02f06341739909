//! The plan file: what `nica plan` writes, people sign and `nica deploy --plan` opens.
//!
//! It is read in its canonical form only: two texts that mean the same would have two signatures' worth of doubt.
//! Signatures stand beside it, in `FILE.approvals/`, one file per signature.

use nica_engine::approval::Approval;
use nica_engine::evidence::Signed;
use nica_engine::{Plan, canonical};
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

/// Every signature beside a plan file, whatever it is worth.
pub(crate) fn approvals(plan: &Path) -> Result<Vec<Signed>, PlanFileError> {
    let folder = approvals_folder(plan);
    let mut signed = Vec::new();
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(signed) };
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

/// Keep a signature beside the plan; where it was put.
pub(crate) fn add_approval(
    plan: &Path,
    approval: &Approval,
    signed: &Signed,
) -> Result<PathBuf, PlanFileError> {
    let folder = approvals_folder(plan);
    std::fs::create_dir_all(&folder).map_err(|cause| PlanFileError::Write { path: folder.clone(), cause })?;
    let path = folder.join(format!("{}.json", approval.nonce));
    write(&path, &canonical::to_bytes(signed))?;
    Ok(path)
}

fn approvals_folder(plan: &Path) -> PathBuf {
    let mut name = plan.as_os_str().to_os_string();
    name.push(".approvals");
    PathBuf::from(name)
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), PlanFileError> {
    std::fs::write(path, bytes).map_err(|cause| PlanFileError::Write { path: path.to_path_buf(), cause })
}
