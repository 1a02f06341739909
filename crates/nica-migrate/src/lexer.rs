//! SQL text into statements and tokens, as Postgres' own scanner cuts it.
//!
//! Knows quotes of every kind, nested comments and `BEGIN ATOMIC` bodies, and nothing of grammar. It assumes
//! `standard_conforming_strings = on`, which a migration file is not allowed to change. What a file may not say is
//! judged in `source/refused`, on these tokens.

mod scan;

use scan::Scanner;
use sha2::{Digest as _, Sha256};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword or a name without quotes.
    Word,
    /// `"name"`, with its quotes.
    Quoted,
    /// `'text'` and its prefixed forms, with its quotes.
    Text,
    /// `$tag$text$tag$`, whole.
    Dollar,
    Number,
    /// `$1`
    Parameter,
    /// An operator, a bracket or a comma.
    Sign,
    /// A comment that speaks to NICA: `-- nica: …`. Others are no tokens.
    Directive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// From 1.
    pub line: usize,
}

/// One statement without its semicolon; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// As written, from its first token to its last.
    pub text: &'a str,
    pub line: usize,
    pub tokens: Vec<Token<'a>>,
}

/// A text that does not end well. Reads after "failed to".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read SQL: line {line}: {what}")]
pub struct LexError {
    pub line: usize,
    pub what: &'static str,
}

impl Token<'_> {
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    /// A name as Postgres stores it: folded, or without its quotes.
    pub fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_lowercase()),
            Kind::Quoted => Some(self.text.trim_matches('"').replace("\"\"", "\"")),
            _ => None,
        }
    }
}

impl<'a> Statement<'a> {
    /// Tokens that the server sees.
    pub fn sql(&self) -> impl Iterator<Item = &Token<'a>> {
        self.tokens.iter().filter(|t| t.kind != Kind::Directive)
    }

    /// Whether it begins with these words.
    pub fn begins(&self, words: &[&str]) -> bool {
        let mut tokens = self.sql();
        words.iter().all(|word| tokens.next().is_some_and(|t| t.is(word)))
    }

    pub fn directives(&self) -> impl Iterator<Item = &Token<'a>> {
        self.tokens.iter().filter(|t| t.kind == Kind::Directive)
    }
}

/// # Errors
/// A quote, comment or bracket that is not closed, or a line for psql.
pub fn tokens(sql: &str) -> Result<Vec<Token<'_>>, LexError> {
    let mut scanner = Scanner::new(sql);
    let mut out = Vec::new();
    while let Some(token) = scanner.next()? {
        out.push(token);
    }
    Ok(out)
}

/// # Errors
/// As `tokens`.
pub fn split(sql: &str) -> Result<Vec<Statement<'_>>, LexError> {
    let mut statements = Vec::new();
    let mut current: Vec<Token<'_>> = Vec::new();
    let mut depth = Depth::default();
    for token in tokens(sql)? {
        if token.is_sign(";") && depth.is_outside() {
            statements.extend(statement(sql, std::mem::take(&mut current)));
            depth = Depth::default();
        } else {
            current.push(token);
            depth.see(&current);
        }
    }
    if let (false, Some(last)) = (depth.is_outside(), current.last()) {
        return Err(LexError { line: last.line, what: "a bracket or a BEGIN ATOMIC is not closed" });
    }
    statements.extend(statement(sql, current));
    Ok(statements)
}

/// None where there are only directives: nothing to run.
fn statement<'a>(sql: &'a str, tokens: Vec<Token<'a>>) -> Option<Statement<'a>> {
    let first = tokens.iter().find(|t| t.kind != Kind::Directive)?;
    let last = tokens.last()?;
    let offset = |text: &str| text.as_ptr() as usize - sql.as_ptr() as usize;
    let text = &sql[offset(first.text)..offset(last.text) + last.text.len()];
    Some(Statement { text, line: first.line, tokens })
}

/// Where a semicolon does not end the statement.
#[derive(Default)]
struct Depth {
    brackets: usize,
    /// `BEGIN ATOMIC … END`, and each CASE within.
    bodies: usize,
}

impl Depth {
    fn is_outside(&self) -> bool {
        self.brackets == 0 && self.bodies == 0
    }

    fn see(&mut self, tokens: &[Token<'_>]) {
        let [.., token] = tokens else { return };
        let after = |word| tokens.len() > 1 && tokens[tokens.len() - 2].is(word);
        match token.text {
            "(" | "[" if token.kind == Kind::Sign => self.brackets += 1,
            ")" | "]" if token.kind == Kind::Sign => self.brackets = self.brackets.saturating_sub(1),
            _ if token.is("atomic") && after("begin") => self.bodies += 1,
            _ if self.bodies > 0 && token.is("case") => self.bodies += 1,
            _ if token.is("end") => self.bodies = self.bodies.saturating_sub(1),
            _ => {}
        }
    }
}

/// SHA-256 of the text without what Postgres does not see: comments and the kind of white space. Directives count:
/// they change what is done.
///
/// # Errors
/// As `tokens`.
pub fn normalised_sha256(sql: &str) -> Result<String, LexError> {
    let mut hash = Sha256::new();
    for statement in split(sql)? {
        for token in &statement.tokens {
            hash.update(token.text.as_bytes());
            hash.update(if token.kind == Kind::Directive { b"\n" } else { b" " });
        }
        hash.update(b";\n");
    }
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests;
