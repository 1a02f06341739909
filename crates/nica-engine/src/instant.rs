//! A point in time, as data: what the database's clock said when something was observed.
//!
//! Nothing here reads a clock. The written form is RFC 3339 in UTC with milliseconds, one text per instant, so
//! that records which hold times have one hash.

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Milliseconds since 1970, UTC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instant(i64);

#[derive(Debug, thiserror::Error)]
#[error("parse instant `{0}`: the form is 2026-11-25T08:54:00.000Z")]
pub struct NotAnInstant(String);

impl Instant {
    /// Refused outside the years that can be written, so that printing never fails.
    pub fn from_unix_ms(ms: i64) -> Option<Instant> {
        Timestamp::from_millisecond(ms).ok().map(|_| Instant(ms))
    }

    pub fn unix_ms(self) -> i64 {
        self.0
    }

    /// Time from `earlier` to here; zero when `earlier` is later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Stops at the last instant that can be written.
    pub fn plus(self, span: Duration) -> Instant {
        let ms = self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
        Instant(ms.min(Timestamp::MAX.as_second() * 1000))
    }

    /// For people: `2026-11-25 08:54`, UTC.
    pub fn to_minute(self) -> String {
        self.timestamp().to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string()
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).expect("every constructor checked the range")
    }
}

impl TryFrom<String> for Instant {
    type Error = NotAnInstant;

    /// Only the one written form: two texts for one instant would be two hashes for one record.
    fn try_from(text: String) -> Result<Self, NotAnInstant> {
        let parsed = text.parse::<Timestamp>().ok().map(|t| Instant(t.as_millisecond()));
        parsed.filter(|i| i.to_string() == text).ok_or(NotAnInstant(text))
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> String {
        instant.to_string()
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.timestamp())
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_per_instant() {
        let check = |text: &str, ok: bool| {
            assert_eq!(Instant::try_from(text.to_string()).is_ok(), ok, "{text}");
        };
        check("2026-11-25T08:54:00.000Z", true);
        check("2026-11-25T08:54:00Z", false);
        check("2026-11-25T09:54:00.000+01:00", false);
        check("yesterday", false);
    }

    #[test]
    fn time_never_runs_backwards_or_over_the_end() {
        let at = |ms| Instant::from_unix_ms(ms).unwrap();
        assert_eq!(at(5).since(at(7)), Duration::ZERO);
        assert_eq!(at(7).since(at(5)), Duration::from_millis(2));
        assert!(at(0).plus(Duration::MAX).to_string().starts_with("9999-"));
        assert_eq!(Instant::from_unix_ms(i64::MAX), None);
    }
}
