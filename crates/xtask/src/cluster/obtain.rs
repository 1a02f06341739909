//! The programs of a cluster: built once into the cache from the pinned module, or taken from a folder of yours.
//!
//! What is half made never stands under its final name: everything is made in a folder beside it and renamed when it
//! is whole. What cannot be had is an answer, not an error: tests report it as skipped, with its sentence.

use super::{able, pins};
use crate::config;
use crate::kill::proc;
use crate::suite::Child;
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A cold build with its downloads takes four to ten minutes on two cores.
const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Why there is no cluster on this machine, with what would help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unavailable {
    #[error(
        "a cluster needs root (namespaces, bridges, cgroups); run as root, or name one by NICA_TEST_KUBECONFIG"
    )]
    NotRoot,
    #[error(
        "`{program}` is missing; install {package}, or name a disposable cluster by NICA_TEST_KUBECONFIG"
    )]
    NoProgram { program: &'static str, package: &'static str },
    #[error("its programs are not in the cache; `./x test cluster` builds them once, in about ten minutes")]
    NotBuilt,
    #[error("this machine does not let us {what} ({why}); name a disposable cluster by NICA_TEST_KUBECONFIG")]
    NotAllowed { what: &'static str, why: String },
    #[error("KUBEBUILDER_ASSETS={} has no {program}; {next}", .folder.display())]
    NotAmongAssets { folder: PathBuf, program: &'static str, next: &'static str },
    #[error(
        "the Go module of the cluster's programs could not be had ({why}); let `go` reach a module proxy, name a \
         folder of programs by KUBEBUILDER_ASSETS, or a disposable cluster by NICA_TEST_KUBECONFIG"
    )]
    NoModule { why: String },
    #[error(
        "containerd, runc and CNI plugins could not be downloaded ({why}); run `apt-get update`, or use `--nodes 0`"
    )]
    NoPackages { why: String },
}

/// What somebody wants to start.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub nodes: u8,
    pub kwok: u16,
}

/// Where everything stands.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Tools {
    pub programs: PathBuf,
    /// Debian's unpacked packages; none without real nodes.
    pub system: Option<PathBuf>,
}

impl Tools {
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.program(name).exists()
    }
}

/// The outer result is about mistakes, the inner one about the machine.
pub(crate) type Answer<T> = Result<std::result::Result<T, Unavailable>>;

pub(crate) fn folder() -> PathBuf {
    config::cache().join("cluster")
}

/// Without `build` only what is in the cache already counts.
pub(crate) fn obtain(wanted: Wanted, build: bool) -> Answer<Tools> {
    if let Err(why) = able::look() {
        return Ok(Err(why));
    }
    let programs = match config::kubebuilder_assets() {
        Some(folder) => among_assets(&folder, wanted).map(|()| folder),
        None => module(build)?,
    };
    let programs = match programs {
        Ok(programs) => programs,
        Err(why) => return Ok(Err(why)),
    };
    let system = match wanted.nodes {
        0 => None,
        _ => match packages(build)? {
            Ok(system) => Some(system),
            Err(why) => return Ok(Err(why)),
        },
    };
    Ok(Ok(Tools { programs, system }))
}

/// Whether a program of this name is found.
pub(super) fn on_path(program: &str) -> bool {
    config::program_folders().iter().any(|folder| folder.join(program).is_file())
}

fn among_assets(folder: &Path, wanted: Wanted) -> Result<(), Unavailable> {
    let plane =
        ["etcd", "kube-apiserver", "kubectl"].map(|name| (name, "it needs etcd, kube-apiserver and kubectl"));
    let nodes = ["kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns", "guest"]
        .map(|name| (name, "use `--nodes 0 --kwok 0` for an API server alone, or unset KUBEBUILDER_ASSETS"));
    let kwok = ["kwok", "stages.yaml"].map(|name| (name, "use `--kwok 0`, or unset KUBEBUILDER_ASSETS"));
    let needed = plane.iter().chain(nodes.iter().filter(|_| wanted.nodes > 0));
    let mut needed = needed.chain(kwok.iter().filter(|_| wanted.kwok > 0));
    match needed.find(|(name, _)| !folder.join(name).is_file()) {
        Some((program, next)) => {
            Err(Unavailable::NotAmongAssets { folder: folder.to_path_buf(), program, next })
        }
        None => Ok(()),
    }
}

