//! `migration.toml`: what a migration says about itself, and whether that can be true.

use super::{Class, Mistake, Phase};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The file as it is written. A folder without one is an expand, sticky, in a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manifest {
    pub phase: Phase,
    pub class: Class,
    pub park: Vec<String>,
    pub transaction: bool,
    pub after: Option<String>,
}

/// What the attic keeps: a column of a table, or all of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Park {
    /// Found by the search path when absent.
    pub schema: Option<String>,
    pub table: String,
    /// None is the whole table.
    pub column: Option<String>,
}

/// `-- nica: backfill batch=5000 pause=50ms`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backfill {
    pub batch_rows: u32,
    pub pause: Duration,
}

impl Default for Manifest {
    fn default() -> Manifest {
        Manifest {
            phase: Phase::Expand,
            class: Class::Sticky,
            park: Vec::new(),
            transaction: true,
            after: None,
        }
    }
}

impl Manifest {
    pub(crate) fn parse(text: &str) -> Result<Manifest, String> {
        toml::from_str(text).map_err(|e| {
            let said = e.to_string().trim().to_string();
            match nearest(e.message()) {
                Some(near) => format!("{said}\nwrite `{near}`"),
                None => said,
            }
        })
    }

    pub(super) fn check(&self, id: &str, has_down: bool) -> Vec<Mistake> {
        let file = format!("{id}/migration.toml");
        let rules = [
            (!is_id(id), "the folder's name must be NNNN_name, of a-z, 0-9 and _"),
            (
                self.phase == Phase::Contract && self.class != Class::Sticky,
                "a contract is forward only: leave class away",
            ),
            (
                self.phase == Phase::Contract && !self.transaction,
                "a contract is one transaction: leave transaction away",
            ),
            (
                self.phase == Phase::Expand && self.class != Class::Sticky && !has_down,
                "only a sticky migration can do without down.sql",
            ),
            (
                self.class == Class::Parking && self.park.is_empty(),
                "class parking needs park = [\"table.column\"]",
            ),
            (self.class != Class::Parking && !self.park.is_empty(), "park needs class = \"parking\""),
            (self.class == Class::Parking && !self.transaction, "parking needs a transaction"),
        ];
        let broken = rules.into_iter().filter(|(broken, _)| *broken);
        broken.map(|(_, what)| Mistake::new(&file, None, what)).collect()
    }
}

/// The nearest of the words that serde would have liked: "unknown field `clas`, expected one of `phase`, `class`".
fn nearest(message: &str) -> Option<&str> {
    let message = message.strip_prefix("unknown ")?;
    let mut words = message.split('`').skip(1).step_by(2);
    let wrong = words.next()?;
    let near = words.map(|known| (strsim::osa_distance(wrong, known), known));
    near.filter(|(distance, known)| *distance <= 1 + known.len() / 4).min().map(|(_, known)| known)
}

fn is_id(id: &str) -> bool {
    let Some((number, name)) = id.split_once('_') else { return false };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (4..=18).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(plain)
}

impl Park {
    /// `table`, `table.column`, `schema.table.column`, `schema.table.*`.
    ///
    /// # Errors
    /// Any other shape.
    pub fn parse(text: &str) -> Result<Park, String> {
        let wrong =
            || format!("park `{text}` must be table, table.column, schema.table.column or schema.table.*");
        let parts: Vec<_> = text.split('.').collect();
        if parts.iter().any(|p| p.trim().is_empty()) {
            return Err(wrong());
        }
        let column = |c: &str| (c != "*").then(|| c.to_string());
        match parts[..] {
            [table] => Ok(Park { schema: None, table: table.to_string(), column: None }),
            [table, c] => Ok(Park { schema: None, table: table.to_string(), column: column(c) }),
            [schema, table, c] => {
                Ok(Park { schema: Some(schema.to_string()), table: table.to_string(), column: column(c) })
            }
            _ => Err(wrong()),
        }
    }

    pub(super) fn parse_all(id: &str, texts: &[String]) -> Result<Vec<Park>, Vec<Mistake>> {
        let (good, bad): (Vec<_>, Vec<_>) = texts.iter().map(|t| Park::parse(t)).partition(Result::is_ok);
        let file = format!("{id}/migration.toml");
        let mistakes: Vec<_> =
            bad.into_iter().filter_map(Result::err).map(|what| Mistake::new(&file, None, what)).collect();
        if mistakes.is_empty() { Ok(good.into_iter().flatten().collect()) } else { Err(mistakes) }
    }
}

impl fmt::Display for Park {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Park { schema, table, column } = self;
        match (schema, column) {
            (None, None) => write!(f, "{table}"),
            (None, Some(column)) => write!(f, "{table}.{column}"),
            (Some(schema), column) => write!(f, "{schema}.{table}.{}", column.as_deref().unwrap_or("*")),
        }
    }
}

impl TryFrom<String> for Park {
    type Error = String;

    fn try_from(text: String) -> Result<Park, String> {
        Park::parse(&text)
    }
}

impl From<Park> for String {
    fn from(park: Park) -> String {
        park.to_string()
    }
}

impl Backfill {
    pub(super) fn parse(directive: &str) -> Result<Backfill, String> {
        let mut words = directive.split_whitespace();
        if words.next() != Some("backfill") {
            return Err(format!(
                "`nica: {directive}` is unknown; known is backfill batch=ROWS pause=MILLISECONDSms"
            ));
        }
        let mut backfill = Backfill { batch_rows: 5000, pause: Duration::from_millis(50) };
        for word in words {
            let wrong = || format!("`{word}` is no setting of a backfill; write batch=5000 pause=50ms");
            let (name, value) = word.split_once('=').ok_or_else(wrong)?;
            match name {
                "batch" => backfill.batch_rows = value.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?,
                "pause" => {
                    let millis = value.strip_suffix("ms").and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
                    backfill.pause = Duration::from_millis(millis);
                }
                _ => return Err(wrong()),
            }
        }
        Ok(backfill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, next: Option<&str>) {
        let said = Manifest::parse(text).expect_err("it is wrong");
        assert_eq!(said.lines().last().filter(|line| line.starts_with("write ")), next, "{said}");
    }

    #[test]
    fn a_typing_mistake_gets_the_nearest_known_word() {
        check("clas = \"lossless\"", Some("write `class`"));
        check("class = \"parkin\"", Some("write `parking`"));
        check("phase = \"expnad\"", Some("write `expand`"));
        check("something_else = 1", None);
        check("park = 1", None);
    }
}
