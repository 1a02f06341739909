//! What images stand on, made from Debian's packages with this system's own sources: no public registry is asked.
//!
//! `slim` is Debian with apt and a shell; `distroless` is libc and what belongs to it, unpacked and never configured, so
//! that there is nothing to run; `rust` is what the compiling stage stands on, with this machine's own toolchain.

use super::store::Store;
use super::tools;
use crate::kill::proc;
use crate::repo;
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Debian's release; the Dockerfiles' defaults name it too.
pub(crate) const SUITE: &str = "bookworm";
/// Older ones are made anew: security updates come with that.
const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

pub(crate) const SLIM: &str = "localhost/nica-base-slim";
pub(crate) const DISTROLESS: &str = "localhost/nica-base-distroless";

/// Roots that this machine trusts and Debian does not (a proxy's): for fetching crates only.
const MACHINE_ROOTS: &str = "/usr/local/share/machine-roots.crt";

struct Packages {
    variant: &'static str,
    include: &'static str,
    /// Run in the new root: what must not be in it.
    cleared_by: &'static str,
}

/// This machine's own, which the tool copies in for as long as it works.
const CLEARED: &str = "rm -f etc/resolv.conf etc/hostname";
/// Programs came along with what libraries ask for, and nothing of them is asked for here.
const CLEARED_OF_PROGRAMS: &str = "rm -f etc/resolv.conf etc/hostname
find . -xdev -type f -perm /111 ! -name '*.so*' -delete
find ./bin/ ./sbin/ ./usr/bin/ ./usr/sbin/ -xdev -type l -delete";

pub(crate) fn slim(store: &Store) -> Result<&'static str> {
    made(store, SLIM, &Packages { variant: "minbase", include: "", cleared_by: CLEARED })
}

pub(crate) fn distroless(store: &Store) -> Result<&'static str> {
    let include = "base-files,libc6,libgcc-s1,netbase";
    made(store, DISTROLESS, &Packages { variant: "extract", include, cleared_by: CLEARED_OF_PROGRAMS })
}

fn made(store: &Store, image: &'static str, packages: &Packages) -> Result<&'static str> {
    let archive = archive(image)?;
    let fresh = is_fresh(&archive);
    if !fresh {
        bootstrap(&archive, packages)?;
    }
    if !fresh || !store.has(image) {
        store.import(&archive, image, packages.cleared_by)?;
    }
    Ok(image)
}

/// Compiler, linker and this machine's toolchain under the name of the public image, `rust:VERSION-bookworm`: in a store
/// where nothing else is, the short name means ours.
pub(crate) fn rust(store: &Store, version: &str) -> Result<()> {
    let (archive, image) = (archive("nica-base-rust")?, format!("localhost/rust:{version}-{SUITE}"));
    if is_fresh(&archive) && store.has(&image) {
        return Ok(());
    }
    let include = "gcc,libc6-dev,ca-certificates";
    bootstrap(&archive, &Packages { variant: "minbase", include, cleared_by: CLEARED })?;
    let sysroot = proc::must_succeed(
        Command::new("rustc").args(["--print", "sysroot"]).current_dir(repo::root()),
        "find the toolchain",
    )?;
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let roots = format!("CARGO_HTTP_CAINFO={MACHINE_ROOTS}");
    let settings = ["--env", path, "--env", "CARGO_HOME=/usr/local/cargo", "--env", &roots];
    store.made(&image, &settings, |container| {
        let mut add = store.buildah();
        add.args(["add", "--quiet", container]).arg(&archive).arg("/");
        proc::must_succeed(&mut add, "add an archive")?;
        store.mounted(container, |root| toolchain(Path::new(&sysroot), root))
    })
}

fn toolchain(sysroot: &Path, root: &Path) -> Result<()> {
    for name in ["bin", "lib", "libexec"] {
        let from = sysroot.join(name);
        if from.is_dir() {
            let mut copy = Command::new("cp");
            copy.args(["-a", "--no-preserve=ownership"]).arg(from).arg(root.join("usr/local/"));
            proc::must_succeed(&mut copy, "copy the toolchain")?;
        }
    }
    let roots = "/etc/ssl/certs/ca-certificates.crt";
    std::fs::copy(roots, root.join(MACHINE_ROOTS.trim_start_matches('/')))
        .with_context(|| format!("copy {roots}"))?;
    Ok(())
}

fn archive(image: &str) -> Result<PathBuf> {
    let name = image.rsplit('/').next().expect("a name has a last part");
    Ok(super::cache()?.join(format!("{name}-{SUITE}.tar")))
}

pub(crate) fn is_fresh(path: &Path) -> bool {
    let changed = std::fs::metadata(path).and_then(|meta| meta.modified());
    changed.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < AGE_MAX))
}

fn bootstrap(archive: &Path, packages: &Packages) -> Result<()> {
    println!("  making {} from Debian's packages", archive.display());
    let half = archive.with_extension("half.tar");
    let mut command = Command::new("mmdebstrap");
    command.args(["--mode=root", &format!("--variant={}", packages.variant)]);
    if !packages.include.is_empty() {
        command.arg(format!("--include={}", packages.include));
    }
    command.arg(SUITE).arg(&half).arg(sources()?);
    proc::must_succeed(&mut command, "make a base image")?;
    std::fs::rename(&half, archive).with_context(|| format!("name {}", archive.display()))
}

/// This system's own, with the names that work here.
fn sources() -> Result<PathBuf> {
    let known = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"].map(PathBuf::from);
    let names_it = |path: &PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.contains(SUITE));
    let found = known.into_iter().find(names_it);
    found.with_context(|| format!("find the sources of Debian {SUITE}: this system has others"))
}

/// The authorities that Debian ships, as one file; this machine's own file may hold more.
pub(crate) fn certificates() -> Result<PathBuf> {
    let unpacked = super::cache()?.join("ca-certificates");
    let file = super::cache()?.join("ca-certificates.crt");
    if is_fresh(&file) {
        return Ok(file);
    }
    if unpacked.exists() {
        std::fs::remove_dir_all(&unpacked)?;
    }
    tools::unpack("ca-certificates", &unpacked)?;
    let folder = unpacked.join("usr/share/ca-certificates/mozilla");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    ensure!(!paths.is_empty(), "find authorities in {}", folder.display());
    let texts = paths.iter().map(std::fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
    std::fs::write(&file, texts.concat()).with_context(|| format!("write {}", file.display()))?;
    Ok(file)
}
