//! Reading `postgres://` addresses: what the driver's own reader refuses (an `@` in a password, `sslmode=verify-full`)
//! is understood here, and every mistake is named with what was expected. The password never leaves by printing.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a database is and how to get in.
#[derive(Clone, PartialEq, Eq)]
pub struct DbUrl {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) dbname: String,
    pub(super) ssl_mode: SslMode,
    pub(super) ssl_root_cert: Option<PathBuf>,
    pub(super) connect_timeout: Duration,
    pub(super) options: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Tcp(String),
    /// The folder that holds `.s.PGSQL.<port>`.
    Unix(PathBuf),
}

/// What the client demands of the connection; the meanings are libpq's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    Disable,
    /// TLS when the server offers it, unverified.
    Prefer,
    /// TLS or nothing; verified as `verify-ca` only when `sslrootcert` is given.
    Require,
    /// The certificate's chain ends at a trusted root.
    VerifyCa,
    /// And it is issued to the host that was asked for.
    VerifyFull,
}

/// Reads after "failed to".
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UrlError {
    #[error("read the database url: it must begin with postgres:// or postgresql://")]
    Scheme,
    #[error("read the database url: it names no user; write postgres://USER@HOST/DATABASE")]
    NoUser,
    #[error("read the database url: it names several hosts; name one")]
    SeveralHosts,
    #[error(
        "read the database url: `{0}` is not a port; a `/`, `?` or `#` inside a password must be written %2F, %3F, %23"
    )]
    Port(PortText),
    #[error("read the database url: {0} is not UTF-8 after its %-escapes are read")]
    NotUtf8(&'static str),
    #[error(
        "read the database url: the parameter `{0}` is unknown; known are host, port, user, password, dbname, \
         sslmode, sslrootcert, connect_timeout, options, application_name"
    )]
    Parameter(String),
    #[error("read the database url: `{value}` is no value for {name}; {expected}")]
    Value { name: &'static str, value: String, expected: &'static str },
}

/// What stood where a port should; may be the first half of a password, so it is never printed.
#[derive(Debug, PartialEq, Eq)]
pub struct PortText;

impl fmt::Display for PortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what follows the `:`")
    }
}

impl DbUrl {
    /// # Errors
    /// `UrlError` names the first mistake; none of them repeats the password.
    pub fn parse(text: &str) -> Result<DbUrl, UrlError> {
        let rest = text.trim().strip_prefix("postgres://");
        let rest = rest.or_else(|| text.trim().strip_prefix("postgresql://")).ok_or(UrlError::Scheme)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        // The last `@` ends the credentials, so that a password may hold one.
        let (credentials, address) = authority.rsplit_once('@').unwrap_or(("", authority));

        let mut parts = Parts::default();
        parts.take_credentials(credentials)?;
        parts.take_address(address)?;
        parts.dbname = decode_some(path, "the database name")?;
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            parts.take_parameter(pair)?;
        }
        parts.finish()
    }

    /// The same server and user, another database.
    #[must_use]
    pub fn with_database(&self, dbname: &str) -> DbUrl {
        DbUrl { dbname: dbname.to_string(), ..self.clone() }
    }

    /// A server of this machine, over the socket in `folder`, without a password.
    pub fn on_socket(folder: &std::path::Path, user: &str, dbname: &str) -> DbUrl {
        let host = Host::Unix(folder.to_path_buf());
        DbUrl {
            ssl_mode: default_ssl_mode(&host),
            host,
            port: 5432,
            user: user.to_string(),
            password: None,
            dbname: dbname.to_string(),
            ssl_root_cert: None,
            connect_timeout: CONNECT_TIMEOUT,
            options: None,
        }
    }

    /// The same server and database, another user.
    #[must_use]
    pub fn with_user(&self, user: &str, password: Option<&str>) -> DbUrl {
        DbUrl { user: user.to_string(), password: password.map(str::to_string), ..self.clone() }
    }

    pub fn database(&self) -> &str {
        &self.dbname
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    pub fn ssl_mode(&self) -> SslMode {
        self.ssl_mode
    }

    /// The whole address with its password, for handing it to another program. Never print it.
    pub fn to_secret_string(&self) -> String {
        self.render(self.password.as_deref())
    }

    fn render(&self, password: Option<&str>) -> String {
        let password = password.map(|p| format!(":{}", encode(p))).unwrap_or_default();
        let host = match &self.host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]"),
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => encode(&path.to_string_lossy()),
        };
        let (user, port, dbname) = (encode(&self.user), self.port, encode(&self.dbname));
        format!("postgres://{user}{password}@{host}:{port}/{dbname}{}", self.render_query())
    }

    fn render_query(&self) -> String {
        let mut pairs = Vec::new();
        if self.ssl_mode != default_ssl_mode(&self.host) {
            pairs.push(format!("sslmode={}", self.ssl_mode));
        }
        if let Some(path) = &self.ssl_root_cert {
            pairs.push(format!("sslrootcert={}", encode(&path.to_string_lossy())));
        }
        if self.connect_timeout != CONNECT_TIMEOUT {
            pairs.push(format!("connect_timeout={}", self.connect_timeout.as_secs()));
        }
        if let Some(options) = &self.options {
            pairs.push(format!("options={}", encode(options)));
        }
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }
}

