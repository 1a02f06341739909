//! The release file: a plain tar, sorted, without times, so that equal content is equal bytes.
//!
//! `release.json` comes first, then `bin/<sha256>`, `manifests/`, `migrations/` and `seeds/`. Reading checks every byte against
//! `release.json`; what does not match is an error that names the file.

use nica_engine::Digest;
use nica_engine::release::{RELEASE_FORMAT_2, Release};
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
    #[error(
        "read {path}: format {found} is newer than this nica knows ({RELEASE_FORMAT_2}); use a newer nica"
    )]
    TooNew { path: PathBuf, found: u32 },
}

/// A release with everything that it carries, in memory.
#[derive(Clone, Debug)]
pub(crate) struct ReleaseFile {
    pub release: Release,
    /// `migrations/0001_x/up.sql`, `seeds/0001_y.toml`, `bin/<sha256>`, `manifests/prod.json` → content.
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

    /// The objects of an environment, as they were written; none where it has none.
    pub(crate) fn objects(&self, env: &str) -> Vec<serde_json::Value> {
        let bytes = self.entries.get(&manifests_entry(env));
        bytes
            .map(|bytes| list(bytes).expect("what was read was checked, what was made is a list"))
            .unwrap_or_default()
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
        for entry in self.release.manifests.keys().map(|env| manifests_entry(env)) {
            let is_list = self.entries.get(&entry).is_some_and(|bytes| list(bytes).is_some());
            if !is_list {
                return Err(not_a_release(path, &format!("{entry} is no list of objects in canonical JSON")));
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
        promised.extend(r.manifests.iter().map(|(env, m)| (manifests_entry(env), m.objects.clone())));
        promised
    }
}

/// Taken for no objects at all, a list that cannot be read would delete everything.
fn list(bytes: &[u8]) -> Option<Vec<serde_json::Value>> {
    nica_engine::canonical::read(bytes).ok()
}

/// Where the objects of an environment stand.
pub(crate) fn manifests_entry(env: &str) -> String {
    format!("manifests/{env}.json")
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
    if head.format > RELEASE_FORMAT_2 {
        return Err(ReleaseFileError::TooNew { path: path.to_path_buf(), found: head.format });
    }
    serde_json::from_slice(json).map_err(|e| not_a_release(path, &e.to_string()))
}

fn not_a_release(path: &Path, why: &str) -> ReleaseFileError {
    ReleaseFileError::NotARelease { path: path.to_path_buf(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests;
    use nica_engine::effect::SecretName;
    use nica_engine::manifest::Rendered;
    use nica_engine::release::{Component, ComponentKind, Manifests};
    use serde_json::json;

    /// A release for a cluster whose objects are these bytes.
    fn of(objects: &[u8]) -> ReleaseFile {
        let digest = Digest::of(b"image");
        let images = BTreeMap::from([("backend".to_string(), "registry.example/backend".to_string())]);
        let secrets = [("keys".to_string(), [("k".to_string(), "PROD_K".to_string())].into())].into();
        let manifests = Manifests { namespace: "shop".into(), objects: Digest::of(objects), images, secrets };
        let mut release = Release {
            format: 0,
            service: "shop".into(),
            version: "1".into(),
            commit: "c0ffee".into(),
            commits: Vec::new(),
            components: vec![Component { name: "backend".into(), kind: ComponentKind::Image, digest }],
            migrations: Vec::new(),
            seeds: Vec::new(),
            config: BTreeMap::new(),
            manifests: [("prod".to_string(), manifests)].into(),
        };
        release.format = release.format_needed();
        ReleaseFile { release, entries: [(manifests_entry("prod"), objects.to_vec())].into() }
    }

    fn again(file: &ReleaseFile) -> Result<ReleaseFile, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.nica");
        file.write(&path).unwrap();
        ReleaseFile::read(&path).map_err(|e| e.to_string().replace(&path.display().to_string(), "x.nica"))
    }

    fn rendered(file: &ReleaseFile, env: &str) -> Option<Rendered> {
        let names = [("k".to_string(), SecretName("n1".into()))].into();
        let secrets = [("keys".to_string(), names)].into();
        manifests::of_release(file, env, &secrets).unwrap_or_else(|refused| panic!("{refused}"))
    }

    #[test]
    fn objects_travel_as_they_were_written_and_are_rendered_from_the_file() {
        let pods = json!({ "containers": [{ "name": "c", "image": "registry.example/backend:dev" }] });
        let deployment = json!([{
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "b", "namespace": "shop" },
            "spec": { "template": { "spec": pods } },
        }]);
        let file = again(&of(&nica_engine::canonical::to_bytes(&deployment))).unwrap();
        assert_eq!(file.release.format, 2);
        assert_eq!(json!(file.objects("prod")), deployment);
        let objects = rendered(&file, "prod").unwrap().objects;
        assert!(objects[0].component.starts_with("Secret/keys"), "{}", objects[0].component);
        let by_digest = format!("registry.example/backend@sha256:{}", Digest::of(b"image"));
        let containers = &objects[1].applied.configuration["spec"]["template"]["spec"]["containers"];
        assert_eq!(containers[0]["image"], by_digest);
        assert_eq!(rendered(&file, "dev"), None);
    }

    #[test]
    fn objects_that_are_not_what_release_json_says_are_no_release() {
        let mut altered = of(b"[]");
        altered.entries.insert(manifests_entry("prod"), b"[1]".to_vec());
        assert!(again(&altered).unwrap_err().contains("manifests/prod.json is not what release.json says"));
        let mut missing = of(b"[]");
        missing.entries.clear();
        assert!(again(&missing).unwrap_err().contains("manifests/prod.json is missing"));
        for no_list in ["{}", "[ ]", ""] {
            assert!(
                again(&of(no_list.as_bytes())).unwrap_err().contains("is no list of objects"),
                "{no_list}"
            );
        }
    }

    #[test]
    fn a_release_without_objects_keeps_its_format_and_its_hash() {
        let mut plain = of(b"[]");
        plain.release.manifests.clear();
        plain.entries.clear();
        assert_eq!(plain.release.format_needed(), 1);
        let json = String::from_utf8(nica_engine::canonical::to_bytes(&plain.release)).unwrap();
        assert!(!json.contains("manifests"), "{json}");
    }
}
