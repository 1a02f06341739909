//! Where the rows are, and how long a request may wait for them.

use super::Replica;
use super::reader::{Given, Reader};
use nica_migrate::DbUrl;
use nica_migrate::connect::UrlError;
use std::path::Path;
use std::time::Duration;

/// Postgres cuts longer names, and a cut name would belong to another generation.
const SESSION_NAME_BYTES_MAX: usize = 63;

#[derive(Clone, Debug)]
pub struct Database {
    /// `DATABASE_URL`, or a file named by `DATABASE_URL_FILE`, no default:
    /// `postgresql://user:password@host/name?sslmode=verify-full`.
    pub url: DbUrl,
    /// `DB_POOL_MAX`, 10: connections that requests share.
    pub pool_max: usize,
    /// `DB_POOL_WAIT_MS`, 1000: how long a request waits for a free connection before it answers 503.
    pub pool_wait: Duration,
    /// `DB_CONNECT_TIMEOUT_MS`, 2000: how long a new connection may take.
    pub connect_timeout: Duration,
    /// `DB_STATEMENT_TIMEOUT_MS`, 5000: the longest statement; also bounds what an abandoned request still costs.
    pub statement_timeout: Duration,
    /// `PGAPPNAME`, `nica/<component>/<generation>`: the name of every session, by which a deployer sees who is
    /// still there.
    pub session_name: String,
}

impl Database {
    pub(super) fn read(reader: &mut Reader<'_>, replica: &Replica) -> Database {
        Database {
            url: url(reader),
            pool_max: reader.size("DB_POOL_MAX", 10, 1..=1_000),
            pool_wait: reader.millis("DB_POOL_WAIT_MS", 1_000, 1..=60_000),
            connect_timeout: reader.millis("DB_CONNECT_TIMEOUT_MS", 2_000, 50..=60_000),
            statement_timeout: reader.millis("DB_STATEMENT_TIMEOUT_MS", 5_000, 10..=600_000),
            session_name: session_name(reader, replica),
        }
    }
}

/// An unreadable address counts as one that leads nowhere, so that reading goes on.
pub(super) fn url(reader: &mut Reader<'_>) -> DbUrl {
    let next = "set DATABASE_URL to postgresql://USER:PASSWORD@HOST:5432/NAME; write /, ? and # of a password as \
                %2F, %3F and %23";
    match reader.secret("DATABASE_URL") {
        Given::Value(text) => match DbUrl::parse(&text) {
            Ok(url) => return url,
            Err(error) => reader.mistake("DATABASE_URL", wrong(&error), next),
        },
        Given::Nothing => reader.mistake("DATABASE_URL", "is not set", next),
        Given::Wrong => {}
    }
    DbUrl::on_socket(Path::new("/"), "nobody", "nothing")
}

/// Parameters and their values are not repeated: after a `?` in a password they are the half of a secret.
fn wrong(error: &UrlError) -> &'static str {
    match error {
        UrlError::Scheme => "does not begin with postgres:// or postgresql://",
        UrlError::NoUser => "names no user",
        UrlError::SeveralHosts => "names several hosts",
        UrlError::Port(_) => "has no number as its port",
        UrlError::NotUtf8(_) => "is not UTF-8",
        UrlError::Parameter(_) => "has an unknown parameter",
        UrlError::Value { .. } => "has a parameter with an unknown value",
    }
}

fn session_name(reader: &mut Reader<'_>, replica: &Replica) -> String {
    let default = || format!("nica/{}/{}", replica.component, replica.generation);
    let name = reader.text("PGAPPNAME").unwrap_or_else(default);
    if name.len() > SESSION_NAME_BYTES_MAX {
        let what = format!("has {} bytes, Postgres keeps {SESSION_NAME_BYTES_MAX}", name.len());
        reader.mistake(
            "PGAPPNAME",
            what,
            "set a shorter PGAPPNAME, of the form <service>/<component>/<generation>",
        );
    }
    name
}
