//! The checkout as the rules see it: text files with their paths, and the graph of crates.
//!
//! Both are plain data, so that a rule's test can plant a bad file or a forbidden edge without a disk.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a rule may look at.
pub(crate) struct Tree {
    pub files: Vec<File>,
    pub crates: Crates,
}

/// A text file; `path` is relative to the checkout and uses `/`.
#[derive(Clone)]
pub(crate) struct File {
    pub path: String,
    pub text: String,
}

/// Normal and build dependencies by name; dev-dependencies are left out, tests may know more.
#[derive(Default)]
pub(crate) struct Crates {
    pub ours: BTreeSet<String>,
    pub needs: BTreeMap<String, BTreeSet<String>>,
}

/// What holds no source of ours; `.git` is a file in a linked worktree.
const SKIPPED: &[&str] = &[".git", "target", "node_modules", ".nica"];
/// A file above this is data, not source.
const FILE_BYTES_MAX: u64 = 2_000_000;

pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("crates/xtask lies two folders below the root").to_path_buf()
}

impl Tree {
    pub(crate) fn read() -> Result<Tree> {
        let mut files = Vec::new();
        walk(&root(), &root(), &mut files)?;
        files.sort_by(|a: &File, b| a.path.cmp(&b.path));
        Ok(Tree { files, crates: Crates::read()? })
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Files in this folder and below it; `folder` without a slash at its end.
    pub(crate) fn under<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a File> {
        self.files
            .iter()
            .filter(move |file| file.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("read folder {}", folder.display()))? {
        let entry = entry?;
        let path = entry.path();
        if SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(root, &path, files)?;
        } else if entry.metadata()?.len() <= FILE_BYTES_MAX
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root).expect("walked from the root").to_string_lossy().into_owned();
            files.push(File { path, text });
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}
#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}
#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}
#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dep>,
}
#[derive(Deserialize)]
struct Dep {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}
#[derive(Deserialize)]
struct DepKind {
    kind: Option<String>,
}

impl Crates {
    fn read() -> Result<Crates> {
        let out = Command::new("cargo")
            .args(["metadata", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"])
            .current_dir(root())
            .output()
            .context("start cargo metadata")?;
        if !out.status.success() {
            bail!("read cargo metadata: {}", String::from_utf8_lossy(&out.stderr).trim());
        }
        let metadata = serde_json::from_slice(&out.stdout).context("parse cargo metadata")?;
        Ok(Crates::from_metadata(metadata))
    }

    fn from_metadata(metadata: Metadata) -> Crates {
        let names: BTreeMap<&str, &str> =
            metadata.packages.iter().map(|package| (package.id.as_str(), package.name.as_str())).collect();
        let mut crates = Crates::default();
        for id in &metadata.workspace_members {
            crates.ours.insert(names[id.as_str()].to_string());
        }
        for node in &metadata.resolve.nodes {
            let counts = |dep: &&Dep| dep.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
            let needs = node.deps.iter().filter(counts).map(|dep| names[dep.pkg.as_str()].to_string());
            crates.needs.entry(names[node.id.as_str()].to_string()).or_default().extend(needs);
        }
        crates
    }

    /// The shortest chain of dependencies from one crate to another, both ends included.
    pub(crate) fn path(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut came: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            for next in self.needs.get(at).into_iter().flatten() {
                if next != from && !came.contains_key(next.as_str()) {
                    came.insert(next, at);
                    queue.push_back(next);
                }
            }
        }
        let mut chain = vec![to.to_string()];
        while chain.last().is_some_and(|last| last != from) {
            chain.push((*came.get(chain.last()?.as_str())?).to_string());
        }
        chain.reverse();
        Some(chain)
    }
}

#[cfg(test)]
pub(crate) mod planted {
    //! Trees made of a few lines, for the tests of the rules.
    use super::*;

    pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File { path: path.to_string(), text: text.to_string() };
        Tree { files: files.iter().map(file).collect(), crates: Crates::default() }
    }

    /// `edges` are `crate -> dependency`; every left side is ours.
    pub(crate) fn crates(edges: &[(&str, &str)]) -> Tree {
        let mut crates = Crates::default();
        for (from, to) in edges {
            crates.ours.insert(from.to_string());
            crates.needs.entry(from.to_string()).or_default().insert(to.to_string());
        }
        Tree { files: Vec::new(), crates }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_between_two_crates_is_the_shortest_one() {
        let tree = planted::crates(&[("a", "b"), ("b", "c"), ("a", "d"), ("d", "e"), ("e", "c")]);
        assert_eq!(tree.crates.path("a", "c"), Some(vec!["a".into(), "b".into(), "c".into()]));
        assert_eq!(tree.crates.path("c", "a"), None);
    }

    #[test]
    fn dev_dependencies_are_not_dependencies() {
        let metadata = serde_json::json!({
            "packages": [{"id": "1", "name": "ours"}, {"id": "2", "name": "real"}, {"id": "3", "name": "test-only"}],
            "workspace_members": ["1"],
            "resolve": {"nodes": [{"id": "1", "deps": [
                {"pkg": "2", "dep_kinds": [{"kind": null}, {"kind": "dev"}]},
                {"pkg": "3", "dep_kinds": [{"kind": "dev"}]}
            ]}]}
        });
        let crates = Crates::from_metadata(serde_json::from_value(metadata).expect("the shape above"));
        assert!(crates.path("ours", "real").is_some());
        assert!(crates.path("ours", "test-only").is_none());
    }
}
