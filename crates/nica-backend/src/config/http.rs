//! Where requests come in, and how much of time and space one may take.

use super::reader::Reader;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Http {
    /// `LISTEN`, 127.0.0.1:8080: the service socket. Not used when a parent hands one over.
    pub listen: Address,
    /// `ADMIN_LISTEN`, 127.0.0.1:9090, or `unix:/path`: health and metrics. Not used when a parent hands one over.
    pub admin_listen: Address,
    /// `REQUEST_TIMEOUT_MS`, 10000: from the request's head to the answer.
    pub request_timeout: Duration,
    /// `HEADER_TIMEOUT_MS`, 30000: for the head of a request; an idle connection is closed after it too.
    pub header_timeout: Duration,
    /// `BODY_MAX`, 65536 bytes: a longer body is answered with 413.
    pub body_max: usize,
    /// `HEADER_MAX`, 16384 bytes: longer headers are answered with 431.
    pub header_max: usize,
    /// `IN_FLIGHT_MAX`, 256: further requests are shed with 503 at once.
    pub in_flight_max: usize,
    /// `DRAIN_MS`, 500: after SIGTERM, how long answers still go out, each closing its connection.
    pub drain: Duration,
    /// `SHUTDOWN_MS`, 5000: after the drain, how long requests in flight may take to end.
    pub shutdown: Duration,
    /// `TRUSTED_PROXIES`, none: addresses whose `traceparent` is continued, separated by commas.
    pub trusted_proxies: Vec<IpAddr>,
}

const ADMIN: ([u8; 4], u16) = ([127, 0, 0, 1], 9090);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Http {
    pub(super) fn read(reader: &mut Reader<'_>) -> Http {
        Http {
            listen: address(reader, "LISTEN", ([127, 0, 0, 1], 8080)),
            admin_listen: admin(reader),
            request_timeout: reader.millis("REQUEST_TIMEOUT_MS", 10_000, 10..=300_000),
            header_timeout: reader.millis("HEADER_TIMEOUT_MS", 30_000, 100..=300_000),
            body_max: reader.size("BODY_MAX", 64 * 1024, 1_024..=16 * 1024 * 1024),
            header_max: reader.size("HEADER_MAX", 16 * 1024, 1_024..=48 * 1024),
            in_flight_max: reader.size("IN_FLIGHT_MAX", 256, 1..=100_000),
            drain: reader.millis("DRAIN_MS", 500, 0..=60_000),
            shutdown: reader.millis("SHUTDOWN_MS", 5_000, 0..=300_000),
            trusted_proxies: proxies(reader),
        }
    }
}

/// Where this replica answers probes: `ADMIN_LISTEN`.
pub(super) fn admin(reader: &mut Reader<'_>) -> Address {
    address(reader, "ADMIN_LISTEN", ADMIN)
}

fn address(reader: &mut Reader<'_>, variable: &'static str, default: ([u8; 4], u16)) -> Address {
    let fallback = Address::Tcp(SocketAddr::from(default));
    let Some(text) = reader.text(variable) else { return fallback };
    if let Some(path) = text.strip_prefix("unix:/") {
        return Address::Unix(PathBuf::from(format!("/{path}")));
    }
    match text.parse() {
        Ok(address) => Address::Tcp(address),
        Err(_) => {
            let next = format!("set {variable} to an address and a port, such as {fallback}, or unix:/path");
            reader.mistake(variable, format!("is `{text}`"), next);
            fallback
        }
    }
}

fn proxies(reader: &mut Reader<'_>) -> Vec<IpAddr> {
    let text = reader.text("TRUSTED_PROXIES").unwrap_or_default();
    let mut addresses = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => reader.mistake(
                "TRUSTED_PROXIES",
                format!("names `{part}`"),
                "set TRUSTED_PROXIES to IP addresses, separated by commas",
            ),
        }
    }
    addresses
}
