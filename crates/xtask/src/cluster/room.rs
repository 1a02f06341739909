//! A node's room: a root of its own, so that no file of the machine is written and every path is the usual one.
//!
//! Runs as a process in fresh mount and network namespaces; it builds the room, says so and stays. Whoever enters
//! its namespaces finds `/usr` with Debian's packages laid over the machine's own, empty `/run` and `/tmp`, the
//! node's `/etc` and `/var`. The namespaces end with the last process in them.

use super::node;
use super::state::State;
use anyhow::{Context as _, Result};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use std::path::Path;

pub(crate) const READY: &str = "the room is ready";

/// Settings of the machine's kernel that a kubelet writes: it writes into files of ours.
const SETTINGS: &[(&str, &str)] =
    &[("vm/overcommit_memory", "1"), ("kernel/panic", "10"), ("kernel/panic_on_oops", "1")];

/// As the kernel marks an overlay in statfs(2).
const OVERLAY: rustix::fs::FsWord = 0x794c_7630;

pub(crate) fn stay(home: &Path, number: u8) -> Result<()> {
    let state = State::read(home)?;
    build(&state, number).context("build a node's room")?;
    println!("{READY}");
    loop {
        std::thread::park();
    }
}

fn build(state: &State, number: u8) -> Result<()> {
    let folder = node::folder(&state.home(), number);
    let root = folder.join("root");
    std::fs::create_dir_all(&root)?;
    fresh("tmpfs", &root, "mode=755")?;
    system(state, &root)?;
    bind(&folder.join("etc"), &root.join("etc"))?;
    var(&folder.join("var"), &root.join("var"))?;
    read_only(&state.tools.programs, &root.join("opt/nica/bin"))?;
    std::fs::write(root.join("opt/nica/images.tar"), "")?;
    mount_bind(state.home().join("images.tar"), root.join("opt/nica/images.tar"))
        .context("bind the images")?;
    kernel(&root)?;
    for name in ["run", "tmp", "root"] {
        fresh("tmpfs", &root.join(name), "mode=755")?;
    }
    enter(&root)
}

/// On disk, unless that disk is itself a layer (as in a container): containerd lays images over each other there.
fn var(from: &Path, to: &Path) -> Result<()> {
    let layered = rustix::fs::statfs(from).context("look at the disk")?.f_type == OVERLAY;
    if layered { fresh("tmpfs", to, "mode=755") } else { bind(from, to) }
}

/// `/usr`, and the links into it as this system has them.
fn system(state: &State, root: &Path) -> Result<()> {
    let unpacked = state.tools.system.as_deref().context("find the unpacked packages")?;
    let layers = format!("lowerdir={}:/usr", unpacked.join("usr").display());
    fresh("overlay", &root.join("usr"), &layers)?;
    for name in ["bin", "sbin", "lib", "lib64"] {
        let (from, to) = (Path::new("/").join(name), root.join(name));
        match std::fs::read_link(&from) {
            Ok(target) => std::os::unix::fs::symlink(target, to)?,
            Err(_) if from.is_dir() => read_only(&from, &to)?,
            Err(_) => {}
        }
    }
    Ok(())
}

/// `/proc` of our process namespace, `/sys` of our network namespace, the machine's devices and cgroups.
fn kernel(root: &Path) -> Result<()> {
    fresh("proc", &root.join("proc"), "")?;
    fresh("sysfs", &root.join("sys"), "")?;
    mount_bind_recursive("/sys/fs/cgroup", root.join("sys/fs/cgroup")).context("bind the cgroups")?;
    std::fs::create_dir_all(root.join("dev"))?;
    mount_bind_recursive("/dev", root.join("dev")).context("bind /dev")?;
    let own = root.join("opt/nica/settings");
    std::fs::create_dir_all(&own)?;
    for (path, value) in SETTINGS {
        let file = own.join(path.replace('/', "."));
        std::fs::write(&file, value)?;
        mount_bind(&file, root.join("proc/sys").join(path)).with_context(|| format!("cover {path}"))?;
    }
    Ok(())
}

/// From here on nothing else of the machine can be named.
fn enter(root: &Path) -> Result<()> {
    let old = root.join("old");
    std::fs::create_dir_all(&old)?;
    rustix::process::pivot_root(root, &old).context("enter the room")?;
    rustix::process::chdir("/").context("stand in the room")?;
    unmount("/old", UnmountFlags::DETACH).context("leave the machine's files")?;
    std::fs::remove_dir("/old")?;
    // A volume that a pod mounts has to be seen by the kubelet, and the reverse.
    mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC).context("share mounts")?;
    Ok(())
}

fn fresh(kind: &str, at: &Path, options: &str) -> Result<()> {
    std::fs::create_dir_all(at)?;
    let options = std::ffi::CString::new(options)?;
    mount(kind, at, kind, MountFlags::empty(), Some(options.as_c_str()))
        .with_context(|| format!("mount {kind} on {}", at.display()))
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    mount_bind(from, to).with_context(|| format!("bind {}", from.display()))
}

fn read_only(from: &Path, to: &Path) -> Result<()> {
    bind(from, to)?;
    mount_remount(to, MountFlags::BIND | MountFlags::RDONLY, "")
        .with_context(|| format!("protect {}", from.display()))
}
