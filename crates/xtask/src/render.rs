//! `./x render`: infra/k8s as people edit it, into the plain manifests that a release carries.
//!
//! `kubectl kustomize` does the work; what it wrote is marked with the hash of what it was made from and of itself, so
//! that the rule `rendered` of `./x tidy` sees a stale or hand-edited file where no kubectl is at hand.

use crate::config;
use crate::repo::{self, File, Tree};
use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use std::process::Command;

pub(crate) const ENVIRONMENTS: [&str; 3] = ["dev", "stage", "prod"];
const FOLDER: &str = "infra/k8s";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write nothing; say whether what is there is what would be written
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let Some(kubectl) = kubectl() else {
        bail!("find kubectl, which renders: install it, or let `./x cluster up` obtain one");
    };
    let tree = Tree::read()?;
    let mut current = true;
    for env in ENVIRONMENTS {
        let rendered = marked(env, &inputs(&tree, env), &kustomize(&kubectl, env)?);
        let path = path(env);
        let same = tree.file(&path).is_some_and(|file| file.text == rendered);
        current &= same;
        match (same, options.check) {
            (true, _) => println!("{path}: current"),
            (false, true) => println!("{path}: not what infra/k8s/{env} says; run ./x render"),
            (false, false) => {
                std::fs::write(repo::root().join(&path), rendered)
                    .with_context(|| format!("write {path}"))?;
                println!("{path}: written");
            }
        }
    }
    Ok(current || !options.check)
}

pub(crate) fn path(env: &str) -> String {
    format!("{FOLDER}/rendered/{env}.yaml")
}

/// What people edit, for one environment: its own folder and the common one.
pub(crate) fn inputs(tree: &Tree, env: &str) -> String {
    let folders = [format!("{FOLDER}/base"), format!("{FOLDER}/{env}")];
    let mut hash = Sha256::new();
    for File { path, text } in folders.iter().flat_map(|folder| tree.under(folder)) {
        hash.update(format!("{path}\0{}\0{text}", text.len()));
    }
    hex::encode(hash.finalize())
}

/// The manifests with their marks before them.
pub(crate) fn marked(env: &str, inputs: &str, manifests: &str) -> String {
    let body = hex::encode(Sha256::digest(manifests));
    format!(
        "# Rendered by `./x render` from {FOLDER}/{env}: edit that, not this.\n# from {inputs}\n# is   {body}\n{manifests}"
    )
}

/// Whether a rendered file is what its marks say: made from these inputs, and untouched since.
pub(crate) fn is_current(env: &str, inputs: &str, rendered: &str) -> bool {
    let manifests = rendered.splitn(4, '\n').nth(3).unwrap_or_default();
    rendered == marked(env, inputs, manifests)
}

fn kustomize(kubectl: &PathBuf, env: &str) -> Result<String> {
    let folder = repo::root().join(FOLDER).join(env);
    let out = Command::new(kubectl).arg("kustomize").arg(&folder).output();
    let out = out.with_context(|| format!("start {}", kubectl.display()))?;
    if !out.status.success() {
        bail!("render {}: {}", folder.display(), String::from_utf8_lossy(&out.stderr).trim());
    }
    String::from_utf8(out.stdout).context("read what kubectl wrote")
}

/// The one that was built for the test cluster, because its version is pinned; else the person's own.
fn kubectl() -> Option<PathBuf> {
    let programs = std::fs::read_dir(config::cache().join("cluster")).into_iter().flatten().flatten();
    let mut built: Vec<PathBuf> = programs
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("programs-"))
        .map(|entry| entry.path().join("kubectl"))
        .collect();
    built.sort();
    let own = config::program_folders().into_iter().map(|folder| folder.join("kubectl"));
    built.into_iter().chain(own).find(|path| path.is_file())
}
