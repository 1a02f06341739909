//! sqlx: `<version>_<name>.sql`, or a pair `.up.sql` and `.down.sql`; a first line `-- no-transaction`.
//!
//! The ledger keeps the SHA-384 of the up file, byte for byte. Read from sqlx 0.9.0, `sqlx-core/src/migrate/source.rs`
//! and `migration.rs`.

use super::folder::{Part, Text, base, digits};
use crate::source::Mistake;
use sha2::{Digest as _, Sha384};

pub(super) fn part(file: &str, text: &str) -> Result<Part, Mistake> {
    let name = base(file);
    let (version, rest) = digits(name);
    let title = rest.strip_prefix('_').and_then(|rest| rest.strip_suffix(".sql"));
    let number = version.parse::<i64>().ok().filter(|version| *version > 0);
    let (Some(title), Some(number)) = (title, number) else {
        let what = "is no migration of sqlx: their names are <version>_<name>.sql, with a version from 1; rename it or move it away";
        return Err(Mistake::new(file, None, what));
    };
    let whole = Some(Text::whole(file, text));
    let (title, up, down) = match (title.strip_suffix(".up"), title.strip_suffix(".down")) {
        (_, Some(title)) => (title, None, whole),
        (title_up, None) => (title_up.unwrap_or(title), whole, None),
    };
    Ok(Part {
        version: number.to_string(),
        name: Some(title.replace('_', " ")),
        number: number.unsigned_abs(),
        title: title.to_string(),
        up,
        down,
        transaction: !text.starts_with("-- no-transaction"),
        checksums: vec![hex::encode(Sha384::digest(text))],
        stem: file.trim_end_matches(".sql").trim_end_matches(".up").trim_end_matches(".down").to_string(),
    })
}
