//! The few environment variables that xtask reads, each with its meaning.
#![allow(clippy::disallowed_methods, reason = "this is the config module")]

use std::path::PathBuf;

/// Folders in which programs are looked for, in order. `PATH`.
pub(crate) fn program_folders() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// `$XDG_CACHE_HOME/nica`, `$HOME/.cache/nica`: where nothing is that could not be made again.
pub(crate) fn cache() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("nica")
}
