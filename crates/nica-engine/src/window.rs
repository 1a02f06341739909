//! When an environment may be changed: hours of the week and days that are frozen, in the zone of the people who would
//! have to get up.
//!
//! Only opening a run asks. What is open is finished, forward or back, whatever the hour. Zones come from the copy
//! of the zone table that is part of the program, so that two machines never disagree.

mod hours;

pub use hours::{Hours, NotHours};

use crate::instant::Instant;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{ToSpan as _, Zoned};
use serde::{Deserialize, Serialize};
use std::fmt;

/// `window = { allow = ["Mon-Thu 09:00-17:00"], freeze = ["2026-12-24..2027-01-02"], zone = "America/Sao_Paulo" }`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// One of them is enough.
    pub allow: Vec<Hours>,
    /// Whole days on which nothing is opened, whatever `allow` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<Days>,
    /// A name of the IANA time zone database.
    pub zone: String,
}

/// From one day to another, both included; one day alone is both.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Days {
    first: Date,
    last: Date,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no day and no span of days: write it like 2026-12-24 or 2026-12-24..2027-01-02")]
pub struct NotDays(String);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone: write one of the IANA database, like America/Sao_Paulo")]
pub struct NoZone(String);

/// How far ahead an opening is looked for; a window that is closed for longer says no day.
const AHEAD_DAYS: i32 = 400;

impl Window {
    pub fn check_zone(zone: &str) -> Result<(), NoZone> {
        lookup(zone).map(drop)
    }

    pub fn is_open(&self, now: Instant) -> Result<bool, NoZone> {
        Ok(self.allows(&zoned(now, lookup(&self.zone)?)))
    }

    /// The first instant from `now` on at which this window is open.
    pub fn opens(&self, now: Instant) -> Result<Option<Instant>, NoZone> {
        let zone = lookup(&self.zone)?;
        let here = zoned(now, zone.clone());
        if self.allows(&here) {
            return Ok(Some(now));
        }
        let days = (0..=AHEAD_DAYS).filter_map(|ahead| here.date().checked_add(ahead.days()).ok());
        // A window opens where hours begin, or at midnight after a frozen day.
        let begins = |date: Date| {
            let midnight = std::iter::once(jiff::civil::Time::midnight());
            let times = midnight.chain(self.allow.iter().map(|hours| hours.from()));
            let mut times: Vec<_> =
                times.filter_map(|time| date.to_datetime(time).to_zoned(zone.clone()).ok()).collect();
            times.sort();
            times
        };
        let found = days.flat_map(begins).find(|at| *at > here && self.allows(at));
        Ok(found.and_then(|at| Instant::from_unix_ms(at.timestamp().as_millisecond())))
    }

    /// How `now` reads on a clock there: `Fri 16:20`.
    pub fn clock(&self, now: Instant) -> Result<String, NoZone> {
        Ok(zoned(now, lookup(&self.zone)?).strftime("%a %H:%M").to_string())
    }

    /// The day and hour there: `Mon 2026-11-30 09:00`.
    pub fn day(&self, at: Instant) -> Result<String, NoZone> {
        Ok(zoned(at, lookup(&self.zone)?).strftime("%a %Y-%m-%d %H:%M").to_string())
    }

    /// The frozen days that `now` falls into.
    pub fn frozen(&self, now: Instant) -> Result<Option<&Days>, NoZone> {
        let date = zoned(now, lookup(&self.zone)?).date();
        Ok(self.freeze.iter().find(|days| days.contain(date)))
    }

    fn allows(&self, at: &Zoned) -> bool {
        let free = !self.freeze.iter().any(|days| days.contain(at.date()));
        free && self.allow.iter().any(|hours| hours.contain(at.weekday(), at.time()))
    }
}

/// As nica.toml writes it.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours: Vec<String> = self.allow.iter().map(Hours::to_string).collect();
        write!(f, "{} ({})", hours.join(", "), self.zone)
    }
}

fn lookup(zone: &str) -> Result<TimeZone, NoZone> {
    TimeZoneDatabase::bundled().get(zone).map_err(|_| NoZone(zone.to_string()))
}

fn zoned(at: Instant, zone: TimeZone) -> Zoned {
    let timestamp = jiff::Timestamp::from_millisecond(at.unix_ms());
    timestamp.expect("every instant can be written").to_zoned(zone)
}

impl Days {
    fn contain(&self, date: Date) -> bool {
        (self.first..=self.last).contains(&date)
    }
}

impl TryFrom<String> for Days {
    type Error = NotDays;

    fn try_from(text: String) -> Result<Days, NotDays> {
        let (first, last) = text.split_once("..").unwrap_or((&text, &text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Days { first, last }),
            _ => Err(NotDays(text)),
        }
    }
}

impl From<Days> for String {
    fn from(days: Days) -> String {
        days.to_string()
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}..{}", self.first, self.last)
        }
    }
}

#[cfg(test)]
mod tests;
