//! What a scratch cluster needs from this machine: the server's programs, a user that is not root, a quick folder.

use super::ScratchError;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Below this the shared memory disk is left alone; an empty cluster takes about 60 MB.
const SHM_FREE_MIN_BYTES: u64 = 512 * 1024 * 1024;
const SHM: &str = "/dev/shm";

#[derive(Clone, Debug)]
pub struct Binaries {
    pub initdb: PathBuf,
    pub postgres: PathBuf,
}

#[derive(Clone, Debug)]
pub(super) struct ServerUser {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// `initdb` and `postgres` from PATH, else the newest below `/usr/lib/postgresql`.
///
/// # Errors
/// `NoServer` when neither place has both.
pub fn find_binaries() -> Result<Binaries, ScratchError> {
    // The one place where a search path is needed: where programs stand is no configuration of ours.
    #[allow(clippy::disallowed_methods)]
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(debian_folders())
        .find_map(|f| both_in(&f))
        .ok_or(ScratchError::NoServer)
}

/// What scratch clusters run on here: `postgres (PostgreSQL) 15.13`.
///
/// # Errors
/// `NoServer`, or the program does not start.
pub fn server_version() -> Result<String, ScratchError> {
    let binaries = find_binaries()?;
    let output = Command::new(&binaries.postgres).arg("--version").output();
    let fail = |why: String| ScratchError::Program { path: binaries.postgres.display().to_string(), why };
    let output = output.map_err(|e| fail(e.to_string()))?;
    if !output.status.success() {
        return Err(fail(String::from_utf8_lossy(&output.stderr).trim().to_string()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn debian_folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |name: &std::ffi::OsStr| name.to_str().and_then(|n| n.parse::<u32>().ok());
    let mut found: Vec<_> =
        entries.filter_map(|e| Some((version(&e.file_name())?, e.path().join("bin")))).collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

fn both_in(folder: &Path) -> Option<Binaries> {
    let (initdb, postgres) = (folder.join("initdb"), folder.join("postgres"));
    (initdb.is_file() && postgres.is_file()).then_some(Binaries { initdb, postgres })
}

/// Both programs refuse root: as root they run as `postgres`, else `nobody`. Nobody else can change user.
pub(super) fn server_user() -> Option<ServerUser> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| passwd.lines().find_map(|line| passwd_entry(line, name));
    Some(find("postgres").or_else(|| find("nobody")).unwrap_or(ServerUser { uid: 65534, gid: 65534 }))
}

fn passwd_entry(line: &str, name: &str) -> Option<ServerUser> {
    let fields: Vec<_> = line.split(':').collect();
    let [login, _, uid, gid, ..] = fields[..] else { return None };
    (login == name).then_some(())?;
    Some(ServerUser { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
}

/// A new folder of mode 0700. Its path is short: socket paths end at 108 bytes.
pub(super) fn make_folder(owner: Option<&ServerUser>) -> Result<PathBuf, ScratchError> {
    let parent = if shm_has_room() { PathBuf::from(SHM) } else { std::env::temp_dir() };
    let fail =
        |e: std::io::Error| ScratchError::Folder { path: parent.display().to_string(), why: e.to_string() };
    let folder = tempfile::Builder::new().prefix("nica-").tempdir_in(&parent).map_err(fail)?.keep();
    if let Some(user) = owner {
        std::os::unix::fs::chown(&folder, Some(user.uid), Some(user.gid)).map_err(fail)?;
    }
    Ok(folder)
}

fn shm_has_room() -> bool {
    let writable = std::fs::metadata(SHM).is_ok_and(|m| m.mode() & 0o1777 == 0o1777);
    let free = rustix::fs::statvfs(SHM).map_or(0, |s| s.f_bavail * s.f_frsize);
    writable && free >= SHM_FREE_MIN_BYTES
}
