//! No file holds the marks of a merge that nobody finished.
//!
//! A source with them does not compile, but a page, a migration or a seed file would travel on.

use super::finding::Finding;
use crate::repo::Tree;

pub(crate) const ID: &str = "conflicts";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate().filter(|(_, line)| is_mark(line)) {
            findings.push(Finding {
                rule: ID,
                path: file.path.clone(),
                line: number + 1,
                what: format!("the mark of an unfinished merge: `{line}`"),
                next: "decide which side stays, and take the marks out".into(),
            });
        }
    }
    findings
}

/// Seven times the same sign; the line of equal signs alone may underline a heading, so it needs no finding.
fn is_mark(line: &str) -> bool {
    ["<", ">", "|"]
        .iter()
        .any(|sign| line.strip_prefix(&sign.repeat(7)).is_some_and(|rest| rest.starts_with(' ')))
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::places;
    use super::*;
    use crate::repo::planted::tree;

    #[test]
    fn marks_are_told_from_arrows_and_headings() {
        let marks = ["<", ">", "|"].map(|sign| format!("{} main", sign.repeat(7)));
        let text = format!("Title\n=======\n{}\n>>> quoted\n<<<<<<<<<\n", marks.join("\n"));
        assert_eq!(
            places(check, &tree(&[("docs/a.md", &text)])),
            ["docs/a.md:3", "docs/a.md:4", "docs/a.md:5"]
        );
    }
}
