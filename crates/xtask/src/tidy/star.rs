//! The service names its columns: no `SELECT *`, no `RETURNING *`.
//!
//! A prepared `SELECT *` fails after ADD COLUMN with "cached plan must not change result type" (seen on 15), and an
//! expand migration runs while the old release serves.

use super::finding::Finding;
use super::names::Names;
use crate::repo::Tree;

pub(crate) const ID: &str = "star";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.under("crates/nica-backend/src").filter(|file| file.path.ends_with(".rs")) {
        for literal in Names::of(file).literals.iter().filter(|literal| has_star(&literal.text)) {
            findings.push(finding(&file.path, literal.line));
        }
    }
    for file in tree.under("crates/nica-backend/src").filter(|file| file.path.ends_with(".sql")) {
        if has_star(&file.text) {
            findings.push(finding(&file.path, 0));
        }
    }
    findings
}

fn finding(path: &str, line: usize) -> Finding {
    Finding {
        rule: ID,
        path: path.to_string(),
        line,
        what: "every column by a star: fails when a migration adds one while this release serves".into(),
        next: "name the columns".into(),
    }
}

/// `SELECT *`, `SELECT DISTINCT *`, `RETURNING *`, `SELECT a.*`, `, a.*`; not `count(*)` and no product.
fn has_star(text: &str) -> bool {
    let upper = text.to_uppercase().replace(',', " , ").replace(['(', ')'], " | ");
    let words: Vec<&str> = upper.split_whitespace().collect();
    let sql = words.iter().any(|word| matches!(*word, "SELECT" | "RETURNING"));
    let whole_row = |word: &str| word.strip_suffix(".*").is_some_and(|table| !table.is_empty());
    sql && words.windows(2).any(|pair| {
        let lists = matches!(pair[0], "SELECT" | "DISTINCT" | "ALL" | "RETURNING" | ",");
        lists && (pair[1] == "*" || whole_row(pair[1]))
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::places;
    use super::*;
    use crate::repo::planted::tree;

    #[test]
    fn stars_are_told_from_products_and_counts() {
        for text in [
            "SELECT * FROM note",
            "select\n  * from note",
            "SELECT DISTINCT * FROM note",
            "INSERT INTO note VALUES ($1) RETURNING *",
            "SELECT n.* FROM note n",
            "SELECT a, n.* FROM note n",
            "SELECT id FROM (SELECT * FROM note) x",
        ] {
            assert!(has_star(text), "{text}");
        }
        for text in
            ["SELECT count(*) FROM note", "SELECT 2 * price FROM x", "a * b", "nothing", "Accept: */*"]
        {
            assert!(!has_star(text), "{text}");
        }
    }

    #[test]
    fn only_the_service_is_judged() {
        let text = "fn f() { q(\"SELECT * FROM note\"); }";
        let tree =
            tree(&[("crates/nica-backend/src/store/a.rs", text), ("crates/nica-migrate/src/a.rs", text)]);
        assert_eq!(places(check, &tree), ["crates/nica-backend/src/store/a.rs:1"]);
    }
}
