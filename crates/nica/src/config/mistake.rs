//! A mistake in a file, and how it reads: place, line, caret, cause and what to write instead.

use super::file::File;
use nica_engine::finding::Place;
use std::fmt;
use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub place: Place,
    /// `unknown key `sok``
    pub says: String,
    /// The line of the file.
    pub line: String,
    /// How many characters the caret underlines.
    pub width: usize,
    /// The cause, beside the caret.
    pub cause: String,
    pub next: String,
}

/// At least one, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistakes(pub Vec<Mistake>);

impl Mistake {
    pub(super) fn new(file: &File<'_>, span: Range<usize>, says: impl Into<String>) -> Mistake {
        Mistake {
            place: file.place(span.start),
            says: says.into(),
            line: file.line(span.start).to_string(),
            width: file.width(&span),
            cause: String::new(),
            next: String::new(),
        }
    }

    /// Blots out what the caret underlines, and all behind it.
    pub(super) fn hidden(mut self) -> Mistake {
        self.line = self.line.chars().take(self.place.column as usize - 1).chain(['…']).collect();
        self.width = 1;
        self
    }

    pub(super) fn cause(mut self, cause: impl Into<String>) -> Mistake {
        self.cause = cause.into();
        self
    }

    pub(super) fn next(mut self, next: impl Into<String>) -> Mistake {
        self.next = next.into();
        self
    }
}

impl Mistakes {
    pub(super) fn sorted(mut mistakes: Vec<Mistake>) -> Mistakes {
        mistakes.sort_by(|a, b| a.place.cmp(&b.place));
        mistakes.dedup();
        Mistakes(mistakes)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.place.line.to_string();
        let margin = " ".repeat(number.len());
        let indent: String = self.line.chars().take(self.place.column as usize - 1).map(blank).collect();
        let carets = "^".repeat(self.width);
        writeln!(f, "error: {}", self.says)?;
        writeln!(f, "{margin}--> {}", self.place)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.line)?;
        writeln!(f, "{margin} | {}", format!("{indent}{carets} {}", self.cause).trim_end())?;
        write!(f, "{margin} = next: {}", self.next)
    }
}

/// A tab stays a tab, so that the caret stands under its character.
fn blank(c: char) -> char {
    if c == '\t' { '\t' } else { ' ' }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.0 {
            writeln!(f, "{mistake}\n")?;
        }
        match self.0.len() {
            1 => write!(f, "1 mistake; nothing was done"),
            n => write!(f, "{n} mistakes; nothing was done"),
        }
    }
}

impl std::error::Error for Mistakes {}

/// The nearest of the known words, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |k: &str| strsim::osa_distance(&word.to_lowercase(), &k.to_lowercase());
    let near = known.into_iter().map(|k| (distance(k), k)).filter(|(d, k)| *d <= 1 + k.len() / 4);
    near.min().map(|(_, k)| k)
}

/// `write `soak``, or all that could be written.
pub(super) fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(near) => format!("write `{near}`"),
        None => {
            let mut known: Vec<String> = known.into_iter().map(|k| format!("`{k}`")).collect();
            known.sort();
            match known.as_slice() {
                [] => "remove it".into(),
                [one] => format!("write {one}"),
                [rest @ .., last] => format!("write one of {} or {last}", rest.join(", ")),
            }
        }
    }
}