impl fmt::Display for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(None))
    }
}

impl fmt::Debug for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SslMode::Disable => "disable",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        })
    }
}

/// What was read so far; parameters after `?` override what stood before it, as in libpq.
#[derive(Default)]
struct Parts {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<String>,
    dbname: Option<String>,
    ssl_mode: Option<SslMode>,
    ssl_root_cert: Option<PathBuf>,
    connect_timeout: Option<Duration>,
    options: Option<String>,
}

impl Parts {
    fn take_credentials(&mut self, text: &str) -> Result<(), UrlError> {
        let (user, password) = match text.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (text, None),
        };
        self.user = decode_some(user, "the user")?;
        self.password = password.map(|p| decode(p, "the password")).transpose()?;
        Ok(())
    }

    fn take_address(&mut self, text: &str) -> Result<(), UrlError> {
        if text.contains(',') {
            return Err(UrlError::SeveralHosts);
        }
        let (host, port) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
            Some((v6, rest)) => (v6, rest.strip_prefix(':').unwrap_or("")),
            None => text.split_once(':').unwrap_or((text, "")),
        };
        self.host = decode_some(host, "the host")?;
        if !port.is_empty() {
            self.port = Some(port.parse().map_err(|_| UrlError::Port(PortText))?);
        }
        Ok(())
    }

    fn take_parameter(&mut self, pair: &str) -> Result<(), UrlError> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value, "a parameter")?;
        match name {
            "host" => self.host = Some(value),
            "port" => self.port = Some(number("port", &value)?),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "dbname" => self.dbname = Some(value),
            "sslmode" => self.ssl_mode = Some(parse_ssl_mode(value)?),
            "sslrootcert" => self.ssl_root_cert = Some(PathBuf::from(value)),
            "connect_timeout" => {
                self.connect_timeout = Some(Duration::from_secs(number("connect_timeout", &value)?.into()));
            }
            "options" => self.options = Some(value),
            // Sessions are named by who acts (fence, generation), never by the address.
            "application_name" => {}
            _ => return Err(UrlError::Parameter(name.to_string())),
        }
        Ok(())
    }

    fn finish(self) -> Result<DbUrl, UrlError> {
        let user = self.user.ok_or(UrlError::NoUser)?;
        let host = match self.host {
            Some(path) if path.starts_with('/') => Host::Unix(PathBuf::from(path)),
            Some(name) => Host::Tcp(name),
            None => Host::Tcp("localhost".to_string()),
        };
        Ok(DbUrl {
            port: self.port.unwrap_or(5432),
            dbname: self.dbname.unwrap_or_else(|| user.clone()),
            password: self.password,
            ssl_mode: self.ssl_mode.unwrap_or_else(|| default_ssl_mode(&host)),
            ssl_root_cert: self.ssl_root_cert,
            connect_timeout: self.connect_timeout.filter(|t| !t.is_zero()).unwrap_or(CONNECT_TIMEOUT),
            options: self.options,
            user,
            host,
        })
    }
}

/// A unix socket never carries TLS.
fn default_ssl_mode(host: &Host) -> SslMode {
    if matches!(host, Host::Unix(_)) { SslMode::Disable } else { SslMode::Prefer }
}

fn parse_ssl_mode(value: String) -> Result<SslMode, UrlError> {
    Ok(match value.as_str() {
        "disable" => SslMode::Disable,
        "prefer" | "allow" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        _ => {
            let expected = "one of disable, prefer, require, verify-ca, verify-full";
            return Err(UrlError::Value { name: "sslmode", value, expected });
        }
    })
}

fn number(name: &'static str, value: &str) -> Result<u16, UrlError> {
    let expected = "a whole number below 65536";
    value.parse().map_err(|_| UrlError::Value { name, value: value.to_string(), expected })
}

fn decode_some(text: &str, what: &'static str) -> Result<Option<String>, UrlError> {
    if text.is_empty() { Ok(None) } else { decode(text, what).map(Some) }
}

/// A `%` that is not followed by two hex digits is itself: pasted passwords work as they are.
fn decode(text: &str, what: &'static str) -> Result<String, UrlError> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escape = (bytes[i] == b'%').then(|| bytes.get(i + 1..i + 3)).flatten().and_then(hex_pair);
        out.push(escape.unwrap_or(bytes[i]));
        i += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).map_err(|_| UrlError::NotUtf8(what))
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |b: u8| (b as char).to_digit(16);
    Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(b as char);
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests;
