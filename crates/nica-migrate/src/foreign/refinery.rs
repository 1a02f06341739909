//! refinery: `V<version>__<name>.sql`, and `U…` for files that may come late; both only go forward.
//!
//! The ledger keeps SipHash-1-3, with a key of zeros, over name, version and text as Rust hashes them; the version is
//! four bytes, or eight where refinery was built with `int8-versions`. Read from refinery-core 0.10.1, `src/runner.rs`
//! and `src/util.rs`.

use super::folder::{Part, Text, base, digits};
use crate::source::Mistake;
use siphasher::sip::SipHasher13;
use std::hash::{Hash, Hasher as _};

pub(super) fn part(file: &str, text: &str) -> Result<Part, Mistake> {
    let name = base(file);
    if name.ends_with(".rs") {
        let what = "is a migration in Rust, which NICA cannot read; write what it does as SQL";
        return Err(Mistake::new(file, None, what));
    }
    let (version, rest) = digits(name.strip_prefix(['V', 'U']).unwrap_or_default());
    let title = rest.strip_prefix("__").and_then(|rest| rest.strip_suffix(".sql"));
    let is_word = |title: &&str| !title.is_empty() && title.chars().all(|c| c.is_alphanumeric() || c == '_');
    let (Some(title), Ok(number)) = (title.filter(is_word), version.parse::<i64>()) else {
        let what =
            "is no migration of refinery: their names are V<version>__<name>.sql; rename it or move it away";
        return Err(Mistake::new(file, None, what));
    };
    Ok(Part {
        version: number.to_string(),
        name: Some(title.to_string()),
        number: number.unsigned_abs(),
        title: title.to_string(),
        up: Some(Text::whole(file, text)),
        down: None,
        transaction: true,
        checksums: checksums(title, number, text),
        stem: file.trim_end_matches(".sql").to_string(),
    })
}

fn checksums(name: &str, version: i64, sql: &str) -> Vec<String> {
    let short = i32::try_from(version).ok().map(|version| checksum(name, version, sql));
    short.into_iter().chain([checksum(name, version, sql)]).collect()
}

fn checksum(name: &str, version: impl Hash, sql: &str) -> String {
    let mut hasher = SipHasher13::new();
    name.hash(&mut hasher);
    version.hash(&mut hasher);
    sql.hash(&mut hasher);
    hasher.finish().to_string()
}
