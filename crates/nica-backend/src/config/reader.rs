//! Reads variables one by one and keeps every mistake, so that nobody has to start the program five times.

use super::Lookup;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// One variable that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub variable: &'static str,
    /// Reads after the variable's name: `has 8 bytes, at least 32 are needed`.
    pub what: String,
    /// What to do about it.
    pub next: String,
}

/// All mistakes of one reading, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.0.iter().enumerate() {
            // Whoever prints it writes `error: ` before the first.
            let start = if n == 0 { "" } else { "\nerror: " };
            write!(f, "{start}failed to read configuration: {} {}", mistake.variable, mistake.what)?;
            write!(f, "\n  = next: {}", mistake.next)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// What was said about a secret.
pub(super) enum Given {
    Value(String),
    Nothing,
    /// Told as a mistake already.
    Wrong,
}

pub(super) struct Reader<'a> {
    lookup: Lookup<'a>,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: Lookup<'a>) -> Reader<'a> {
        Reader { lookup, mistakes: Vec::new() }
    }

    /// The value, or everything that was wrong while reading it.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Mistakes> {
        if self.mistakes.is_empty() { Ok(value) } else { Err(Mistakes(self.mistakes)) }
    }

    pub(super) fn mistake(
        &mut self,
        variable: &'static str,
        what: impl Into<String>,
        next: impl Into<String>,
    ) {
        self.mistakes.push(Mistake { variable, what: what.into(), next: next.into() });
    }

    pub(super) fn text(&self, variable: &str) -> Option<String> {
        (self.lookup)(variable)
    }

    /// A secret: the variable itself, or what stands in the file that `<VARIABLE>_FILE` names.
    pub(super) fn secret(&mut self, variable: &'static str) -> Given {
        let by_file = format!("{variable}_FILE");
        match (self.text(variable), self.text(&by_file)) {
            (Some(_), Some(_)) => {
                self.mistake(
                    variable,
                    format!("is set, and so is {by_file}"),
                    format!("unset {variable} or {by_file}"),
                );
                Given::Wrong
            }
            (Some(value), None) => Given::Value(value),
            (None, None) => Given::Nothing,
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(text) => Given::Value(text.trim_end_matches(['\r', '\n']).to_string()),
                Err(error) => {
                    let next = format!("let {by_file} name a file with the value that user can read");
                    self.mistake(variable, format!("cannot be read from {path}: {error}"), next);
                    Given::Wrong
                }
            },
        }
    }

    /// A whole number inside `range`; a mistake counts as the default, so that reading goes on.
    pub(super) fn number(&mut self, variable: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(text) = self.text(variable) else { return default };
        match text.parse::<u64>() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let next = format!(
                    "set {variable} to a whole number from {} to {}; the default is {default}",
                    range.start(),
                    range.end()
                );
                self.mistake(variable, format!("is `{text}`"), next);
                default
            }
        }
    }

    pub(super) fn millis(
        &mut self,
        variable: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_millis(self.number(variable, default, range))
    }

    pub(super) fn size(
        &mut self,
        variable: &'static str,
        default: usize,
        range: RangeInclusive<u64>,
    ) -> usize {
        let number = self.number(variable, default as u64, range);
        usize::try_from(number).unwrap_or(default)
    }
}
