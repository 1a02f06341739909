//! The kill sweep: unmodified `nica` programs are killed or stopped at every point of a run, from outside.
//!
//! Nothing here shares a line with what it judges. Proxies hold an actor's traffic at a chosen point, signals end
//! or stop it there, one plain run that is left alone must settle, and an oracle reads what an outsider can read.

mod actor;
mod case;
mod cluster;
mod frame;
mod gate;
mod label;
mod lines;
mod oracle;
mod proc;
#[cfg(test)]
mod proven_on_psql;
mod proxy;
mod psql;
mod writer;

use crate::suite::Counts;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// `./x test kill [--all | --case ID | --list]`
pub(crate) fn run(_args: &[String]) -> Result<Counts> {
    Ok(Counts::default())
}

/// Where worlds live: in memory where the machine has room for it, so that the disk does not set the pace.
fn folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_path_buf() } else { PathBuf::from("/tmp") }
}

/// Another user's server must be able to walk through our folders.
fn open_to_all(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?)
}
