//! Manifests as people hand them in: files of rendered YAML, read into plain objects with the place of each.
//!
//! Nothing is judged here; what can be carried is the engine's to say (`nica_engine::manifest`).

mod scalar;
mod yaml;

use crate::release_file::{ReleaseFile, manifests_entry};
use nica_engine::effect::SecretName;
use nica_engine::manifest::{self, Facts, Refused, Rendered};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// One object and where its document begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    pub object: Value,
    pub place: String,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("read {}: {cause}; render it first, or correct `manifests` in nica.toml", path.display())]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("read {}:{mistake}", path.display())]
    Yaml { path: PathBuf, mistake: yaml::Mistake },
    #[error("read {files}: no object stands in it; render it first, or correct `manifests` in nica.toml")]
    Empty { files: String },
    #[error("{0}")]
    Refused(Told),
}

/// Every refusal, with its place.
#[derive(Debug)]
pub(crate) struct Told(Vec<(String, Refused)>);

/// All objects of these files, in their order.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<Placed>, ManifestError> {
    let mut all = Vec::new();
    for file in files {
        all.extend(read_one(file)?);
    }
    match all.is_empty() {
        true => Err(ManifestError::Empty { files: names(files) }),
        false => Ok(all),
    }
}

fn read_one(file: &Path) -> Result<Vec<Placed>, ManifestError> {
    let unreadable = |cause| ManifestError::Unreadable { path: file.into(), cause };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let documents =
        yaml::documents(&text).map_err(|mistake| ManifestError::Yaml { path: file.into(), mistake })?;
    let placed = |document: yaml::Document| {
        let place = format!("{}:{}", file.display(), document.line);
        let objects = manifest::flatten(vec![document.value]);
        objects.into_iter().map(move |object| Placed { object, place: place.clone() })
    };
    Ok(documents.into_iter().flat_map(placed).collect())
}

fn names(files: &[PathBuf]) -> String {
    files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// What would be asked of the target, or every reason why that cannot be, each with the line of its object.
pub(crate) fn render(placed: &[Placed], facts: &Facts<'_>) -> Result<Rendered, ManifestError> {
    let objects: Vec<Value> = placed.iter().map(|p| p.object.clone()).collect();
    manifest::render(&objects, facts).map_err(|refused| {
        let placed_at = |r: Refused| (position(placed, &r.object), r);
        let mut told: Vec<(usize, Refused)> = refused.into_iter().map(placed_at).collect();
        told.sort();
        let place = |n: usize| placed.get(n).map(|p| p.place.clone()).unwrap_or_default();
        ManifestError::Refused(Told(told.into_iter().map(|(n, r)| (place(n), r)).collect()))
    })
}

/// The objects of a packed release in one environment, as they are asked for; none where it runs processes.
///
/// `secrets`: Secret → key → content name of the value that the deployer holds.
pub(crate) fn of_release(
    file: &ReleaseFile,
    env: &str,
    secrets: &BTreeMap<String, BTreeMap<String, SecretName>>,
) -> Result<Option<Rendered>, ManifestError> {
    let Some(manifests) = file.release.manifests.get(env) else { return Ok(None) };
    let place = manifests_entry(env);
    let placed = |object| Placed { object, place: place.clone() };
    let placed: Vec<Placed> = file.objects(env).into_iter().map(placed).collect();
    let images = file.release.images(env);
    let service = &file.release.service;
    render(&placed, &Facts { service, namespace: &manifests.namespace, images: &images, secrets }).map(Some)
}

/// Which object is meant; behind all of them when it is one that nobody wrote.
fn position(placed: &[Placed], name: &str) -> usize {
    let is = |p: &Placed| {
        let text = |pointer| p.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        format!("{}/{}", text("/kind"), text("/metadata/name")) == name
    };
    let number = || name.strip_prefix("object ").and_then(|n| n.parse::<usize>().ok()?.checked_sub(1));
    placed.iter().position(is).or_else(number).unwrap_or(placed.len())
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "render the manifests: {} cannot be carried; nothing was done", count(self.0.len()))?;
        for (n, (place, refused)) in self.0.iter().enumerate() {
            let end = if n + 1 == self.0.len() { "" } else { "\n" };
            write!(f, "refused[{}] {place}\n  {refused}{end}", refused.why.code())?;
        }
        Ok(())
    }
}

fn count(n: usize) -> String {
    if n == 1 { "1 thing".into() } else { format!("{n} things") }
}

#[cfg(test)]
mod tests;
