//! Images from programs that need nothing else: one archive with both, as `ctr images import` reads it.

use super::obtain::Tools;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Pause container of every pod, and what the tests' pods run.
pub(crate) const GUEST: &str = "nica.invalid/guest:1";
pub(crate) const COREDNS: &str = "nica.invalid/coredns:1";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Writes the archive with both images.
pub(crate) fn write(tools: &Tools, to: &Path) -> Result<()> {
    let file = std::fs::File::create(to).with_context(|| format!("create {}", to.display()))?;
    let mut archive = Archive { tar: tar::Builder::new(std::io::BufWriter::new(file)) };
    let manifests = [(GUEST, "guest", json!(["pause"])), (COREDNS, "coredns", json!([]))]
        .into_iter()
        .map(|(reference, program, words)| archive.image(reference, &tools.program(program), program, &words))
        .collect::<Result<Vec<Value>>>()?;
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    archive.file("index.json", index.to_string().as_bytes())?;
    archive.file("oci-layout", json!({"imageLayoutVersion": "1.0.0"}).to_string().as_bytes())?;
    archive.tar.into_inner()?.into_inner().context("write the images")?;
    Ok(())
}

struct Archive<W: std::io::Write> {
    tar: tar::Builder<W>,
}

impl<W: std::io::Write> Archive<W> {
    fn file(&mut self, path: &str, content: &[u8]) -> Result<()> {
        append(&mut self.tar, path, content, 0o644)
    }

    /// A blob by its content; what others say of it.
    fn blob(&mut self, kind: &str, content: &[u8]) -> Result<Value> {
        let digest = hex::encode(Sha256::digest(content));
        self.file(&format!("blobs/sha256/{digest}"), content)?;
        Ok(json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": content.len()}))
    }

    fn image(&mut self, reference: &str, program: &Path, name: &str, words: &Value) -> Result<Value> {
        let layer = layer(program, name)?;
        let layer = self.blob(LAYER, &layer)?;
        let config = json!({
            "architecture": architecture(), "os": "linux",
            "config": {"Entrypoint": [format!("/{name}")], "Cmd": words, "User": "65532:65532"},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        });
        let config = self.blob(CONFIG, config.to_string().as_bytes())?;
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        let mut manifest = self.blob(MANIFEST, manifest.to_string().as_bytes())?;
        manifest["annotations"] = json!({"io.containerd.image.name": reference});
        Ok(manifest)
    }
}

/// The program, the folders that a runtime mounts over, and a name for the user.
fn layer(program: &Path, name: &str) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for folder in ["etc", "tmp", "proc", "sys", "dev"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(if folder == "tmp" { 0o1777 } else { 0o755 });
        header.set_size(0);
        tar.append_data(&mut header, folder, std::io::empty())?;
    }
    append(&mut tar, "etc/passwd", b"root:x:0:0::/:\nnobody:x:65532:65532::/:\n", 0o644)?;
    let content = std::fs::read(program).with_context(|| format!("read {}", program.display()))?;
    append(&mut tar, name, &content, 0o755)?;
    Ok(tar.into_inner()?)
}

fn append<W: std::io::Write>(tar: &mut tar::Builder<W>, path: &str, content: &[u8], mode: u32) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(content.len().try_into()?);
    tar.append_data(&mut header, path, content).with_context(|| format!("write {path}"))
}

/// As Go calls it.
fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Read as _;

    #[test]
    fn every_blob_is_named_by_its_content_and_found_from_the_index() {
        let home = tempfile::tempdir().expect("a folder");
        for name in ["guest", "coredns"] {
            std::fs::write(home.path().join(name), name).expect("written");
        }
        let to = home.path().join("images.tar");
        write(&Tools { programs: home.path().to_path_buf(), system: None }, &to).expect("written");
        let mut archive = tar::Archive::new(std::fs::File::open(&to).expect("there"));
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for entry in archive.entries().expect("an archive") {
            let mut entry = entry.expect("whole");
            let path = entry.path().expect("a path").display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("readable");
            files.insert(path, content);
        }
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        let blob = |of: &Value| {
            let digest = of["digest"].as_str().expect("a digest").trim_start_matches("sha256:");
            let content = &files[&format!("blobs/sha256/{digest}")];
            assert_eq!(hex::encode(Sha256::digest(content)), digest);
            assert_eq!(of["size"], content.len());
            content.clone()
        };
        let index = json(&files["index.json"]);
        let manifests = index["manifests"].as_array().expect("a list");
        assert_eq!(manifests.len(), 2);
        for manifest in manifests {
            let manifest = json(&blob(manifest));
            let config = json(&blob(&manifest["config"]));
            assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
            blob(&manifest["layers"][0]);
        }
    }
}
