//! A gate or a failure class is a recipe: one file, its registration, its cases, its section in the docs.
//!
//! The four must agree in both directions: a section about a gate that is gone is a finding too.

use super::finding::Finding;
use super::names::{Names, at};
use crate::repo::{File, Tree};
use std::collections::BTreeSet;

pub(crate) const ID: &str = "recipes";

struct Recipe {
    /// What one of them is called.
    kind: &'static str,
    folder: &'static str,
    docs: &'static str,
    /// Words that the tests must name, each at least once, whatever its case.
    cases: &'static [&'static str],
}

const RECIPES: &[Recipe] = &[
    Recipe {
        kind: "gate",
        folder: "crates/nica-engine/src/gates",
        docs: "docs/gates.md",
        cases: &["pass", "refuse", "inconclusive"],
    },
    Recipe {
        kind: "failure class",
        folder: "crates/nica-engine/src/track",
        docs: "docs/failures.md",
        cases: &[],
    },
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    RECIPES.iter().flat_map(|recipe| judge(tree, recipe)).collect()
}

fn judge(tree: &Tree, recipe: &Recipe) -> Vec<Finding> {
    let members: Vec<&File> =
        tree.under(recipe.folder).filter(|file| is_member(recipe, &file.path)).collect();
    let registry = format!("{}.rs", recipe.folder);
    let registered = tree.file(&registry).map(Names::of).unwrap_or_default();
    let sections = sections(tree.file(recipe.docs));
    let mut findings = Vec::new();
    for file in &members {
        let stem = stem(&file.path);
        if !registered
            .paths
            .iter()
            .any(|named| at(&named.text, stem) || named.text.contains(&format!("::{stem}::")))
        {
            findings.push(finding(
                &file.path,
                format!("{} `{}` is not registered", recipe.kind, id(stem)),
                format!("name it in the table of {registry}"),
            ));
        }
        if !sections.contains(&id(stem)) {
            findings.push(finding(
                &file.path,
                format!("{} `{}` is not explained", recipe.kind, id(stem)),
                format!("write a section `## {}` in {}", id(stem), recipe.docs),
            ));
        }
        findings.extend(missing_cases(tree, recipe, file));
    }
    let known: BTreeSet<String> = members.iter().map(|file| id(stem(&file.path))).collect();
    if !members.is_empty() {
        for section in sections.difference(&known) {
            findings.push(finding(
                recipe.docs,
                format!("a section about `{section}`, which is no {}", recipe.kind),
                format!("remove it, or write {}/{}.rs", recipe.folder, section.replace('-', "_")),
            ));
        }
    }
    findings
}

/// Tests stand in the file itself or in the folder beside it.
fn missing_cases(tree: &Tree, recipe: &Recipe, file: &File) -> Option<Finding> {
    let beside = file.path.trim_end_matches(".rs").to_string();
    let mut tested: Vec<String> =
        Names::of(file).in_tests.into_iter().map(|named| named.text.to_lowercase()).collect();
    tested.extend(tree.under(&beside).map(|data| data.text.to_lowercase()));
    if tested.is_empty() {
        let what = format!("{} `{}` has no test", recipe.kind, id(stem(&file.path)));
        return Some(finding(&file.path, what, "add its cases as a table".into()));
    }
    let missing: Vec<&str> =
        recipe.cases.iter().copied().filter(|case| !tested.iter().any(|text| text.contains(case))).collect();
    (!missing.is_empty()).then(|| {
        let what = format!(
            "{} `{}` has no case that ends in {}",
            recipe.kind,
            id(stem(&file.path)),
            missing.join(", ")
        );
        finding(&file.path, what, "add the missing rows to its table of cases".into())
    })
}

fn is_member(recipe: &Recipe, path: &str) -> bool {
    let rest = &path[recipe.folder.len() + 1..];
    rest.ends_with(".rs") && !rest.contains('/') && rest != "tests.rs"
}

/// `## id` headings of a page; deeper and other headings are prose.
fn sections(page: Option<&File>) -> BTreeSet<String> {
    let lines = page.map(|page| page.text.lines()).into_iter().flatten();
    let headings = lines.filter_map(|line| line.strip_prefix("## "));
    headings.map(|heading| heading.trim().trim_matches('`').to_string()).collect()
}

fn stem(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs")
}

fn id(stem: &str) -> String {
    stem.replace('_', "-")
}

fn finding(path: &str, what: String, next: String) -> Finding {
    Finding { rule: ID, path: path.to_string(), line: 0, what, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::planted::tree;

    const GATE: &str = "crates/nica-engine/src/gates/ci_green.rs";
    const CASES: &str =
        "#[cfg(test)] mod tests { fn t() { check(1, Verdict::Pass); refuse(); inconclusive(); } }";
    const TABLE: &str = "mod ci_green; const ALL: &[Gate] = &[ci_green::GATE];";

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        check(&tree(files)).into_iter().map(|finding| finding.what).collect()
    }

    fn gate<'a>(code: &'a str, table: &'a str, docs: &'a str) -> Vec<String> {
        found(&[(GATE, code), ("crates/nica-engine/src/gates.rs", table), ("docs/gates.md", docs)])
    }

    #[test]
    fn four_parts_that_agree_are_left_alone() {
        assert_eq!(gate(CASES, TABLE, "# Gates\n\n## ci-green\n\n### more\n"), Vec::<String>::new());
        assert_eq!(found(&[("docs/gates.md", "## ci-green")]), Vec::<String>::new());
    }

    #[test]
    fn each_missing_part_is_found() {
        assert_eq!(gate(CASES, "mod ci_green;", "## ci-green"), ["gate `ci-green` is not registered"]);
        assert_eq!(
            gate(CASES, TABLE, "## other"),
            ["gate `ci-green` is not explained", "a section about `other`, which is no gate"]
        );
        assert_eq!(gate("fn f() {}", TABLE, "## ci-green"), ["gate `ci-green` has no test"]);
        let no_refuse = CASES.replace("refuse();", "");
        assert_eq!(
            gate(&no_refuse, TABLE, "## ci-green"),
            ["gate `ci-green` has no case that ends in refuse"]
        );
    }

    #[test]
    fn cases_may_lie_beside_the_gate() {
        let data = ("crates/nica-engine/src/gates/ci_green/cases.toml", "pass refuse inconclusive");
        let table = ("crates/nica-engine/src/gates.rs", TABLE);
        assert_eq!(found(&[(GATE, ""), data, table, ("docs/gates.md", "## ci-green")]), Vec::<String>::new());
    }

    #[test]
    fn failure_classes_are_recipes_too() {
        let class = ("crates/nica-engine/src/track/crash_loop.rs", "fn f() {}");
        assert_eq!(found(&[class]).len(), 3);
    }
}
