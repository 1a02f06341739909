//! The few environment variables that xtask reads, each with its meaning.
#![allow(clippy::disallowed_methods, reason = "this is the config module")]

use std::path::PathBuf;

/// Folders in which programs are looked for, in order. `PATH`.
pub(crate) fn program_folders() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}
