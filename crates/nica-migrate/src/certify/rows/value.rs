//! One value for a column, as SQL: of its type, different for each row, and by its checks where they name values.

use super::Column;
use crate::catalog::literal;
use crate::lexer::{self, Kind};

/// The first guess is the type's own; the others come from the checks. None where the type is not known.
pub(super) fn of(column: &Column, row: u32, guess: usize) -> Option<String> {
    if let Some((table, key)) = &column.parent {
        let some = format!("{row} % greatest((SELECT count(*) FROM {table}), 1)");
        return Some(format!("(SELECT {key} FROM {table} ORDER BY ctid OFFSET {some} LIMIT 1)"));
    }
    let guesses = from_checks(column);
    let text = match (guess, guesses.len()) {
        (0, _) | (_, 0) => natural(column, row)?,
        (guess, many) => guesses[(guess - 1) % many].clone(),
    };
    Some(format!("{}::{}", literal(&text), column.kind))
}

fn natural(column: &Column, row: u32) -> Option<String> {
    if !column.labels.is_empty() {
        return Some(column.labels[row as usize % column.labels.len()].clone());
    }
    let (day, minute) = (1 + row % 28, row % 60);
    let text = match column.base.as_str() {
        "boolean" => row.is_multiple_of(2).to_string(),
        "uuid" => format!("00000000-0000-4000-8000-{row:012}"),
        "date" => format!("2026-{:02}-{day:02}", 1 + row / 28 % 12),
        "time without time zone" | "time with time zone" => format!("10:{minute:02}"),
        "interval" => format!("{row} hours"),
        "json" | "jsonb" => format!("{{\"n\": {row}}}"),
        "bytea" => format!("\\x{row:08x}"),
        "inet" | "cidr" => format!("10.0.{}.{}", row / 256 % 256, row % 256),
        "macaddr" => format!("08:00:2b:00:{:02x}:{:02x}", row / 256 % 256, row % 256),
        "xml" => format!("<n>{row}</n>"),
        "point" => format!("({row},{row})"),
        "bit" | "bit varying" => "1".to_string(),
        base if base.starts_with("timestamp") => {
            format!("2026-{:02}-{day:02} 10:{minute:02}", 1 + row / 28 % 12)
        }
        base if base.ends_with("range") && column.category == "R" => "empty".to_string(),
        _ => match column.category.as_str() {
            "N" => row.to_string(),
            // Short ones are cut from the right: the number stays.
            "S" => format!("{row}n"),
            "A" => "{}".to_string(),
            _ if column.base == "tsvector" => format!("n{row}"),
            _ => return None,
        },
    };
    Some(text)
}

/// Words and numbers that stand in the checks, and what a length or a bound next to a number asks for.
fn from_checks(column: &Column) -> Vec<String> {
    let mut guesses = Vec::new();
    for token in column.checks.values().flat_map(|check| lexer::tokens(check).unwrap_or_default()) {
        match token.kind {
            Kind::Text => {
                let text = token.text.trim_matches('\'').replace("''", "'");
                let lengths = text.split(['{', ',', '}']).filter_map(|part| part.parse().ok()).map(digits);
                guesses.extend(lengths.collect::<Vec<_>>());
                guesses.push(text);
            }
            Kind::Number if column.category == "N" => {
                let number: f64 = token.text.parse().unwrap_or_default();
                guesses.extend([number, number + 1.0, number - 1.0].map(|n| n.to_string()));
            }
            Kind::Number => guesses.push(digits(token.text.parse().unwrap_or(1))),
            _ => {}
        }
    }
    guesses
}

/// So many of them: what a length or a pattern of digits asks for.
fn digits(length: usize) -> String {
    "1".repeat(length.clamp(1, 200))
}
