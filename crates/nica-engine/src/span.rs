//! Lengths of time: as a policy writes them (`24h`), as people say them (`3 h 10 min`), as records keep them
//! (whole milliseconds, so that no float enters a hash).

use serde::{Deserialize, Deserializer, Serializer};
use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASpan {
    #[error("`{0}` has no unit: write a whole number with ms, s, m, h or d, like 10m")]
    NoUnit(String),
    #[error("`{0}` is no length of time: write a whole number with ms, s, m, h or d, like 10m")]
    Unreadable(String),
    #[error("`{0}` is longer than a hundred years")]
    TooLong(String),
}

/// `24h`, `10m`, `1s`, `500ms`, `30d`; `0` needs no unit.
pub fn parse(text: &str) -> Result<Duration, NotASpan> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(NotASpan::Unreadable(text.into()));
    }
    let factor = match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() && number == "0" => 0,
        None if unit.is_empty() => return Err(NotASpan::NoUnit(text.into())),
        None => return Err(NotASpan::Unreadable(text.into())),
    };
    let hundred_years = 100 * 366 * 86_400_000;
    let ms = number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).filter(|ms| *ms <= hundred_years);
    ms.map(Duration::from_millis).ok_or(NotASpan::TooLong(text.into()))
}

/// For people: the two largest units, `3 h 10 min`, `24 h`, `1.5 s`.
pub fn text(span: Duration) -> String {
    let secs = span.as_secs();
    let (hours, minutes) = (secs / 3_600, secs / 60);
    match secs {
        172_800.. => two(secs / 86_400, "d", hours % 24, "h"),
        3_600.. => two(hours, "h", minutes % 60, "min"),
        60.. => two(minutes, "min", secs % 60, "s"),
        _ if span.subsec_millis() == 0 => format!("{secs} s"),
        _ => format!("{} s", span.as_millis() as f64 / 1000.0),
    }
}

fn two(big: u64, unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {small_unit}"),
    }
}

/// `#[serde(with = "span")]`: whole milliseconds.
pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_write_whole_numbers_with_a_unit() {
        let ok = |text: &str, ms| assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        ok("24h", 86_400_000);
        ok("10m", 600_000);
        ok("1s", 1_000);
        ok("500ms", 500);
        ok("30d", 2_592_000_000);
        ok("0", 0);
        let bad = |text: &str, says: &str| assert_eq!(parse(text).unwrap_err().to_string(), says);
        bad("10", "`10` has no unit: write a whole number with ms, s, m, h or d, like 10m");
        bad("", "`` is no length of time: write a whole number with ms, s, m, h or d, like 10m");
        bad("1.5h", "`1.5h` is no length of time: write a whole number with ms, s, m, h or d, like 10m");
        bad("-1s", "`-1s` is no length of time: write a whole number with ms, s, m, h or d, like 10m");
        bad("10 m", "`10 m` is no length of time: write a whole number with ms, s, m, h or d, like 10m");
        bad("99999999999999999999s", "`99999999999999999999s` is longer than a hundred years");
        bad("18446744073709551615d", "`18446744073709551615d` is longer than a hundred years");
    }

    #[test]
    fn spans_read_as_people_say_them() {
        let check = |ms, expected: &str| assert_eq!(text(Duration::from_millis(ms)), expected);
        check(0, "0 s");
        check(1_500, "1.5 s");
        check(61_000, "1 min 1 s");
        check(600_000, "10 min");
        check(11_400_000, "3 h 10 min");
        check(86_400_000, "24 h");
        check(180_000_000, "2 d 2 h");
    }
}
