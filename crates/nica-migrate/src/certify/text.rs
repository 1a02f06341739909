//! A migration's file as statements with places: where an error stands, and which tables a file empties by its words.
//!
//! What a statement does to the schema is measured; that it takes rows away is read, because the rows of a throw-away
//! database are not the ones that it would take.

use super::report::Place;
use crate::lexer::{self, Kind, Statement, Token};
use crate::runner::RunError;

/// `up.sql` or `down.sql` of one migration.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'static str,
    pub(super) sql: &'a str,
    /// Run as it stands; outside a transaction statements of ours stand around it.
    pub(super) verbatim: bool,
}

/// A table that a DELETE or TRUNCATE names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Emptied {
    /// As `Shape` names it.
    pub(super) table: String,
    pub(super) place: Place,
}

impl<'a> File<'a> {
    pub(super) fn statements(&self) -> Vec<Statement<'a>> {
        lexer::split(self.sql).expect("a migration's texts were split when it was read")
    }

    pub(super) fn place(&self, token_text: &str) -> Place {
        let offset = token_text.as_ptr() as usize - self.sql.as_ptr() as usize;
        self.place_at(offset)
    }

    fn place_at(&self, bytes: usize) -> Place {
        let before = &self.sql[..bytes];
        let start_of_line = before.rfind('\n').map_or(0, |at| at + 1);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            file: format!("migrations/{}/{}", self.id, self.name),
            line: count(before.matches('\n').count() + 1),
            column: count(before[start_of_line..].chars().count() + 1),
        }
    }

    /// Where a statement failed: the runner knows the line, the server perhaps the very word.
    pub(super) fn place_of(&self, error: &RunError) -> Option<Place> {
        let RunError::Statement { place, offset, .. } = error else { return None };
        let line: u32 = place.rsplit_once(':')?.1.parse().ok()?;
        let statements = self.statements();
        let word = |statement: &Statement<'a>| {
            let offset = offset.filter(|_| self.verbatim)?;
            let (at, _) = statement.text.char_indices().nth(offset as usize)?;
            Some(self.place(&statement.text[at..])).filter(|place| place.line == line)
        };
        let start = statements.iter().map(|s| self.place(s.text)).find(|place| place.line == line);
        let file = format!("migrations/{}/{}", self.id, self.name);
        statements.iter().find_map(word).or(start).or(Some(Place { file, line, column: 1 }))
    }

    pub(super) fn emptied(&self) -> Vec<Emptied> {
        let mut found = Vec::new();
        for statement in self.statements() {
            let tokens: Vec<_> = statement.sql().copied().collect();
            found.extend(self.named(&tokens));
            let body = tokens.iter().find(|t| t.kind == Kind::Dollar).filter(|_| statement.begins(&["do"]));
            let inner = body.and_then(|body| lexer::tokens(inside(body.text)).ok()).unwrap_or_default();
            found.extend(self.named(&inner));
        }
        found
    }

    fn named(&self, tokens: &[Token<'_>]) -> Vec<Emptied> {
        let mut found = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            let first = at == 0 || [";", "(", ")"].iter().any(|s| tokens[at - 1].is_sign(s));
            let after_word = at > 0 && ["begin", "then", "loop", "else"].iter().any(|w| tokens[at - 1].is(w));
            let rest = match tokens.get(at + 1) {
                Some(from) if token.is("delete") && from.is("from") => &tokens[at + 2..],
                Some(_) if token.is("truncate") && (first || after_word) => &tokens[at + 1..],
                _ => continue,
            };
            let all = if token.is("truncate") { usize::MAX } else { 1 };
            let place = self.place(token.text);
            found.extend(tables(rest, all).into_iter().map(|table| Emptied { table, place: place.clone() }));
        }
        found
    }
}

fn inside(dollar_quoted: &str) -> &str {
    let tag = dollar_quoted[1..].find('$').map_or(0, |end| end + 2);
    &dollar_quoted[tag..dollar_quoted.len() - tag]
}

/// `[TABLE] [ONLY] a, b.c *`
fn tables(tokens: &[Token<'_>], most: usize) -> Vec<String> {
    let mut names = vec![String::new()];
    for token in tokens {
        let name = names.last_mut().expect("never empty");
        match token.name() {
            _ if token.is_sign(",") => names.push(String::new()),
            _ if token.is_sign(".") => name.push('.'),
            _ if token.is_sign("*") || token.is("only") => {}
            Some(_) if token.is("table") && name.is_empty() => {}
            Some(part) if name.is_empty() || name.ends_with('.') => name.push_str(&part),
            _ => break,
        }
    }
    let shown = |name: String| name.strip_prefix("public.").map(str::to_string).unwrap_or(name);
    names.into_iter().filter(|n| !n.is_empty()).take(most).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: &[&str]) {
        let file = File { id: "0001_x", name: "down.sql", sql, verbatim: true };
        let shown = |e: Emptied| format!("{} {}:{}", e.table, e.place.line, e.place.column);
        assert_eq!(file.emptied().into_iter().map(shown).collect::<Vec<_>>(), expected, "{sql}");
    }

    #[test]
    fn tables_that_lose_rows_are_read_from_the_words() {
        check("DELETE FROM note", &["note 1:1"]);
        check("SELECT 1;\n  DELETE FROM ONLY app.note AS n WHERE true", &["app.note 2:3"]);
        check("TRUNCATE TABLE public.a, \"B c\" CASCADE", &["a 1:1", "B c 1:1"]);
        check("WITH gone AS (DELETE FROM a RETURNING *) SELECT count(*) FROM gone", &["a 1:15"]);
        check("DO $x$\nBEGIN\n  DELETE FROM a; TRUNCATE b;\nEND $x$", &["a 3:3", "b 3:18"]);
        check("CREATE TRIGGER t AFTER DELETE ON a EXECUTE FUNCTION f()", &[]);
        check("CREATE TRIGGER t BEFORE TRUNCATE ON a EXECUTE FUNCTION f()", &[]);
        check("GRANT DELETE, TRUNCATE ON a TO b; ALTER TABLE a DROP x", &[]);
        check("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM a $$", &[]);
        check("CREATE TABLE b (a int REFERENCES a ON DELETE CASCADE)", &[]);
    }
}
