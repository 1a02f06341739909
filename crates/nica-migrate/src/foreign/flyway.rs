//! Flyway: `V<version>__<name>.sql`, `U…` to go back, `R__<name>.sql` again whenever it changes.
//!
//! The ledger keeps the CRC-32 of a file's lines without their ends and without a byte order mark. A version has parts
//! (`1_2` is 1.2); an id has room for three of them: the first as it is, then two digits each. Read from Flyway 10.22,
//! `ChecksumCalculator`, `MigrationVersion` and the reference pages on migrations and placeholders.

use super::folder::{Part, Text, base};
use crate::lexer;
use crate::source::{self, Lone, Mistake};

/// Whether refinery would not take a file of this name.
pub(super) fn only_mine(name: &str) -> bool {
    let version = name.split("__").next().unwrap_or_default();
    name.starts_with("R__") || name.starts_with('B') || version.contains(['.', '_'])
}

/// `settings` is the script's own file of them.
pub(super) fn part(file: &str, text: &str, settings: &str) -> Result<Part, Mistake> {
    let wrong = |what: String| Mistake::new(file, None, what);
    let (name, says) = (base(file), |what: &str| settings.lines().any(|l| l.replace(' ', "") == what));
    let plain = name.trim_end_matches(".sql");
    let (version, title) = plain.split_once("__").unwrap_or((plain, ""));
    let parts = match version.split_at_checked(1) {
        Some(("V" | "U", version)) => parts(version),
        Some(("R", "")) => return Err(wrong(repeatable(title))),
        Some(("B", _)) => return Err(wrong("is a baseline migration, of which nobody can tell what it stands for; name it V… where it made the schema".into())),
        _ => None,
    };
    let Some(parts) = parts.filter(|_| !title.is_empty()) else {
        return Err(wrong("is no migration of Flyway: their names are V<version>__<name>.sql; callbacks are not taken over: rename it or move it away".into()));
    };
    let number = number(&parts).map_err(wrong)?;
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !says("placeholderReplacement=false") {
        placeholder(file, bare)?;
    }
    let (up, down) = match name.starts_with('U') {
        true => (None, Some(Text::whole(file, bare))),
        false => (Some(Text::whole(file, bare)), None),
    };
    Ok(Part {
        version: dotted(&parts),
        name: Some(title.replace('_', " ")),
        number,
        title: title.to_string(),
        up,
        down,
        transaction: !runs_alone(bare) && !says("executeInTransaction=false"),
        checksums: vec![checksum(text).to_string()],
        stem: file.trim_end_matches(".sql").to_string(),
    })
}

fn repeatable(title: &str) -> String {
    format!(
        "is applied again whenever it changes, which cannot be carried over; copy its text to V…__{title}.sql, let Flyway \
         apply that, and delete this file"
    )
}

/// `1_2` and `1.02` are the same version: numbers, without zeros at the end.
pub(super) fn parts(version: &str) -> Option<Vec<u64>> {
    let parts: Result<Vec<u64>, _> = version.split(['.', '_']).map(str::parse).collect();
    let mut parts = parts.ok()?;
    while parts.len() > 1 && parts.last() == Some(&0) {
        parts.pop();
    }
    Some(parts)
}

pub(super) fn dotted(parts: &[u64]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

fn number(parts: &[u64]) -> Result<u64, String> {
    let part = |at: usize| parts.get(at).copied().unwrap_or(0);
    let fits = parts.len() <= 3 && part(1) <= 99 && part(2) <= 99;
    let number = part(0).checked_mul(10_000).and_then(|first| first.checked_add(part(1) * 100 + part(2)));
    fits.then_some(number).flatten().ok_or_else(|| {
        format!(
            "version {} does not fit into an id: there is room for three parts, of which the second and the third go to 99",
            dotted(parts)
        )
    })
}

/// Empty lines and line ends count for nothing, so that the sum is the same on every system.
fn checksum(text: &str) -> i32 {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut crc = crc32fast::Hasher::new();
    text.split(['\r', '\n']).for_each(|line| crc.update(line.as_bytes()));
    crc.finalize().cast_signed()
}

/// Flyway puts values in their place, so the file does not say what was applied.
fn placeholder(file: &str, text: &str) -> Result<(), Mistake> {
    let Some(at) = text.find("${") else { return Ok(()) };
    let name = text[at..].split_inclusive('}').next().unwrap_or("${");
    let line = text[..at].matches('\n').count() + 1;
    let name = name.lines().next().unwrap_or(name);
    let what =
        format!("{name} is filled in by Flyway, so the file does not say what was applied; write the value");
    Err(Mistake::new(file, Some(line), what))
}

/// Flyway itself sees such a statement and leaves the transaction away.
fn runs_alone(text: &str) -> bool {
    let statements = lexer::split(text).unwrap_or_default();
    let [one] = statements.as_slice() else { return false };
    matches!(source::lone(one), Ok(Lone::CreateIndex { .. } | Lone::DropIndex { .. }))
}
