//! One token after the other. Every character that means something is ASCII, so this walks over bytes; what it cuts
//! always lies between whole characters.

use super::{Kind, LexError, Token};

pub(super) struct Scanner<'a> {
    sql: &'a str,
    at: usize,
    line: usize,
}

const OPERATOR: &[u8] = b"+-*/<>=~!@#%^&|`?";

impl<'a> Scanner<'a> {
    pub(super) fn new(sql: &'a str) -> Scanner<'a> {
        Scanner { sql, at: 0, line: 1 }
    }

    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, LexError> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return Ok(None),
                (Some(b'-'), Some(b'-')) => {
                    if let Some(directive) = self.line_comment() {
                        return Ok(Some(directive));
                    }
                }
                (Some(b'/'), Some(b'*')) => self.block_comment()?,
                (Some(b), _) if b.is_ascii_whitespace() || b == 0x0b => self.advance(1),
                (Some(b), _) => return self.token(b).map(Some),
            }
        }
    }

    fn token(&mut self, first: u8) -> Result<Token<'a>, LexError> {
        match first {
            b'\'' => self.quoted(Kind::Text, b'\'', false, 1),
            b'"' => self.quoted(Kind::Quoted, b'"', false, 1),
            b'$' if self.peek(1).is_some_and(|b| b.is_ascii_digit()) => {
                Ok(self.run(Kind::Parameter, |b, i| i == 0 || b.is_ascii_digit()))
            }
            b'$' => self.dollar(),
            b'\\' => Err(self.error("a backslash command is for psql, not for the server")),
            _ if is_word_start(first) => self.word(),
            b'0'..=b'9' => Ok(self.number()),
            b'.' if self.peek(1) == Some(b'.') => Ok(self.cut(Kind::Sign, 2)),
            b'.' if self.peek(1).is_some_and(|b| b.is_ascii_digit()) => Ok(self.number()),
            _ if OPERATOR.contains(&first) => Ok(self.operator()),
            b':' if matches!(self.peek(1), Some(b':' | b'=')) => Ok(self.cut(Kind::Sign, 2)),
            _ => Ok(self.cut(Kind::Sign, 1)),
        }
    }

    /// `e'…'` knows backslashes; `u&'…'`, `b'…'`, `x'…'`, `n'…'` do not.
    fn word(&mut self) -> Result<Token<'a>, LexError> {
        let lower = |i: usize| self.peek(i).map(|b| b.to_ascii_lowercase());
        match (lower(0), lower(1), lower(2)) {
            (Some(b'e'), Some(b'\''), _) => self.quoted(Kind::Text, b'\'', true, 2),
            (Some(b'b' | b'x' | b'n'), Some(b'\''), _) => self.quoted(Kind::Text, b'\'', false, 2),
            (Some(b'u'), Some(b'&'), Some(b'\'')) => self.quoted(Kind::Text, b'\'', false, 3),
            (Some(b'u'), Some(b'&'), Some(b'"')) => self.quoted(Kind::Quoted, b'"', false, 3),
            _ => Ok(self.run(Kind::Word, |b, _| is_word_start(b) || b.is_ascii_digit() || b == b'$')),
        }
    }

    /// A doubled quote is a quote. `opening` is the length of prefix and first quote.
    fn quoted(
        &mut self,
        kind: Kind,
        quote: u8,
        backslash: bool,
        opening: usize,
    ) -> Result<Token<'a>, LexError> {
        let mut i = opening;
        loop {
            match self.peek(i) {
                None => return Err(self.error("a quote is not closed")),
                Some(b'\\') if backslash => i += 2,
                Some(b) if b == quote && self.peek(i + 1) == Some(quote) => i += 2,
                Some(b) if b == quote => return Ok(self.cut(kind, i + 1)),
                Some(_) => i += 1,
            }
        }
    }

    fn dollar(&mut self) -> Result<Token<'a>, LexError> {
        let rest = &self.sql[self.at..];
        let is_tag = |b: u8| is_word_start(b) || b.is_ascii_digit();
        let tag_end = rest.bytes().skip(1).position(|b| !is_tag(b)).map(|i| i + 1);
        let Some(tag) = tag_end.filter(|&i| rest.as_bytes()[i] == b'$').map(|i| &rest[..=i]) else {
            return Ok(self.cut(Kind::Sign, 1));
        };
        match rest[tag.len()..].find(tag) {
            Some(body) => Ok(self.cut(Kind::Dollar, body + 2 * tag.len())),
            None => Err(self.error("a dollar quote is not closed")),
        }
    }

    /// Two dots are no decimal point: `1..2` in a loop's range.
    fn number(&mut self) -> Token<'a> {
        let rest = &self.sql.as_bytes()[self.at..];
        let mut end = 0;
        while end < rest.len() {
            let fits = match rest[end] {
                b'.' => rest.get(end + 1) != Some(&b'.') && (end == 0 || rest[end - 1] != b'.'),
                b'+' | b'-' => matches!(rest[end - 1], b'e' | b'E') && !rest.starts_with(b"0x"),
                b => b.is_ascii_alphanumeric() || b == b'_',
            };
            if !fits {
                break;
            }
            end += 1;
        }
        self.cut(Kind::Number, end.max(1))
    }

    /// As long as it goes, but a comment begins wherever one can.
    fn operator(&mut self) -> Token<'a> {
        let rest = &self.sql.as_bytes()[self.at..];
        let end = (1..rest.len()).find(|&i| {
            !OPERATOR.contains(&rest[i]) || rest[i..].starts_with(b"--") || rest[i..].starts_with(b"/*")
        });
        self.cut(Kind::Sign, end.unwrap_or(rest.len()))
    }

    /// The comment as a token when it is a directive.
    fn line_comment(&mut self) -> Option<Token<'a>> {
        let rest = &self.sql[self.at..];
        let end = rest.find('\n').unwrap_or(rest.len());
        let token = self.cut(Kind::Directive, end);
        let text = token.text.trim_start_matches('-').trim();
        text.strip_prefix("nica:").map(|said| Token { text: said.trim(), ..token })
    }

    fn block_comment(&mut self) -> Result<(), LexError> {
        let mut depth = 0;
        let mut i = 0;
        loop {
            match (self.peek(i), self.peek(i + 1)) {
                (None, _) => return Err(self.error("a comment is not closed")),
                (Some(b'/'), Some(b'*')) => (depth, i) = (depth + 1, i + 2),
                (Some(b'*'), Some(b'/')) if depth == 1 => break,
                (Some(b'*'), Some(b'/')) => (depth, i) = (depth - 1, i + 2),
                _ => i += 1,
            }
        }
        self.advance(i + 2);
        Ok(())
    }

    fn run(&mut self, kind: Kind, fits: impl Fn(u8, usize) -> bool) -> Token<'a> {
        let rest = &self.sql.as_bytes()[self.at..];
        let end = rest.iter().enumerate().position(|(i, &b)| !fits(b, i)).unwrap_or(rest.len());
        self.cut(kind, end)
    }

    fn cut(&mut self, kind: Kind, bytes: usize) -> Token<'a> {
        let token = Token { kind, text: &self.sql[self.at..self.at + bytes], line: self.line };
        self.advance(bytes);
        token
    }

    fn advance(&mut self, bytes: usize) {
        let passed = &self.sql.as_bytes()[self.at..self.at + bytes];
        self.line += passed.iter().filter(|&&b| b == b'\n').count();
        self.at += bytes;
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.sql.as_bytes().get(self.at + ahead).copied()
    }

    fn error(&self, what: &'static str) -> LexError {
        LexError { line: self.line, what }
    }
}

fn is_word_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}
