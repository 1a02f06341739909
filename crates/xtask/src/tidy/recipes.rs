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
    /// Files of the folder that are something else.
    others: &'static [&'static str],
    /// Ends that the cases must reach, each with the text that shows it in a test.
    ends: &'static [(&'static str, &'static str)],
}

const RECIPES: &[Recipe] = &[
    Recipe {
        kind: "gate",
        folder: "crates/nica-engine/src/gates",
        docs: "docs/gates.md",
        others: &["input.rs", "testing.rs", "tests.rs"],
        // A gate that passes has nothing to say.
        ends: &[("pass", "&[]"), ("refuse", "refuse["), ("inconclusive", "inconclusive[")],
    },
    Recipe {
        kind: "failure class",
        folder: "crates/nica-engine/src/track",
        docs: "docs/failures.md",
        others: &["tests.rs"],
        ends: &[],
    },
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    RECIPES.iter().flat_map(|recipe| judge(tree, recipe)).collect()
}

fn judge(tree: &Tree, recipe: &Recipe) -> Vec<Finding> {
    let members: Vec<Member<'_>> =
        tree.under(recipe.folder).filter_map(|file| Member::of(recipe, file)).collect();
    let registry = tree.file(&format!("{}.rs", recipe.folder)).map(Names::of).unwrap_or_default();
    let sections = sections(tree.file(recipe.docs));
    let mut findings = Vec::new();
    for member in &members {
        findings.extend(member.unregistered(&registry));
        findings.extend(member.unexplained(&sections));
        findings.extend(member.untested(tree));
    }
    findings.extend(stale(recipe, &members, &sections));
    findings
}

struct Member<'a> {
    recipe: &'a Recipe,
    file: &'a File,
    stem: &'a str,
    /// As it is written in the docs and in commands.
    id: String,
}

impl<'a> Member<'a> {
    fn of(recipe: &'a Recipe, file: &'a File) -> Option<Member<'a>> {
        let name = &file.path[recipe.folder.len() + 1..];
        let stem = name.strip_suffix(".rs").filter(|stem| !stem.contains('/'))?;
        (!recipe.others.contains(&name)).then(|| Member { recipe, file, stem, id: stem.replace('_', "-") })
    }

    fn unregistered(&self, registry: &Names) -> Option<Finding> {
        let inner = format!("::{}::", self.stem);
        let named = |path: &str| at(path, self.stem) || path.contains(&inner);
        let registered = registry.paths.iter().any(|path| named(&path.text));
        let next = format!("name it in the table of {}.rs", self.recipe.folder);
        (!registered).then(|| self.finding("is not registered", next))
    }

    fn unexplained(&self, sections: &BTreeSet<String>) -> Option<Finding> {
        let next = format!("write a section `## {}` in {}", self.id, self.recipe.docs);
        (!sections.contains(&self.id)).then(|| self.finding("is not explained", next))
    }

    /// Cases stand in the file's tests or in the folder beside it.
    fn untested(&self, tree: &Tree) -> Option<Finding> {
        let beside = self.file.path.trim_end_matches(".rs");
        let mut cases: Vec<&str> = tree.under(beside).map(|data| data.text.as_str()).collect();
        cases.extend(self.file.text.split_once("#[cfg(test)]").map(|(_, tests)| tests));
        if cases.is_empty() {
            return Some(self.finding("has no test", "add its cases as a table".into()));
        }
        let reached = |sign: &str| cases.iter().any(|text| text.contains(sign));
        let missing: Vec<&str> =
            self.recipe.ends.iter().filter(|(_, sign)| !reached(sign)).map(|(end, _)| *end).collect();
        let what = format!("has no case that ends in {}", missing.join(", "));
        (!missing.is_empty())
            .then(|| self.finding(&what, "add the missing rows to its table of cases".into()))
    }

    fn finding(&self, what: &str, next: String) -> Finding {
        let what = format!("{} `{}` {what}", self.recipe.kind, self.id);
        Finding { rule: ID, path: self.file.path.clone(), line: 0, what, next }
    }
}

/// Sections about what does not exist. A page that was written before its folder waits for it.
fn stale(recipe: &Recipe, members: &[Member<'_>], sections: &BTreeSet<String>) -> Vec<Finding> {
    let known: BTreeSet<String> = members.iter().map(|member| member.id.clone()).collect();
    let stale = sections.difference(&known).filter(|_| !known.is_empty());
    stale
        .map(|section| Finding {
            rule: ID,
            path: recipe.docs.to_string(),
            line: 0,
            what: format!("a section about `{section}`, which is no {}", recipe.kind),
            next: format!("remove it, or write {}/{}.rs", recipe.folder, section.replace('-', "_")),
        })
        .collect()
}

/// `## id` headings of a page; deeper and other headings are prose.
fn sections(page: Option<&File>) -> BTreeSet<String> {
    let lines = page.map(|page| page.text.lines()).into_iter().flatten();
    let headings = lines.filter_map(|line| line.strip_prefix("## "));
    headings.map(|heading| heading.trim().trim_matches('`').to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::planted::tree;

    const GATE: &str = "crates/nica-engine/src/gates/ci_green.rs";
    const CASES: &str =
        "#[cfg(test)] mod tests { fn t() { gate(&[]); gate(\"refuse[x]\"); gate(\"inconclusive[x]\"); } }";
    const TABLE: &str = "mod ci_green; const ALL: &[Gate] = &[ci_green::GATE];";

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        check(&tree(files)).into_iter().map(|finding| finding.what).collect()
    }

    fn gate(code: &str, table: &str, docs: &str) -> Vec<String> {
        found(&[(GATE, code), ("crates/nica-engine/src/gates.rs", table), ("docs/gates.md", docs)])
    }

    #[test]
    fn four_parts_that_agree_are_left_alone() {
        assert_eq!(gate(CASES, TABLE, "# Gates\n\n## ci-green\n\n### more\n"), Vec::<String>::new());
        assert_eq!(found(&[("docs/gates.md", "## ci-green")]), Vec::<String>::new());
        assert_eq!(found(&[("crates/nica-engine/src/gates/input.rs", "")]), Vec::<String>::new());
    }

    #[test]
    fn each_missing_part_is_found() {
        assert_eq!(gate(CASES, "mod ci_green;", "## ci-green"), ["gate `ci-green` is not registered"]);
        let stale = ["gate `ci-green` is not explained", "a section about `other`, which is no gate"];
        assert_eq!(gate(CASES, TABLE, "## other"), stale);
        assert_eq!(gate("fn f() {}", TABLE, "## ci-green"), ["gate `ci-green` has no test"]);
    }

    #[test]
    fn each_end_needs_a_case() {
        for (sign, end) in
            [("&[]", "pass"), ("\"refuse[x]\"", "refuse"), ("\"inconclusive[x]\"", "inconclusive")]
        {
            let found = gate(&CASES.replace(sign, ""), TABLE, "## ci-green");
            assert_eq!(found, [format!("gate `ci-green` has no case that ends in {end}")]);
        }
    }

    #[test]
    fn cases_may_lie_beside_the_gate() {
        let data = ("crates/nica-engine/src/gates/ci_green/cases.txt", "&[] refuse[x] inconclusive[x]");
        let table = ("crates/nica-engine/src/gates.rs", TABLE);
        assert_eq!(found(&[(GATE, ""), data, table, ("docs/gates.md", "## ci-green")]), Vec::<String>::new());
    }

    #[test]
    fn failure_classes_are_recipes_too() {
        let class = ("crates/nica-engine/src/track/crash_loop.rs", "fn f() {}");
        assert_eq!(found(&[class]).len(), 3);
    }
}
