//! No file of the project speaks of one machine: no home folder, no place of a checkout.

use super::finding::Finding;
use crate::repo::Tree;

pub(crate) const ID: &str = "paths";

/// Written in halves, so that this file does not find itself.
const PLACES: &[&str] =
    &[concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(place) = PLACES.iter().find(|place| names(line, place)) {
                findings.push(Finding {
                    rule: ID,
                    path: file.path.clone(),
                    line: number + 1,
                    what: format!("a place on one machine: `{place}`"),
                    next: "find it at run time, or take it from the configuration".into(),
                });
            }
        }
    }
    findings
}

/// At the beginning of a path: `.../root/x` inside a longer path is somebody else's folder.
fn names(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '}' | '*'))
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::places;
    use super::*;
    use crate::repo::planted::tree;

    #[test]
    fn a_machine_s_folder_is_found() {
        for place in PLACES {
            let text = format!("ok\npath = \"{place}x\"");
            assert_eq!(places(check, &tree(&[("docs/a.md", &text)])), ["docs/a.md:2"]);
        }
    }

    #[test]
    fn folders_inside_other_paths_are_left_alone() {
        for place in PLACES {
            let text = format!("https://example.org{place}x and target{place}y");
            assert_eq!(places(check, &tree(&[("docs/a.md", &text)])), Vec::<String>::new());
        }
    }
}
