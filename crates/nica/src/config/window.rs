//! `window = { allow = […], freeze = […], zone = "…" }`: when a run may be opened.

use super::section::Section;
use nica_engine::window::{Days, Hours, Window};
use std::fmt::Display;

pub(super) fn read(section: &Section<'_>) -> Window {
    let window = Window {
        allow: texts::<Hours>(section, "allow", "Mon-Thu 09:00-17:00"),
        freeze: texts::<Days>(section, "freeze", "2026-12-24..2027-01-02"),
        zone: zone(section),
    };
    if window.allow.is_empty() && !section.has("allow") {
        section.missing("allow", "[\"Mon-Thu 09:00-17:00\"]");
    }
    section.finish();
    window
}

fn texts<T: TryFrom<String, Error: Display>>(
    section: &Section<'_>,
    key: &'static str,
    example: &str,
) -> Vec<T> {
    let read = |(text, place)| {
        let wrong = |error: T::Error| {
            let says = format!("`{key}` cannot be read");
            section.wrong_at(place, &says, &error.to_string(), &format!("write it like `{example}`"));
        };
        T::try_from(text).map_err(wrong).ok()
    };
    section.texts(key).into_iter().filter_map(read).collect()
}

/// Never the zone of the machine that happens to deploy.
fn zone(section: &Section<'_>) -> String {
    let zone = section.must_text("zone", "\"America/Sao_Paulo\"");
    if let (Err(error), false) = (Window::check_zone(&zone), zone.is_empty()) {
        section.wrong(
            "zone",
            &format!("`{zone}` is no time zone"),
            &error.to_string(),
            "write `America/Sao_Paulo`",
        );
    }
    zone
}
