//! The process's environment, read in this one place. Values may be secrets: they are handed on, never shown.

use std::path::PathBuf;

/// A variable that is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the config module")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a variable is set, and to more than nothing. Never its value.
pub(crate) fn state(name: &str) -> Option<bool> {
    #[expect(clippy::disallowed_methods, reason = "this is the config module")]
    std::env::var_os(name).map(|value| !value.is_empty())
}

/// Who starts a run, as people.toml knows accounts: `NICA_ACTOR`, else `user@host`.
pub(crate) fn actor() -> String {
    variable("NICA_ACTOR").unwrap_or_else(|| format!("{}@{}", user(), host()))
}

pub(crate) fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_string() } else { name }
}

fn user() -> String {
    variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "unknown".to_string())
}

/// `$XDG_CACHE_HOME/nica`, where nothing is that could not be made again. Without a home a folder in the system's
/// temporary one, with this user's number: whoever finds something there looks whose it is.
pub(crate) fn cache() -> PathBuf {
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let temporary = || std::env::temp_dir().join(format!("nica-{}", rustix::process::geteuid().as_raw()));
    let base = variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    base.map_or_else(temporary, |base| base.join("nica"))
}

/// `$XDG_STATE_HOME/nica/<service>/<env>`, where a `process` target keeps its state unless nica.toml says otherwise.
pub(crate) fn default_state(service: &str, env: &str) -> PathBuf {
    let home = || PathBuf::from(variable("HOME").unwrap_or_else(|| "/".to_string())).join(".local/state");
    variable("XDG_STATE_HOME").map_or_else(home, PathBuf::from).join("nica").join(service).join(env)
}

/// Where the Docker client keeps what it logs in with: `$DOCKER_CONFIG/config.json`, else in the home.
pub(crate) fn docker_config() -> Option<PathBuf> {
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".docker"));
    let folder = variable("DOCKER_CONFIG").map(PathBuf::from).or_else(home);
    folder.map(|folder| folder.join("config.json"))
}
