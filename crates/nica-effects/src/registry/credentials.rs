//! What the Docker client logs in with: `auths` of its config.json. Helpers, which are programs of their own, are named
//! and not run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, Debug, Default)]
pub struct Credentials {
    logins: BTreeMap<String, Login>,
    helpers: BTreeMap<String, String>,
    /// Keeps everything that stands nowhere else.
    store: Option<String>,
}

/// Name and password, shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    user: String,
    password: String,
}

#[derive(Debug, thiserror::Error)]
pub enum NotCredentials {
    // No detail of serde's: it would quote what stands there.
    #[error("it is no Docker configuration (line {line}); correct it, or move it away")]
    Json { line: usize },
    #[error("what stands under {host} is no base64 of name:password; log in to {host} again")]
    Auth { host: String },
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
}

impl Credentials {
    pub fn parse(text: &str) -> Result<Credentials, NotCredentials> {
        let file: File = serde_json::from_str(text).map_err(|e| NotCredentials::Json { line: e.line() })?;
        let mut logins = BTreeMap::new();
        for (host, auth) in file.auths {
            if let Some(login) = auth.login(&host)? {
                logins.insert(plain(&host), login);
            }
        }
        let helpers = file.helpers.into_iter().map(|(host, helper)| (plain(&host), helper)).collect();
        Ok(Credentials { logins, helpers, store: file.store.filter(|s| !s.is_empty()) })
    }

    pub(super) fn of(&self, host: &str) -> Option<&Login> {
        self.logins.get(host)
    }

    pub(super) fn helper_of(&self, host: &str) -> Option<&str> {
        let asked = self.helpers.get(host).or(self.store.as_ref());
        asked.filter(|_| !self.logins.contains_key(host)).map(String::as_str)
    }
}

impl Auth {
    fn login(self, host: &str) -> Result<Option<Login>, NotCredentials> {
        let no = || NotCredentials::Auth { host: host.to_string() };
        let pair = match (self.auth.filter(|a| !a.is_empty()), self.username, self.password) {
            (Some(auth), ..) => {
                let bytes = STANDARD.decode(auth.trim()).map_err(|_| no())?;
                let text = String::from_utf8(bytes).map_err(|_| no())?;
                let (user, password) = text.split_once(':').ok_or_else(no)?;
                Some((user.to_string(), password.to_string()))
            }
            (None, Some(user), Some(password)) => Some((user, password)),
            _ => None,
        };
        Ok(pair.map(|(user, password)| Login { user, password }))
    }
}

impl Login {
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Docker writes its own registry as `https://index.docker.io/v1/`.
fn plain(host: &str) -> String {
    let host = host.trim_start_matches("https://").trim_start_matches("http://");
    let host = host.split('/').next().unwrap_or_default();
    if host == "index.docker.io" { "docker.io".into() } else { host.into() }
}
