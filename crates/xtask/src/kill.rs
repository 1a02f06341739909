//! The kill sweep: unmodified `nica` programs are killed or stopped at every point of a run, from outside.
//!
//! Nothing here shares a line with what it judges. Proxies hold an actor's traffic at a chosen point, signals end
//! or stop it there, one plain run that is left alone must settle, and an oracle reads what an outsider can read.
//! Each case is played by a process of its own, so that everything it started ends with it.

mod actor;
mod apart;
mod build;
mod case;
mod cluster;
mod deployer;
mod enumerate;
mod frame;
mod gate;
mod guard;
mod label;
mod lines;
mod minimum;
mod mutants;
mod options;
mod oracle;
mod play;
mod prepare;
pub(crate) mod proc;
mod project;
mod proxy;
mod psql;
mod record;
mod report;
mod slot;
mod sweep;
mod timeline;
mod traffic;
mod variant;
mod world;
mod writer;

#[cfg(test)]
mod proven_on_psql;

use crate::suite::Counts;
use anyhow::Result;
use options::Options;
use std::path::{Path, PathBuf};

/// `./x test kill`, with the words of `options::HELP`.
pub(crate) fn run(args: &[String]) -> Result<Counts> {
    match options::parse(args)? {
        Options::Listen => actor::listen().map(|()| Counts::default()),
        Options::Guard { home, keep } => guard::watch(&home, keep).map(|()| Counts::default()),
        Options::Prepare { slot, passenger } => apart::prepare_here(&slot, &passenger),
        Options::Play { slot, job } => apart::play_here(&slot, &job),
        Options::Sweep(wish) => sweep::sweep(&wish),
    }
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
