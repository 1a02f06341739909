//! What a plain word means in a manifest: as kubectl reads it, which is YAML 1.1.
//!
//! `on` is a truth, 0644 an octal number; a reader of YAML 1.2 would take a text and a decimal and change a file's mode
//! without a word. Source: the resolver of go-yaml 2, which sigs.k8s.io/yaml carries.

use serde_json::{Number, Value};

const TRUE: [&str; 11] = ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"];
const FALSE: [&str; 11] = ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"];
const NULL: [&str; 5] = ["", "~", "null", "Null", "NULL"];
const NO_JSON: [&str; 12] =
    [".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN"];

/// None for what JSON has no word for.
pub(super) fn plain(word: &str) -> Option<Value> {
    match word {
        _ if NO_JSON.contains(&word) => None,
        _ if TRUE.contains(&word) => Some(true.into()),
        _ if FALSE.contains(&word) => Some(false.into()),
        _ if NULL.contains(&word) => Some(Value::Null),
        _ => Some(number(word).map_or_else(|| word.into(), Value::Number)),
    }
}

fn number(word: &str) -> Option<Number> {
    if !word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    whole(&word.replace('_', "")).or_else(|| broken(word))
}

fn whole(word: &str) -> Option<Number> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let (base, digits) = based(digits);
    if !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    let number = u64::from_str_radix(digits, base).ok()?;
    match negative {
        false => Some(number.into()),
        true => i64::try_from(-i128::from(number)).ok().map(Number::from),
    }
}

fn based(digits: &str) -> (u32, &str) {
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    match lower.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    }
}

/// Digits with a point or an exponent; whole values are written without a point, as Go writes them to JSON.
fn broken(word: &str) -> Option<Number> {
    let plain = word.trim_start_matches(['+', '-']);
    let digits = plain.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if !digits || plain.len() + 1 < word.len() || !plain.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value: f64 = word.parse().ok().filter(|v: &f64| v.is_finite())?;
    if value.fract() == 0.0 && value.abs() < 1e15 {
        Some((value as i64).into())
    } else {
        Number::from_f64(value)
    }
}
