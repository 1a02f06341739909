//! `Mon-Thu 09:00-17:00`: hours of the week. Hours that end at or before they begin go over midnight and belong to the day
//! on which they begin.

use jiff::civil::{Time, Weekday};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    /// Monday is 0; a span may go over Sunday.
    first: u8,
    last: u8,
    /// Minutes of the day; the end is the first minute that is closed, 1440 for the day's end.
    from: u16,
    until: u16,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` are no hours: {why}; write them like Mon-Thu 09:00-17:00")]
pub struct NotHours {
    text: String,
    why: String,
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY: u16 = 24 * 60;

impl Hours {
    pub(super) fn from(&self) -> Time {
        time(self.from)
    }

    pub(super) fn contain(&self, day: Weekday, at: Time) -> bool {
        let day = day.to_monday_zero_offset() as u8;
        let minute = at.hour() as u16 * 60 + at.minute() as u16;
        let yesterday = (day + 6) % 7;
        if self.from < self.until {
            return self.on(day) && (self.from..self.until).contains(&minute);
        }
        (self.on(day) && minute >= self.from) || (self.on(yesterday) && minute < self.until)
    }

    fn on(&self, day: u8) -> bool {
        (day + 7 - self.first) % 7 <= (self.last + 7 - self.first) % 7
    }

    fn parse(text: &str) -> Result<Hours, String> {
        let (days, hours) = text.split_once(' ').ok_or("a day and hours are needed")?;
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let (from, until) = hours.split_once('-').ok_or_else(|| format!("`{hours}` has no end"))?;
        let (from, until) = (minutes(from)?, minutes(until)?);
        if from == DAY {
            return Err("nothing begins at 24:00".to_string());
        }
        Ok(Hours { first: weekday(first)?, last: weekday(last)?, from, until })
    }
}

fn weekday(text: &str) -> Result<u8, String> {
    let found = DAYS.iter().position(|day| *day == text);
    let found = found.ok_or_else(|| format!("`{text}` is none of {}", DAYS.join(", ")))?;
    Ok(found as u8)
}

fn minutes(text: &str) -> Result<u16, String> {
    let read = |part: &str| (part.len() == 2).then(|| part.parse::<u16>().ok()).flatten();
    let (hour, minute) = text.split_once(':').unzip();
    match (hour.and_then(read), minute.and_then(read)) {
        (Some(24), Some(0)) => Ok(DAY),
        (Some(hour @ 0..24), Some(minute @ 0..60)) => Ok(hour * 60 + minute),
        _ => Err(format!("`{text}` is no time of a day")),
    }
}

fn time(minutes: u16) -> Time {
    Time::constant((minutes / 60) as i8, (minutes % 60) as i8, 0, 0)
}

impl TryFrom<String> for Hours {
    type Error = NotHours;

    fn try_from(text: String) -> Result<Hours, NotHours> {
        Hours::parse(&text).map_err(|why| NotHours { text, why })
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> String {
        hours.to_string()
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |n: u8| DAYS[usize::from(n)];
        let clock = |m: u16| format!("{:02}:{:02}", m / 60, m % 60);
        match self.first == self.last {
            true => write!(f, "{}", day(self.first))?,
            false => write!(f, "{}-{}", day(self.first), day(self.last))?,
        }
        write!(f, " {}-{}", clock(self.from), clock(self.until))
    }
}
