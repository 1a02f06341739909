//! dbmate: `<version>_<name>.sql` with `-- migrate:up` and `-- migrate:down`, each with `transaction:false` if wanted.
//!
//! The ledger keeps versions alone: no checksum tells whether a file was edited after it was applied. Read from dbmate
//! 2.36.0, `pkg/dbmate/migration.go` and `db.go`.

use super::folder::{Part, Text, base, digits};
use crate::source::Mistake;

/// A line that begins a block.
struct Mark<'a> {
    is_up: bool,
    options: &'a str,
    /// Where the line begins, and how many stand before it.
    at: usize,
    line: usize,
}

pub(super) fn is_mine(text: &str) -> bool {
    marks(text).iter().any(|mark| mark.is_up)
}

pub(super) fn part(file: &str, text: &str) -> Result<Part, Mistake> {
    let name = base(file);
    let (version, rest) = digits(name);
    let (Ok(number), Some(title)) = (version.parse::<u64>(), rest.strip_suffix(".sql")) else {
        let what =
            "is no migration of dbmate: their names are <version>_<name>.sql; rename it or move it away";
        return Err(Mistake::new(file, None, what));
    };
    let (up, down) = blocks(file, text)?;
    let block = |from: &Mark<'_>, to: usize| Text {
        file: file.to_string(),
        lines_before: from.line,
        sql: text[from.at..to].to_string(),
    };
    Ok(Part {
        version: version.to_string(),
        name: None,
        number,
        title: title.to_string(),
        up: Some(block(&up, down.at)),
        down: Some(block(&down, text.len())),
        transaction: !up.options.split_whitespace().any(|option| option == "transaction:false"),
        checksums: Vec::new(),
        stem: file.trim_end_matches(".sql").to_string(),
    })
}

/// One up and one down, in this order, and nothing before them.
fn blocks<'a>(file: &str, text: &'a str) -> Result<(Mark<'a>, Mark<'a>), Mistake> {
    let wrong = |line: usize, what: &str| Err(Mistake::new(file, Some(line + 1), what));
    let mut marks = marks(text).into_iter();
    let (up, down) = match (marks.next(), marks.next(), marks.next()) {
        (Some(up), Some(down), None) if up.is_up && !down.is_up => (up, down),
        (_, _, Some(third)) => {
            return wrong(
                third.line,
                "begins a second section; NICA knows one up and one down: move it to a file of its own",
            );
        }
        (Some(first), Some(_), None) => {
            return wrong(first.line, "one `-- migrate:up` comes first, then one `-- migrate:down`");
        }
        (Some(first), None, None) if first.is_up => {
            return wrong(first.line, "`-- migrate:down` is missing; add it, empty if there is no way back");
        }
        (first, _, _) => {
            return wrong(
                first.map_or(0, |mark| mark.line),
                "`-- migrate:up` is missing; add it before the statements",
            );
        }
    };
    let before = text[..up.at]
        .lines()
        .position(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--"));
    match before {
        Some(line) => {
            wrong(line, "a statement stands before `-- migrate:up`, where dbmate refuses it; move it below")
        }
        None => Ok((up, down)),
    }
}

fn marks(text: &str) -> Vec<Mark<'_>> {
    let mut at = 0;
    let mut found = Vec::new();
    for (line, whole) in text.split_inclusive('\n').enumerate() {
        let said = whole.strip_prefix("--").and_then(|rest| rest.trim_start().strip_prefix("migrate:"));
        for (word, is_up) in [("up", true), ("down", false)] {
            let options = said.and_then(|rest| rest.strip_prefix(word));
            if let Some(options) = options.filter(|o| o.chars().next().is_none_or(char::is_whitespace)) {
                found.push(Mark { is_up, options, at, line });
            }
        }
        at += whole.len();
    }
    found
}
