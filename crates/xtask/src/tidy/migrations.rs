//! Folders of `migrations/` and files of `seeds/` are numbered once each and complete.
//!
//! Two branches that both take number 42 meet here, not in production.

use super::finding::Finding;
use crate::repo::Tree;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const ID: &str = "migrations";

const PARTS: &[&str] = &["up.sql", "down.sql", "migration.toml"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in tree.under("migrations") {
        let rest = &file.path["migrations/".len()..];
        let (folder, part) = rest.split_once('/').unwrap_or((rest, ""));
        folders.entry(folder).or_default().insert(part);
    }
    let mut findings: Vec<Finding> = folders.iter().flat_map(|(name, parts)| complete(name, parts)).collect();
    findings.extend(numbered("migrations", folders.keys().copied()));
    let seeds = tree.under("seeds").map(|file| &file.path["seeds/".len()..]);
    findings.extend(numbered("seeds", seeds.filter(|name| name.ends_with(".toml"))));
    findings
}

fn complete(name: &str, parts: &BTreeSet<&str>) -> Vec<Finding> {
    let missing = PARTS.iter().filter(|part| !parts.contains(*part));
    missing
        .map(|part| Finding {
            rule: ID,
            path: format!("migrations/{name}"),
            line: 0,
            what: format!("a migration without {part}"),
            next: format!("write migrations/{name}/{part}"),
        })
        .collect()
}

fn numbered<'a>(folder: &str, names: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for name in names {
        let stem = name.strip_suffix(".toml").unwrap_or(name);
        let what = match stem.split_once('_') {
            Some((number, rest)) if is_number(number) && is_word(rest) => seen
                .insert(number, name)
                .map(|other| format!("number {number} is taken twice, by {other} too")),
            _ => Some("a name that is not NNNN_name, small letters, digits and underscores".into()),
        };
        findings.extend(what.map(|what| Finding {
            rule: ID,
            path: format!("{folder}/{name}"),
            line: 0,
            what,
            next: "rename it with the next free number".into(),
        }));
    }
    findings
}

fn is_number(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::places;
    use super::*;
    use crate::repo::planted::tree;

    fn migration(name: &str) -> Vec<(String, &'static str)> {
        PARTS.iter().map(|part| (format!("migrations/{name}/{part}"), "")).collect()
    }

    fn check_all(files: Vec<(String, &'static str)>, found: &[&str]) {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        assert_eq!(places(check, &tree(&files)), found);
    }

    #[test]
    fn a_number_taken_twice_is_found() {
        check_all([migration("0042_a"), migration("0042_b")].concat(), &["migrations/0042_b:0"]);
        check_all(
            vec![("seeds/0001_a.toml".into(), ""), ("seeds/0001_b.toml".into(), "")],
            &["seeds/0001_b.toml:0"],
        );
    }

    #[test]
    fn crooked_names_and_missing_parts_are_found() {
        for name in ["42_a", "0042-a", "0042_A", "0042_", "a"] {
            check_all(migration(name), &[&format!("migrations/{name}:0")]);
        }
        check_all(
            vec![("migrations/0001_a/up.sql".into(), "")],
            &["migrations/0001_a:0", "migrations/0001_a:0"],
        );
    }

    #[test]
    fn numbered_and_complete_is_left_alone() {
        check_all([migration("0001_a"), migration("0002_b_2")].concat(), &[]);
    }
}
