//! `BEGIN; … COMMIT;` around a whole file says what NICA does anyway, so it is blanked out.
//!
//! A file that was applied cannot be edited any more, its checksum stands in a ledger. Places stay as they are, for the
//! lines of mistakes. A COMMIT anywhere else stays, and is refused as in every other file.

use crate::lexer::{self, Statement};

/// The text without such a frame.
pub(super) fn without(sql: &str) -> String {
    let statements = lexer::split(sql).unwrap_or_default();
    let [first, .., last] = statements.as_slice() else { return sql.to_string() };
    let opens =
        is(first, &[&["begin"], &["begin", "transaction"], &["begin", "work"], &["start", "transaction"]]);
    let closes = is(
        last,
        &[&["commit"], &["commit", "transaction"], &["commit", "work"], &["end"], &["end", "transaction"]],
    );
    if !(opens && closes) {
        return sql.to_string();
    }
    let mut bytes = sql.as_bytes().to_vec();
    for statement in [first, last] {
        let begin = statement.text.as_ptr() as usize - sql.as_ptr() as usize;
        let end = begin + statement.text.len();
        let semicolon =
            sql[end..].find(|c: char| !c.is_whitespace()).filter(|at| sql[end + at..].starts_with(';'));
        let end = semicolon.map_or(end, |at| end + at + 1);
        bytes[begin..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
    }
    String::from_utf8(bytes).expect("only whole statements of ASCII words were blanked")
}

/// Whether it is one of these and nothing more.
fn is(statement: &Statement<'_>, known: &[&[&str]]) -> bool {
    known.iter().any(|words| statement.sql().count() == words.len() && statement.begins(words))
}