/// The built module's folder.
fn module(build: bool) -> Answer<PathBuf> {
    let place = folder().join(format!("programs-{}", pins::digest()));
    if place.is_dir() {
        return Ok(Ok(place));
    }
    if !build {
        return Ok(Err(Unavailable::NotBuilt));
    }
    // Whoever else makes it is waited for, and then there is nothing left to do.
    let _lock = super::state::lock(&folder(), "obtain.lock")?;
    if place.is_dir() {
        return Ok(Ok(place));
    }
    if !on_path("go") {
        return Ok(Err(Unavailable::NoProgram { program: "go", package: "Go 1.26 or later" }));
    }
    whole(&place, |half| {
        println!(
            "building Kubernetes {} into {}, once",
            pins::version_of("k8s.io/kubernetes"),
            place.display()
        );
        let module = half.join("module");
        for (path, text) in pins::MODULE {
            let path = module.join(path);
            std::fs::create_dir_all(path.parent().expect("a file in a folder"))?;
            std::fs::write(path, text)?;
        }
        if let Err(why) = run(&go_build(half), &module, BUILD_LIMIT)? {
            return Ok(Err(Unavailable::NoModule { why }));
        }
        std::fs::rename(half.join("server"), half.join("etcd")).context("name etcd")?;
        write_stages(half, &module)?;
        let missing = pins::PROGRAMS.iter().find(|name| !half.join(name).is_file());
        ensure!(missing.is_none(), "build {}: the module does not bring it", missing.unwrap_or(&""));
        std::fs::remove_dir_all(&module)?;
        Ok(Ok(()))
    })
}

fn go_build(half: &Path) -> Vec<String> {
    let out = format!("{}/", half.display());
    let flags = pins::linker_flags();
    let environment = ["CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false"];
    let build = ["go", "build", "-trimpath", "-ldflags", flags.as_str(), "-o", out.as_str()];
    // A build that nobody waits for any more must not write into the next one's folder.
    let tied = ["setpriv", "--pdeathsig", "KILL", "--", "nice", "-n", "10", "env"];
    let words = tied.iter().chain(&environment).chain(&build).chain(pins::BUILT);
    words.map(|word| word.to_string()).collect()
}

/// The lives of simulated nodes and pods: kwok brings them beside its program, in its module.
fn write_stages(half: &Path, module: &Path) -> Result<()> {
    let mut list = Command::new("go");
    list.args(["list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"]).current_dir(module).env("GOWORK", "off");
    let kwok = PathBuf::from(proc::must_succeed(&mut list, "find kwok's module")?).join("kustomize/stage");
    let read = |file: &&str| {
        let path = kwok.join(file);
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    };
    let stages = pins::STAGES.iter().map(read).collect::<Result<Vec<String>>>()?;
    std::fs::write(half.join("stages.yaml"), stages.join("\n---\n"))?;
    Ok(())
}

/// The unpacked packages' folder; nothing is installed.
fn packages(build: bool) -> Answer<PathBuf> {
    let os_release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let place = folder().join(format!("system-{}", pins::packages_digest(&os_release)));
    if place.is_dir() {
        return Ok(Ok(place));
    }
    if !build {
        return Ok(Err(Unavailable::NotBuilt));
    }
    // Whoever else makes it is waited for, and then there is nothing left to do.
    let _lock = super::state::lock(&folder(), "obtain.lock")?;
    if place.is_dir() {
        return Ok(Ok(place));
    }
    if let Some(program) = ["apt-get", "dpkg"].iter().find(|program| !on_path(program)) {
        return Ok(Err(Unavailable::NoProgram {
            program,
            package: "apt and dpkg, as Debian and Ubuntu have them",
        }));
    }
    whole(&place, |half| {
        let words = ["apt-get", "download", "-q"].iter().chain(pins::PACKAGES);
        let words: Vec<String> = words.map(|word| word.to_string()).collect();
        if let Err(why) = run(&words, half, DOWNLOAD_LIMIT)? {
            return Ok(Err(Unavailable::NoPackages { why }));
        }
        unpack(half)?;
        Ok(Ok(()))
    })
}

