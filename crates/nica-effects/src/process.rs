//! The `process` target: one machine, no container.
//!
//! Three programs meet here. The *supervisor* is the only writer of desired state: it starts, probes, scrapes,
//! drains and restarts replicas. The *keeper* holds the listening sockets and knows nothing else. The *client*
//! is the deployer's side. A replica outlives whoever started it; whoever comes later finds it in the kernel.

mod client;
mod config;
mod http;
pub mod keeper;
mod kernel;
mod look;
mod metrics;
mod passing;
mod protocol;
mod record;
pub mod secret;
mod state;
mod store;
pub mod supervisor;

pub use client::{TargetClient, TargetError};
pub use kernel::ProcessId;
pub use look::{Looked, look};
pub use metrics::Metrics;
pub(crate) use metrics::merge;
pub use protocol::{
    Cursor, Hello, Identity, Limits, Observed, PROTOCOL, Phase, Pins, ProcessSeen, Refusal, SecretValue,
    Seen, Set,
};
pub use secret::keyed_name;

use std::io;
use std::path::PathBuf;

/// What supervisor and keeper can fail with as a whole. A refused request is a `Refusal`, not this.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("take the lock {}: another process holds it; ask that one", .0.display())]
    Locked(PathBuf),
    #[error("{what} {}: {source}", .path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("read {}: {why}; it was not written by this program", .path.display())]
    Record { path: PathBuf, why: String },
    #[error("use the socket folder {}: {why}; remove it or set XDG_RUNTIME_DIR", .path.display())]
    Folder { path: PathBuf, why: &'static str },
    #[error("{what}: {source}")]
    System { what: &'static str, source: io::Error },
}

impl ProcessError {
    fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ProcessError {
        let path = path.into();
        move |source| ProcessError::File { what, path, source }
    }

    fn system(what: &'static str) -> impl FnOnce(io::Error) -> ProcessError {
        move |source| ProcessError::System { what, source }
    }
}
