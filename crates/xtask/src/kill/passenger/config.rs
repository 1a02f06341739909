//! What the passenger reads from its environment, once.
#![allow(clippy::disallowed_methods, reason = "this is the config module")]

use std::path::PathBuf;

pub(crate) struct Config {
    /// `DATABASE_URL`, `postgresql:///DB?user=USER&host=FOLDER`.
    pub url: String,
    /// `PGAPPNAME`, set by the supervisor: the session's name.
    pub application_name: String,
    /// `GREETING`: `broken` is refused at start.
    pub greeting: String,
    /// `JOURNAL`: where acknowledged rows are told.
    pub journal: PathBuf,
}

pub(crate) fn read() -> Config {
    let value = |name: &str| std::env::var(name).unwrap_or_default();
    Config {
        url: value("DATABASE_URL"),
        application_name: value("PGAPPNAME"),
        greeting: value("GREETING"),
        journal: value("JOURNAL").into(),
    }
}
