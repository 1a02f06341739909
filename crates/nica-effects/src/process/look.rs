//! What a target runs, for whoever only wants to know: nothing is started, admitted or written.
//!
//! Where no supervisor answers, the file that the next one will start from says what is wanted: a plan that is made
//! meanwhile is the plan that a deploy will find.

use super::client::{TargetClient, TargetError};
use super::protocol::Seen;
use super::record::Wanted;
use super::state::StateDir;
use super::{ProcessError, supervisor};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

pub struct Looked {
    pub components: BTreeMap<String, Seen>,
    /// A supervisor answered. Else the components are what is wanted: nobody watches or restarts them.
    pub supervised: bool,
}

/// # Errors
/// A supervisor of another version answers, or the file cannot be read.
pub async fn look(root: &Path) -> Result<Looked, TargetError> {
    match observe(root).await {
        Ok(components) => Ok(Looked { components, supervised: true }),
        Err(TargetError::Unreachable { .. } | TargetError::NoAnswer { .. }) => {
            let components = wanted(root).map_err(TargetError::Record)?;
            Ok(Looked { components, supervised: false })
        }
        Err(other) => Err(other),
    }
}

async fn observe(root: &Path) -> Result<BTreeMap<String, Seen>, TargetError> {
    Ok(TargetClient::connect(root).await?.observe().await?.components)
}

/// From the file, with the processes that outlived their supervisor; nothing where none ever was.
fn wanted(root: &Path) -> Result<BTreeMap<String, Seen>, ProcessError> {
    let root = match root.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        found => found.map_err(ProcessError::file("resolve", root))?,
    };
    let state = StateDir { root };
    let wanted = supervisor::load(&state)?.components;
    let mut components: BTreeMap<String, Seen> =
        wanted.into_iter().map(|(name, wanted)| (name, asleep(wanted))).collect();
    for (name, process) in supervisor::living(&state) {
        components.entry(name).or_default().processes.push(process);
    }
    Ok(components)
}

fn asleep(wanted: Wanted) -> Seen {
    Seen {
        generation: Some(wanted.desired.generation()),
        replicas: wanted.desired.replicas,
        rolled_out: wanted.rolled_out,
        since_boot_ms: wanted.since_boot_ms,
        desired: Some(wanted.desired),
        ..Seen::default()
    }
}
