//! Which statements write rows: UPDATE, DELETE and TRUNCATE found by token, also inside WITH and DO. Read by the gate
//! `migration` and by lint rules; nothing is judged here.

use crate::lexer::{self, Kind, Statement, Token};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Update,
    Delete,
    Truncate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    pub verb: Verb,
    pub line: usize,
    /// A WHERE follows before the statement ends.
    pub has_where: bool,
}

/// Every write of the statement, in order.
pub fn writes(statement: &Statement<'_>) -> Vec<Write> {
    // Here the words name rights, events or what a rule is for.
    let named_only =
        [&["grant"][..], &["revoke"], &["create", "policy"], &["create", "trigger"], &["comment"]];
    if named_only.iter().any(|words| statement.begins(words)) || is_trigger(statement) {
        return Vec::new();
    }
    let tokens: Vec<_> = statement.sql().copied().collect();
    if statement.begins(&["do"]) { inside_do(&tokens) } else { in_tokens(&tokens, 0) }
}

fn is_trigger(statement: &Statement<'_>) -> bool {
    statement.begins(&["create"])
        && statement.sql().take(6).any(|t| t.is("trigger") || t.is("rule") || t.is("policy"))
}

fn inside_do(tokens: &[Token<'_>]) -> Vec<Write> {
    let Some(body) = tokens.iter().find(|t| t.kind == Kind::Dollar) else { return Vec::new() };
    let start = body.text[1..].find('$').map_or(0, |i| i + 2);
    let inner = lexer::tokens(&body.text[start..body.text.len() - start]).unwrap_or_default();
    in_tokens(&inner, body.line - 1)
}

fn in_tokens(tokens: &[Token<'_>], line_offset: usize) -> Vec<Write> {
    let mut found = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let Some(verb) = verb(token) else { continue };
        // ON DELETE, FOR UPDATE, DO UPDATE; a dot or comma makes it a name.
        let before = i.checked_sub(1).map(|p| tokens[p]);
        let name = before.is_some_and(|b| ["on", "for", "do", "or", "no", "key"].iter().any(|w| b.is(w)))
            || before.is_some_and(|b| b.is_sign(".") || b.is_sign(","));
        if name {
            continue;
        }
        let own = tokens[i..].iter().take_while(|t| !t.is_sign(";"));
        let has_where = own.into_iter().any(|t| t.is("where"));
        found.push(Write { verb, line: token.line + line_offset, has_where });
    }
    found
}

fn verb(token: &Token<'_>) -> Option<Verb> {
    [("update", Verb::Update), ("delete", Verb::Delete), ("truncate", Verb::Truncate)]
        .into_iter()
        .find_map(|(word, verb)| token.is(word).then_some(verb))
}
