//! One way to get a session: an address that people really paste, TLS by `sslmode`, and errors told apart.
//!
//! A session carries the name of whoever acts (`nica/<env>/<fence>/<run>`), because admission ends sessions by name.
//! Reading addresses stands in `connect/url`, certificates in `connect/tls`.

mod tls;
mod url;

pub use url::{DbUrl, SslMode, UrlError};

use std::error::Error as _;
use std::future::Future;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls, error::SqlState};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Host;

/// Postgres cuts `application_name` at 63 bytes without a word; ours are checked before.
pub const APPLICATION_NAME_MAX_BYTES: usize = 63;

/// Why there is no session; `url` is without its password. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("reach {url}: {why}; check host, port and that the server runs")]
    Unreachable { url: String, why: String },
    #[error("log in at {url}: {why}; check user, password and pg_hba.conf")]
    AuthRefused { url: String, why: String },
    #[error("agree on TLS with {url}: {why}; check sslmode and sslrootcert")]
    TlsRefused { url: String, why: String },
    #[error("open the database of {url}: {why}; check the database name")]
    WrongDatabase { url: String, why: String },
    #[error("get an answer from {url} within {secs} s; raise connect_timeout or look at the server's load")]
    TooSlow { url: String, secs: u64 },
}

/// Open a session named `application_name`. It lives until the client is dropped.
///
/// # Errors
/// `ConnectError`, told apart by what an operator has to look at.
pub async fn connect(url: &DbUrl, application_name: &str) -> Result<Client, ConnectError> {
    Ok(connect_with_task(url, application_name).await?.0)
}

/// As `connect`, with the task that moves the bytes: aborting it breaks the connection as a dead client would.
///
/// # Errors
/// As `connect`.
pub async fn connect_with_task(
    url: &DbUrl,
    application_name: &str,
) -> Result<(Client, JoinHandle<()>), ConnectError> {
    let limit = url.connect_timeout;
    let attempt = tokio::time::timeout(limit, open(url, application_name));
    let too_slow = |_| ConnectError::TooSlow { url: url.to_string(), secs: limit.as_secs() };
    attempt.await.map_err(too_slow)?
}

/// The driver's TLS.
pub type DriverTls = MakeRustlsConnect;

/// The driver's own settings and its TLS, for a pool that opens sessions itself.
///
/// # Errors
/// `TlsRefused` when the root certificates cannot be read.
pub fn driver(url: &DbUrl, application_name: &str) -> Result<(Config, DriverTls), ConnectError> {
    let refused = |e: tls::RootsError| ConnectError::TlsRefused { url: url.to_string(), why: e.to_string() };
    Ok((config(url, application_name), tls::connector(url).map_err(refused)?))
}

async fn open(url: &DbUrl, application_name: &str) -> Result<(Client, JoinHandle<()>), ConnectError> {
    let config = config(url, application_name);
    if config.get_ssl_mode() == tokio_postgres::config::SslMode::Disable {
        let (client, connection) = config.connect(NoTls).await.map_err(|e| sort(url, &e))?;
        return Ok((client, spawn(connection)));
    }
    let tls = tls::connector(url)
        .map_err(|e| ConnectError::TlsRefused { url: url.to_string(), why: e.to_string() })?;
    let (client, connection) = config.connect(tls).await.map_err(|e| sort(url, &e))?;
    Ok((client, spawn(connection)))
}

fn config(url: &DbUrl, application_name: &str) -> Config {
    let mut config = Config::new();
    config.user(&url.user).dbname(&url.dbname).port(url.port).application_name(application_name);
    config.connect_timeout(url.connect_timeout).ssl_mode(driver_ssl_mode(url));
    match &url.host {
        Host::Tcp(name) => config.host(name),
        Host::Unix(path) => config.host_path(path),
    };
    if let Some(password) = &url.password {
        config.password(password);
    }
    if let Some(options) = &url.options {
        config.options(options);
    }
    config
}

fn driver_ssl_mode(url: &DbUrl) -> tokio_postgres::config::SslMode {
    use tokio_postgres::config::SslMode as Driver;
    match (&url.host, url.ssl_mode) {
        (Host::Unix(_), _) | (_, SslMode::Disable) => Driver::Disable,
        (_, SslMode::Prefer) => Driver::Prefer,
        _ => Driver::Require,
    }
}

fn spawn<E>(connection: impl Future<Output = Result<(), E>> + Send + 'static) -> JoinHandle<()>
where
    E: std::fmt::Display + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Whoever waits for an answer gets the error too; here it is only a trace of when.
            tracing::debug!(%error, "database connection ended");
        }
    })
}

fn sort(url: &DbUrl, error: &tokio_postgres::Error) -> ConnectError {
    let (url, why) = (url.to_string(), reason(error));
    // The driver keeps its kinds to itself; its words are all it shows. Pinned by tests against a real server.
    let words = error.to_string();
    match error.code() {
        Some(
            &SqlState::INVALID_PASSWORD
            | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            | &SqlState::INSUFFICIENT_PRIVILEGE,
        ) => ConnectError::AuthRefused { url, why },
        Some(&SqlState::INVALID_CATALOG_NAME) => ConnectError::WrongDatabase { url, why },
        None if words.contains("TLS") => ConnectError::TlsRefused { url, why },
        None if words.contains("authentication") || why.contains("password missing") => {
            ConnectError::AuthRefused { url, why }
        }
        _ => ConnectError::Unreachable { url, why },
    }
}

/// The driver's error in one line: the server's own message where there is one, else the innermost cause.
pub(crate) fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
