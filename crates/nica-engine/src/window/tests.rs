//! Days, hours, freezes and the two hours of a year that a clock skips or repeats.

use super::*;

fn window(allow: &[&str], freeze: &[&str], zone: &str) -> Window {
    let hours = |text: &&str| Hours::try_from(text.to_string()).unwrap();
    let days = |text: &&str| Days::try_from(text.to_string()).unwrap();
    Window {
        allow: allow.iter().map(hours).collect(),
        freeze: freeze.iter().map(days).collect(),
        zone: zone.to_string(),
    }
}

/// As an RFC 3339 text.
fn at(text: &str) -> Instant {
    Instant::from_unix_ms(text.parse::<jiff::Timestamp>().unwrap().as_millisecond()).unwrap()
}

#[test]
fn hours_are_those_of_the_zone() {
    let office = window(&["Mon-Thu 09:00-17:00", "Fri 09:00-16:00"], &[], "America/Sao_Paulo");
    let check = |now: &str, open: bool| assert_eq!(office.is_open(at(now)), Ok(open), "{now}");
    // 2026-11-25 is a Wednesday; São Paulo is three hours behind UTC.
    check("2026-11-25T12:00:00Z", true);
    check("2026-11-25T11:59:59Z", false);
    check("2026-11-25T19:59:59Z", true);
    check("2026-11-25T20:00:00Z", false);
    check("2026-11-27T18:59:59Z", true);
    check("2026-11-27T19:00:00Z", false);
    check("2026-11-28T15:00:00Z", false);
    // Still Thursday there.
    check("2026-11-27T02:00:00Z", false);
}

#[test]
fn hours_over_midnight_belong_to_the_day_they_begin_on() {
    let night = window(&["Sun 22:00-02:00"], &[], "UTC");
    let check = |now: &str, open: bool| assert_eq!(night.is_open(at(now)), Ok(open), "{now}");
    check("2026-11-29T22:00:00Z", true);
    check("2026-11-30T01:59:00Z", true);
    check("2026-11-30T02:00:00Z", false);
    check("2026-11-29T01:00:00Z", false);
    let weekend = window(&["Sat-Mon 00:00-24:00"], &[], "UTC");
    let days = ["2026-11-27", "2026-11-28", "2026-11-29", "2026-11-30", "2026-12-01"];
    let open = days.map(|day| weekend.is_open(at(&format!("{day}T23:59:59Z"))).unwrap());
    assert_eq!(open, [false, true, true, true, false]);
}

#[test]
fn it_says_when_it_opens() {
    let check = |allow: &[&str], freeze: &[&str], zone: &str, now: &str, expected: Option<&str>| {
        let window = window(allow, freeze, zone);
        let opens = window.opens(at(now)).unwrap();
        assert_eq!(opens, expected.map(at), "{window} at {now}");
        assert!(opens.is_none_or(|at| window.is_open(at).unwrap()));
    };
    let office = ["Mon-Thu 09:00-17:00"];
    let sao = "America/Sao_Paulo";
    check(&office, &[], sao, "2026-11-25T13:00:00Z", Some("2026-11-25T13:00:00Z"));
    check(&office, &[], sao, "2026-11-25T11:00:00Z", Some("2026-11-25T12:00:00Z"));
    check(&office, &[], sao, "2026-11-26T21:00:00Z", Some("2026-11-30T12:00:00Z"));
    let christmas = ["2026-12-24..2027-01-03"];
    check(&office, &christmas, sao, "2026-12-24T13:00:00Z", Some("2027-01-04T12:00:00Z"));
    // After a frozen day it opens at midnight where hours run through it.
    check(
        &["Mon-Sun 00:00-24:00"],
        &["2026-12-25"],
        "UTC",
        "2026-12-25T10:00:00Z",
        Some("2026-12-26T00:00:00Z"),
    );
    // 02:30 does not exist on 2027-03-28 in Berlin; the clock goes from 02:00 to 03:00.
    check(&["Sun 02:30-04:00"], &[], "Europe/Berlin", "2027-03-28T00:00:00Z", Some("2027-03-28T01:30:00Z"));
    check(&office, &["2026-01-01..2099-01-01"], sao, "2026-11-25T13:00:00Z", None);
}

#[test]
fn the_hour_that_comes_twice_is_open_twice() {
    let hour = window(&["Sun 02:00-03:00"], &[], "Europe/Berlin");
    let open = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"];
    assert_eq!(open.map(|now| hour.is_open(at(now)).unwrap()), [true, true, false]);
}

#[test]
fn what_is_written_is_read_again_and_mistakes_are_named() {
    let round = |text: &str| Hours::try_from(text.to_string()).map(|hours| hours.to_string());
    for text in ["Mon-Thu 09:00-17:00", "Fri 22:00-02:00", "Sat-Mon 00:00-24:00"] {
        assert_eq!(round(text).as_deref(), Ok(text));
    }
    let check = |text: &str, why: &str| {
        let expected = format!("`{text}` are no hours: {why}; write them like Mon-Thu 09:00-17:00");
        assert_eq!(round(text).unwrap_err().to_string(), expected);
    };
    check("Monday 09:00-17:00", "`Monday` is none of Mon, Tue, Wed, Thu, Fri, Sat, Sun");
    check("Mon", "a day and hours are needed");
    check("Mon 09:00", "`09:00` has no end");
    check("Mon 9:00-17:00", "`9:00` is no time of a day");
    check("Mon 09:00-17:60", "`17:60` is no time of a day");
    check("Mon 24:00-17:00", "nothing begins at 24:00");
    for days in ["2026-12-24", "2026-12-24..2027-01-02"] {
        assert_eq!(Days::try_from(days.to_string()).unwrap().to_string(), days);
    }
    for wrong in ["2026-02-30", "2027-01-02..2026-12-24", "Christmas"] {
        assert_eq!(Days::try_from(wrong.to_string()), Err(NotDays(wrong.to_string())));
    }
    let nowhere = window(&[], &[], "America/Sao_Paolo");
    assert_eq!(nowhere.is_open(at("2026-11-25T12:00:00Z")), Err(NoZone("America/Sao_Paolo".to_string())));
}
