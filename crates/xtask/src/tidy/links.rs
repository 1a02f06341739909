//! A link between two pages of the project leads to a file that is there.

use super::finding::Finding;
use crate::repo::Tree;
use std::collections::BTreeSet;

pub(crate) const ID: &str = "links";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let files: BTreeSet<&str> = tree.files.iter().map(|file| file.path.as_str()).collect();
    let mut findings = Vec::new();
    for page in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        for (number, line) in page.text.lines().enumerate() {
            for target in targets(line).filter(|target| !exists(&files, &page.path, target)) {
                findings.push(Finding {
                    rule: ID,
                    path: page.path.clone(),
                    line: number + 1,
                    what: format!("a link to `{target}`, which is not there"),
                    next: "write the page, or correct the link".into(),
                });
            }
        }
    }
    findings
}

/// What stands in `](…)`, without other sites and without the place inside the page.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let links = line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let inside = links.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    inside.map(|target| target.split('#').next().unwrap_or_default()).filter(|target| !target.is_empty())
}

fn exists(files: &BTreeSet<&str>, page: &str, target: &str) -> bool {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." if parts.pop().is_none() => return false,
            ".." => {}
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    files.contains(path.as_str()) || files.iter().any(|file| file.starts_with(&format!("{path}/")))
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::places;
    use super::*;
    use crate::repo::planted::tree;

    fn check_link(link: &str, found: usize) {
        let page = format!("text\nsee [it]({link}) and more");
        let tree = tree(&[("docs/a.md", &page), ("docs/adr/0001-x.md", ""), ("README.md", "")]);
        assert_eq!(places(check, &tree).len(), found, "{link}");
    }

    #[test]
    fn dead_links_are_found() {
        for link in ["b.md", "../docs/adr/0002-y.md", "adr/0001", "../../README.md"] {
            check_link(link, 1);
        }
    }

    #[test]
    fn living_links_and_other_sites_are_left_alone() {
        for link in
            ["a.md", "adr/0001-x.md#why", "../README.md", "adr", "adr/", "https://example.org/b.md", "#top"]
        {
            check_link(link, 0);
        }
    }
}
