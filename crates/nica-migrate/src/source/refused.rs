//! What a migration file may not say.
//!
//! NICA holds the transaction: a COMMIT in a file would end it, and what follows would run unfenced and unrecorded.
//! NICA sets the limits: a file that lifts them would let users wait behind it. Outside a transaction only statements
//! are allowed whose end can be seen in the catalogue, so that a half-done one can be finished.

use super::{Backfill, Mistake};
use crate::lexer::{self, Kind, LexError, Statement, Token};

/// A statement that runs outside a transaction, by how its end is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lone {
    CreateIndex { name: String },
    DropIndex { name: String },
    Validate,
    Backfill(Backfill),
}

/// Settings that NICA makes, or whose change would make the reading of the file wrong.
const OURS: &[&str] = &[
    "role",
    "session_authorization",
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "client_connection_check_interval",
    "synchronous_commit",
    "application_name",
    "standard_conforming_strings",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
    "session_replication_role",
];

const TRANSACTION_WORDS: &[&[&str]] = &[
    &["begin"],
    &["start", "transaction"],
    &["commit"],
    &["end"],
    &["rollback"],
    &["abort"],
    &["savepoint"],
    &["release"],
    &["prepare", "transaction"],
];

pub(super) fn check(file: &str, sql: &str, transaction: bool) -> Vec<Mistake> {
    let statements = match lexer::split(sql) {
        Ok(statements) => statements,
        Err(LexError { line, what }) => return vec![Mistake::new(file, Some(line), what)],
    };
    let mut mistakes = Vec::new();
    for statement in &statements {
        mistakes.extend(refusal(statement).map(|(line, what)| Mistake::new(file, Some(line), what)));
    }
    match (statements.as_slice(), transaction) {
        ([], _) => mistakes.push(Mistake::new(file, None, "holds no statement")),
        ([one], false) => {
            mistakes.extend(lone(one).err().map(|what| Mistake::new(file, Some(one.line), what)))
        }
        ([_, second, ..], false) => {
            let what = "outside a transaction there is one statement per file; move this one to a migration of its own";
            mistakes.push(Mistake::new(file, Some(second.line), what));
        }
        (many, true) => mistakes.extend(many.iter().filter_map(|s| needs_no_transaction(file, s))),
    }
    mistakes
}

/// The first thing that is refused, with its line.
fn refusal(statement: &Statement<'_>) -> Option<(usize, String)> {
    let first = statement.sql().next()?;
    if TRANSACTION_WORDS.iter().any(|words| statement.begins(words)) {
        let word = first.text.to_uppercase();
        return Some((first.line, format!("{word} is NICA's: it begins and commits around the whole file")));
    }
    if statement.begins(&["copy"]) && statement.sql().any(|t| t.is("stdin")) {
        return Some((first.line, "COPY FROM STDIN has no input here; use INSERT or a seed".to_string()));
    }
    let tokens: Vec<_> = statement.sql().copied().collect();
    setting(&tokens).or_else(|| statement.begins(&["do"]).then(|| inside_do(&tokens)).flatten())
}