/// Every archive into `usr`. Packages still ship `/lib` and `/sbin`, which are links into `/usr` on a running system.
fn unpack(folder: &Path) -> Result<()> {
    let archives = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    for archive in archives.filter(|path| path.extension().is_some_and(|ending| ending == "deb")) {
        proc::must_succeed(Command::new("dpkg").arg("-x").arg(&archive).arg(folder), "unpack a package")?;
        std::fs::remove_file(archive)?;
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        let (from, to) = (folder.join(name), folder.join("usr").join(name));
        if from.is_dir() {
            std::fs::create_dir_all(&to)?;
            proc::must_succeed(Command::new("cp").arg("-a").arg(from.join(".")).arg(&to), "merge a folder")?;
            std::fs::remove_dir_all(from)?;
        }
    }
    Ok(())
}

/// Makes a folder under another name and renames it when `make` says that it is whole. The caller holds the lock.
fn whole(
    place: &Path,
    make: impl FnOnce(&Path) -> Result<std::result::Result<(), Unavailable>>,
) -> Answer<PathBuf> {
    let half = place.with_extension("half");
    if half.exists() {
        std::fs::remove_dir_all(&half).with_context(|| format!("remove {}", half.display()))?;
    }
    std::fs::create_dir_all(&half).with_context(|| format!("create {}", half.display()))?;
    let made = make(&half)?;
    if let Err(why) = made {
        std::fs::remove_dir_all(&half)?;
        return Ok(Err(why));
    }
    std::fs::rename(&half, place).with_context(|| format!("name {}", place.display()))?;
    Ok(Ok(place.to_path_buf()))
}

/// The last line of what a failing command printed is its reason.
fn run(words: &[String], folder: &Path, limit: Duration) -> Result<std::result::Result<(), String>> {
    let mut last = String::new();
    let child = Child::start(&[&words[0]], &words[1..], folder)?;
    let ended = child.read(limit, |line| {
        if !line.trim().is_empty() {
            last = line.trim().to_string();
        }
    })?;
    Ok(if ended.success { Ok(()) } else { Err(if last.is_empty() { ended.why } else { last }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_made_folder_is_never_taken_for_a_whole_one() {
        let home = tempfile::tempdir().expect("a folder");
        let place = home.path().join("programs-1");
        let interrupted = whole(&place, |half| {
            std::fs::write(half.join("etcd"), "half")?;
            anyhow::bail!("the build was interrupted")
        });
        assert!(interrupted.is_err() && !place.exists());
        let refused = whole(&place, |_| Ok(Err(Unavailable::NoModule { why: "no route".into() })));
        assert!(refused.expect("no mistake").is_err() && !place.exists());
        let made = whole(&place, |half| {
            assert!(!half.join("etcd").exists(), "what is left of the first try is gone");
            Ok(Ok(std::fs::write(half.join("etcd"), "whole")?))
        });
        assert_eq!(made.expect("no mistake").expect("made"), place);
        assert_eq!(std::fs::read_to_string(place.join("etcd")).expect("it is there"), "whole");
    }

    #[test]
    fn a_folder_of_programs_is_enough_for_what_it_holds() {
        let home = tempfile::tempdir().expect("a folder");
        let check = |nodes, kwok, expected: Option<&str>| {
            let found = among_assets(home.path(), Wanted { nodes, kwok });
            assert_eq!(
                found.err().map(|why| why.to_string().contains(expected.unwrap_or("?"))),
                expected.map(|_| true)
            );
        };
        check(0, 0, Some("has no etcd"));
        for name in ["etcd", "kube-apiserver", "kubectl"] {
            std::fs::write(home.path().join(name), "").expect("written");
        }
        check(0, 0, None);
        check(0, 1, Some("has no kwok"));
        check(2, 0, Some("use `--nodes 0 --kwok 0`"));
    }

    #[test]
    fn a_failing_command_gives_its_last_line() {
        let words = ["sh", "-c", "echo one; echo two >&2; echo; exit 3"].map(String::from);
        assert_eq!(run(&words, Path::new("/"), BUILD_LIMIT).expect("it starts"), Err("two".to_string()));
    }
}
