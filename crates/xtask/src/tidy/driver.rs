//! SQL stands where rows are read and written, and nowhere else in the service.
//!
//! A string that begins like a statement is a statement, whatever function it is handed to.

use super::finding::Finding;
use super::names::Names;
use crate::repo::Tree;

pub(crate) const ID: &str = "driver";

/// Rooms of the service without a statement in them.
const ROOMS: &[&str] = &[
    "crates/nica-backend/src/agents",
    "crates/nica-backend/src/api",
    "crates/nica-backend/src/orchestrator",
];

/// First word and a word that must follow somewhere, so that prose is left alone.
const STATEMENTS: &[(&str, &[&str])] = &[
    ("SELECT", &["FROM", "NICA.", "NOW()", "1", "$1", "PG_"]),
    ("INSERT", &["INTO"]),
    ("UPDATE", &["SET"]),
    ("DELETE", &["FROM"]),
    ("WITH", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("CREATE", &["TABLE", "INDEX", "FUNCTION", "SCHEMA", "VIEW"]),
    ("ALTER", &["TABLE", "ROLE"]),
    ("DROP", &["TABLE", "INDEX", "SCHEMA"]),
    ("TRUNCATE", &["TABLE"]),
    ("COPY", &["FROM", "TO"]),
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    ROOMS.iter().flat_map(|room| judge(tree, room)).collect()
}

fn judge(tree: &Tree, room: &str) -> Vec<Finding> {
    let parent = format!("{room}.rs");
    let files = tree.under(room).chain(tree.file(&parent)).filter(|file| file.path.ends_with(".rs"));
    let mut findings = Vec::new();
    for file in files {
        for literal in Names::of(file).literals.into_iter().filter(|literal| is_statement(&literal.text)) {
            findings.push(Finding {
                rule: ID,
                path: file.path.clone(),
                line: literal.line,
                what: format!("SQL outside store/ and bus/: `{}`", shortened(&literal.text)),
                next: "put the statement into a function of crates/nica-backend/src/store".into(),
            });
        }
    }
    findings
}

/// Statements are written in capitals here; a sentence that begins with "Select" is prose.
fn is_statement(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let rest: Vec<String> = words.map(str::to_uppercase).collect();
    let second = |wanted: &&str| {
        rest.iter().any(|word| word == wanted || word.starts_with(wanted) && wanted.len() > 2)
    };
    STATEMENTS
        .iter()
        .any(|(verb, then)| (first == *verb || first == verb.to_lowercase()) && then.iter().any(second))
}

fn shortened(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::places;
    use super::*;
    use crate::repo::planted::tree;

    #[test]
    fn statements_are_told_from_prose() {
        let statements = [
            "SELECT id FROM note",
            "select id\nfrom note",
            "  UPDATE note SET text = $1",
            "INSERT INTO note VALUES ($1)",
            "WITH a AS (SELECT 1) SELECT * FROM a",
        ];
        for text in statements {
            assert!(is_statement(text), "{text}");
        }
        for text in ["Select a food from the list", "update the note", "with care", "", "delete", "drop by"] {
            assert!(!is_statement(text), "{text}");
        }
    }

    #[test]
    fn a_statement_in_a_room_without_sql_is_found() {
        for room in ROOMS {
            let path = format!("{room}/notes.rs");
            let tree = tree(&[(path.as_str(), "\nfn f() { q(\"SELECT id FROM note\"); }")]);
            assert_eq!(places(check, &tree), [format!("{path}:2")]);
        }
    }

    #[test]
    fn the_store_may_speak_sql() {
        let tree =
            tree(&[("crates/nica-backend/src/store/note.rs", "fn f() { q(\"SELECT id FROM note\"); }")]);
        assert_eq!(places(check, &tree), Vec::<String>::new());
    }
}