/// SET, RESET and set_config of what is ours.
fn setting(tokens: &[Token<'_>]) -> Option<(usize, String)> {
    let first = tokens.first()?;
    let sets = first.is("set") || first.is("reset") || first.is("discard");
    if let Some(name) = sets.then(|| set_name(&tokens[1..])).flatten() {
        let verb = first.text.to_uppercase();
        return Some((
            first.line,
            format!("{verb} {name} is NICA's: limits and roles are set around the file"),
        ));
    }
    let call = tokens.iter().position(|t| t.is("set_config"))?;
    let named = tokens[call..].iter().find(|t| t.kind == Kind::Text)?;
    let name = named.text.trim_matches('\'').to_ascii_lowercase();
    let ours = OURS.contains(&name.as_str());
    ours.then(|| {
        (named.line, format!("set_config('{name}') is NICA's: limits and roles are set around the file"))
    })
}

/// What a SET is about, when it is ours.
fn set_name(tokens: &[Token<'_>]) -> Option<String> {
    let skip = usize::from(tokens.first().is_some_and(|t| t.is("local") || t.is("session")));
    // SESSION AUTHORIZATION and SESSION CHARACTERISTICS are no scope.
    let words = |at: usize| tokens.get(at).and_then(Token::name).unwrap_or_default();
    match words(skip).as_str() {
        "authorization" | "characteristics" => Some(format!("SESSION {}", words(skip).to_uppercase())),
        "session" if words(skip + 1) == "authorization" => Some("SESSION AUTHORIZATION".to_string()),
        "transaction" => Some("TRANSACTION".to_string()),
        "all" => Some("ALL".to_string()),
        name => OURS.contains(&name).then(|| name.to_string()),
    }
}

/// The body of a DO runs now, so it is read too. (A body of CREATE FUNCTION runs later, under its caller.)
fn inside_do(tokens: &[Token<'_>]) -> Option<(usize, String)> {
    let body = tokens.iter().find(|t| t.kind == Kind::Dollar)?;
    let start = body.text[1..].find('$')? + 2;
    let inner = lexer::tokens(&body.text[start..body.text.len() - start]).ok()?;
    let at = |token: &Token<'_>| body.line + token.line - 1;
    let ends = inner.iter().find(|t| t.is("commit") || t.is("rollback"));
    if let Some(token) = ends {
        return Some((
            at(token),
            format!("{} inside DO is NICA's: it commits around the file", token.text.to_uppercase()),
        ));
    }
    let statements = inner.split(|t| t.is_sign(";") || t.is("begin") || t.is("then") || t.is("loop"));
    statements.filter_map(setting).map(|(line, what)| (body.line + line - 1, what)).next()
}

/// Statements that Postgres refuses inside a transaction are refused here, with the way out.
fn needs_no_transaction(file: &str, statement: &Statement<'_>) -> Option<Mistake> {
    let concurrently = statement.sql().any(|t| t.is("concurrently"))
        && !statement.begins(&["refresh"])
        && !statement.begins(&["create", "function"]);
    let alone = concurrently || statement.begins(&["vacuum"]) || statement.directives().next().is_some();
    let what =
        "cannot run inside a transaction; write transaction = false into migration.toml and keep it alone";
    alone.then(|| Mistake::new(file, Some(statement.line), what))
}

/// How the one statement of a file outside a transaction is brought to its end.
///
/// # Errors
/// Statements whose end could not be seen after a crash.
pub fn lone(statement: &Statement<'_>) -> Result<Lone, String> {
    let tokens: Vec<_> = statement.sql().copied().collect();
    if let Some(directive) = statement.directives().next() {
        let backfill = Backfill::parse(directive.text)?;
        let update = statement.begins(&["update"]);
        return update.then_some(Lone::Backfill(backfill)).ok_or("a backfill is one UPDATE".to_string());
    }
    let unique = usize::from(tokens.get(1).is_some_and(|t| t.is("unique")));
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|t| t.is(word));
    if is(0, "create") && is(1 + unique, "index") && is(2 + unique, "concurrently") {
        return index_name(&tokens[3 + unique..]).map(|name| Lone::CreateIndex { name });
    }
    if is(0, "drop") && is(1, "index") && is(2, "concurrently") {
        return index_name(&tokens[3..]).map(|name| Lone::DropIndex { name });
    }
    if is(0, "alter") && is(1, "table") && is(tokens.len().wrapping_sub(3), "validate") {
        return Ok(Lone::Validate);
    }
    Err("outside a transaction only CREATE INDEX CONCURRENTLY, DROP INDEX CONCURRENTLY, ALTER TABLE … VALIDATE \
         CONSTRAINT and a backfill are known: of others nobody could tell after a crash how far they came"
        .to_string())
}

/// The name, schema and all as written, after an optional IF [NOT] EXISTS.
fn index_name(tokens: &[Token<'_>]) -> Result<String, String> {
    let mut rest = tokens;
    while let [first, tail @ ..] = rest
        && (first.is("if") || first.is("not") || first.is("exists"))
    {
        rest = tail;
    }
    let mut name = String::new();
    for pair in rest.chunks(2) {
        if pair[0].name().is_none() || pair[0].is("on") {
            break;
        }
        name.push_str(pair[0].text);
        match pair.get(1) {
            Some(dot) if dot.is_sign(".") => name.push('.'),
            Some(comma) if comma.is_sign(",") => return Err("one index per file".to_string()),
            _ => break,
        }
    }
    if name.is_empty() { Err("the index needs a name, to be found again".to_string()) } else { Ok(name) }
}
