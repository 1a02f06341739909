//! How folders and files look: no `mod.rs`, prose at the top of each file, one integration test binary a crate.

use super::finding::Finding;
use crate::repo::{File, Tree};

pub(crate) const ID: &str = "layout";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let sources: Vec<&File> = tree.rust().filter(|file| file.path.starts_with("crates/")).collect();
    let mut findings: Vec<Finding> = sources.iter().filter_map(|file| mod_rs(file)).collect();
    findings.extend(sources.iter().filter_map(|file| opening(file)));
    findings.extend(sources.iter().filter_map(|file| test_binary(file)));
    findings
}

fn mod_rs(file: &File) -> Option<Finding> {
    let folder = file.path.strip_suffix("/mod.rs")?;
    Some(Finding {
        rule: ID,
        path: file.path.clone(),
        line: 0,
        what: "a module named by its folder".into(),
        next: format!("git mv {} {folder}.rs", file.path),
    })
}

fn opening(file: &File) -> Option<Finding> {
    let prose = file.text.lines().next().is_some_and(|line| line.starts_with("//! "));
    (!prose).then(|| Finding {
        rule: ID,
        path: file.path.clone(),
        line: 1,
        what: "a file that does not say what lives in it".into(),
        next: "open it with two to six lines of `//!`: what lives here, what does not, the one idea".into(),
    })
}

/// Cargo makes a binary of each `tests/*.rs` and each `tests/*/main.rs`.
fn test_binary(file: &File) -> Option<Finding> {
    let inside: Vec<&str> = file.path.split('/').skip(2).collect();
    let binary = match inside.as_slice() {
        ["tests", _] => true,
        ["tests", folder, "main.rs"] => *folder != "it",
        _ => false,
    };
    binary.then(|| Finding {
        rule: ID,
        path: file.path.clone(),
        line: 0,
        what: "a second integration test binary: each one is linked for itself".into(),
        next: "make it a module of tests/it/main.rs".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::places;
    use super::*;
    use crate::repo::planted::tree;

    fn check_one(path: &str, text: &str, found: &[&str]) {
        assert_eq!(places(check, &tree(&[(path, text)])), found, "{path}");
    }

    #[test]
    fn crooked_layouts_are_found() {
        check_one("crates/a/src/b/mod.rs", "//! x", &["crates/a/src/b/mod.rs:0"]);
        check_one("crates/a/src/b.rs", "fn f() {}", &["crates/a/src/b.rs:1"]);
        check_one("crates/a/src/b.rs", "", &["crates/a/src/b.rs:1"]);
        check_one("crates/a/tests/b.rs", "//! x", &["crates/a/tests/b.rs:0"]);
        check_one("crates/a/tests/b/main.rs", "//! x", &["crates/a/tests/b/main.rs:0"]);
    }

    #[test]
    fn straight_layouts_are_left_alone() {
        check_one("crates/a/src/b.rs", "//! x\n", &[]);
        check_one("crates/a/tests/it/main.rs", "//! x", &[]);
        check_one("crates/a/tests/it/b.rs", "//! x", &[]);
        check_one("bench/b.rs", "", &[]);
    }
}
