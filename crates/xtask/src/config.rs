//! The few environment variables that xtask reads, each with its meaning.
#![allow(clippy::disallowed_methods, reason = "this is the config module")]

use std::path::PathBuf;

/// Folders in which programs are looked for, in order. `PATH`.
pub(crate) fn program_folders() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// `$XDG_CACHE_HOME/nica`, `$HOME/.cache/nica`: where nothing is that could not be made again.
pub(crate) fn cache() -> PathBuf {
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("nica")
}

/// A folder with etcd, kube-apiserver, kubectl and whatever else of Kubernetes somebody has. `KUBEBUILDER_ASSETS`.
pub(crate) fn kubebuilder_assets() -> Option<PathBuf> {
    set("KUBEBUILDER_ASSETS")
}

/// A cluster that tests may fill and empty as they like, by its kubeconfig. `NICA_TEST_KUBECONFIG`.
pub(crate) fn test_kubeconfig() -> Option<PathBuf> {
    set("NICA_TEST_KUBECONFIG")
}

/// On a machine of continuous integration, where nobody waits and everything is checked. `CI=true`.
pub(crate) fn is_ci() -> bool {
    set("CI").is_some_and(|value| value.as_os_str() == "true")
}

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
