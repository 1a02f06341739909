//! The few variables of the surroundings that the target reads, in one place.
//!
//! A supervisor is started with these and nothing else, so that a deployer's passwords do not live on in the
//! environment of a process that runs for months.

use std::ffi::OsString;
use std::path::PathBuf;

const KEPT: [&str; 6] = ["PATH", "HOME", "XDG_RUNTIME_DIR", "TMPDIR", "RUST_LOG", "LANG"];

/// Where sockets go: `$XDG_RUNTIME_DIR`, else the system's temporary folder.
pub(super) fn runtime_dir() -> PathBuf {
    read("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from)
}

/// The variables that supervisor and keeper inherit.
pub(super) fn inherited() -> Vec<(&'static str, OsString)> {
    KEPT.iter().filter_map(|name| Some((*name, read(name)?))).collect()
}

/// A replica's `PATH`.
pub(super) fn path() -> OsString {
    read("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
}

#[allow(clippy::disallowed_methods, reason = "this is the config module")]
fn read(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
