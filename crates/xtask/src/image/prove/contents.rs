//! The files of the backend image: what could be run, whom it belongs to, what it trusts.

use crate::image::build::Built;
use crate::image::store::Store;
use crate::kill::proc;
use anyhow::{Result, ensure};
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

const PROGRAM: &str = "usr/local/bin/nica-backend";
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
const CACHE: &str = "var/huggingface";
/// Mozilla's list has had more than this for twenty years.
const CERTIFICATES_MIN: usize = 80;
/// Whoever runs the program.
const USER: u32 = 10001;
const SET_ID: u32 = 0o6000;
const STICKY: u32 = 0o1000;
/// Of one kind of fault.
const EACH_MAX: usize = 4;
const TOLD_BYTES_MIN: u64 = 50;
/// e_machine of an ELF file, where this machine's programs have it.
const MACHINE_AT: std::ops::Range<usize> = 18..20;

pub(super) fn are_right(store: &Store, built: &Built) -> Result<String> {
    let found = faults(store, &built.name)?;
    ensure!(found.is_empty(), "find the files as promised: {}", found.join("; "));
    let mut images = store.buildah();
    proc::must_succeed(images.args(["images", "--format", "{{.Size}}", &built.name]), "ask how large it is")
}

pub(super) fn faults(store: &Store, image: &str) -> Result<Vec<String>> {
    let made =
        proc::must_succeed(store.buildah().args(["from", "--pull-never", image]), "look into an image")?;
    let found = store.mounted(&made, look);
    proc::must_succeed(store.buildah().args(["rm", &made]), "look into an image")?;
    found
}

fn look(root: &Path) -> Result<Vec<String>> {
    let mut faults = files(root)?;
    let owner = fs::metadata(root.join(CACHE)).map(|meta| meta.uid()).unwrap_or_default();
    if owner != USER {
        faults.push(format!("/{CACHE} belongs to {owner}"));
    }
    let trusted = fs::read_to_string(root.join(CERTIFICATES)).unwrap_or_default();
    let trusted = trusted.matches("BEGIN CERTIFICATE").count();
    if trusted < CERTIFICATES_MIN {
        faults.push(format!("it trusts {trusted} certificates"));
    }
    let machine = |path: PathBuf| fs::read(path).ok().and_then(|bytes| Some(bytes.get(MACHINE_AT)?.to_vec()));
    if machine(root.join(PROGRAM)) != machine(PathBuf::from("/proc/self/exe")) {
        faults.push("the program is for another kind of machine".into());
    }
    for told in ["usr/share/nica/build.json", "usr/share/nica/crates.txt"] {
        if fs::metadata(root.join(told)).map_or(0, |meta| meta.len()) < TOLD_BYTES_MIN {
            faults.push(format!("/{told} does not say what was built"));
        }
    }
    Ok(faults)
}

/// Of each kind the first few.
fn files(root: &Path) -> Result<Vec<String>> {
    let [mut runs, mut elevates, mut owned, mut open] = [const { Vec::new() }; 4];
    walk(root, &mut |path, meta| {
        let name = path.strip_prefix(root).unwrap_or(path);
        let mode = meta.permissions().mode();
        if meta.is_file() && mode & 0o111 != 0 && !is_library(name) && name != Path::new(PROGRAM) {
            runs.push(format!("/{} can be run", name.display()));
        }
        if meta.is_file() && mode & SET_ID != 0 {
            elevates.push(format!("/{} runs as somebody else", name.display()));
        }
        if meta.uid() == USER && !name.starts_with(CACHE) {
            owned.push(format!("/{} belongs to its own user", name.display()));
        }
        if mode & 0o002 != 0 && mode & STICKY == 0 && !meta.is_symlink() && !name.starts_with("dev") {
            open.push(format!("everybody may write /{}", name.display()));
        }
    })?;
    let kinds = [runs, elevates, owned, open];
    Ok(kinds.into_iter().flat_map(|kind| kind.into_iter().take(EACH_MAX)).collect())
}

/// Shared objects are marked executable and are no programs; libc and the loader print a version, no more.
fn is_library(name: &Path) -> bool {
    let file = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let below = |folder: &str| name.starts_with(folder);
    file.contains(".so") && (below("lib") || below("usr/lib") || below("lib64") || below("usr/lib64"))
}

fn walk(folder: &Path, see: &mut impl FnMut(&Path, &Metadata)) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let meta = fs::symlink_metadata(&path)?;
        see(&path, &meta);
        if meta.is_dir() {
            walk(&path, see)?;
        }
    }
    Ok(())
}
