//! The release file: a plain tar, sorted, without times, so that equal content is equal bytes.
//!
//! `release.json` comes first, then `migrations/`, `seeds/` and `bin/<sha256>`. Reading checks every byte against
//! `release.json`; what does not match is an error that names the file.

use nica_engine::Digest;
use nica_engine::release::{RELEASE_FORMAT, Release};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseFileError {
    #[error("read {path}: {cause}")]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("write {path}: {cause}")]
    Write { path: PathBuf, cause: std::io::Error },
    #[error("read {path}: it is not a release file: {why}; make one with `nica release create`")]
    NotARelease { path: PathBuf, why: String },
    #[error(
        "read {path}: {entry} is not what release.json says ({found} instead of {wanted}); make the release again"
    )]
    Altered { path: PathBuf, entry: String, wanted: Digest, found: Digest },
    #[error("read {path}: format {found} is newer than this nica knows ({RELEASE_FORMAT}); use a newer nica")]
    TooNew { path: PathBuf, found: u32 },
}

/// A release with everything that it carries, in memory.
#[derive(Clone, Debug)]
pub(crate) struct ReleaseFile {
    pub release: Release,
    /// `migrations/0001_x/up.sql`, `seeds/0001_y.toml`, `bin/<sha256>` → content.
    pub entries: BTreeMap<String, Vec<u8>>,
}

impl ReleaseFile {
    pub(crate) fn write(&self, path: &Path) -> Result<(), ReleaseFileError> {
        let fail = |cause| ReleaseFileError::Write { path: path.to_path_buf(), cause };
        let temporary = path.with_extension("nica.part");
        let mut bytes = Vec::new();
        self.pack(&mut bytes).map_err(fail)?;
        let mut file = std::fs::File::create(&temporary).map_err(fail)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(fail)?;
        std::fs::rename(&temporary, path).map_err(fail)
    }

    fn pack(&self, out: &mut Vec<u8>) -> std::io::Result<()> {
        let mut tar = tar::Builder::new(out);
        append(&mut tar, "release.json", &nica_engine::canonical::to_bytes(&self.release), 0o644)?;
        for (name, bytes) in &self.entries {
            let mode = if name.starts_with("bin/") { 0o755 } else { 0o644 };
            append(&mut tar, name, bytes, mode)?;
        }
        tar.finish()
    }

    pub(crate) fn read(path: &Path) -> Result<ReleaseFile, ReleaseFileError> {
        let file = std::fs::File::open(path)
            .map_err(|cause| ReleaseFileError::Read { path: path.to_path_buf(), cause })?;
        let mut entries = unpack(path, file)?;
        let json =
            entries.remove("release.json").ok_or_else(|| not_a_release(path, "release.json is missing"))?;
        let release = parse(path, &json)?;
        let this = ReleaseFile { release, entries };
        this.check(path)?;
        Ok(this)
    }

    fn check(&self, path: &Path) -> Result<(), ReleaseFileError> {
        for (entry, wanted) in self.promised() {
            let bytes = self
                .entries
                .get(&entry)
                .ok_or_else(|| not_a_release(path, &format!("{entry} is missing")))?;
            let found = Digest::of(bytes);
            if found != wanted {
                return Err(ReleaseFileError::Altered { path: path.to_path_buf(), entry, wanted, found });
            }
        }
        Ok(())
    }

    /// Every entry that release.json names, with the digest it must have.
    fn promised(&self) -> Vec<(String, Digest)> {
        let r = &self.release;
        let mut promised = Vec::new();
        for m in &r.migrations {
            promised.push((format!("migrations/{}/up.sql", m.id), m.up.clone()));
            promised.extend(m.down.clone().map(|down| (format!("migrations/{}/down.sql", m.id), down)));
        }
        promised.extend(r.seeds.iter().map(|s| (format!("seeds/{}", s.file), s.sha256.clone())));
        let executables =
            r.components.iter().filter(|c| c.kind == nica_engine::release::ComponentKind::Executable);
        promised.extend(executables.map(|c| (format!("bin/{}", c.digest), c.digest.clone())));
        promised
    }
}

fn append(tar: &mut tar::Builder<&mut Vec<u8>>, name: &str, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    tar.append_data(&mut header, name, bytes)
}

fn unpack(path: &Path, file: std::fs::File) -> Result<BTreeMap<String, Vec<u8>>, ReleaseFileError> {
    let unreadable = |why: std::io::Error| not_a_release(path, &why.to_string());
    let mut tar = tar::Archive::new(file);
    let mut entries = BTreeMap::new();
    for entry in tar.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(unreadable)?;
        if entries.insert(name.clone(), bytes).is_some() {
            return Err(not_a_release(path, &format!("{name} stands in it twice")));
        }
    }
    Ok(entries)
}

fn parse(path: &Path, json: &[u8]) -> Result<Release, ReleaseFileError> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
    }
    let head: Head = serde_json::from_slice(json).map_err(|e| not_a_release(path, &e.to_string()))?;
    if head.format > RELEASE_FORMAT {
        return Err(ReleaseFileError::TooNew { path: path.to_path_buf(), found: head.format });
    }
    serde_json::from_slice(json).map_err(|e| not_a_release(path, &e.to_string()))
}

fn not_a_release(path: &Path, why: &str) -> ReleaseFileError {
    ReleaseFileError::NotARelease { path: path.to_path_buf(), why: why.to_string() }
}
