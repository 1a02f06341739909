//! A group of the cluster's own in every cgroup hierarchy, with one below it for each node's kubelet.
//!
//! Both layouts are served: the one tree of cgroup v2, and v1 with a tree for each controller, where a fresh
//! `cpuset` group takes no process until somebody says which processors and memory it may use.

use crate::kill::proc;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The kernel lets a group go a moment after its last process.
const EMPTY_LIMIT: Duration = Duration::from_secs(20);

/// A hierarchy as it is mounted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    at: PathBuf,
    unified: bool,
    cpuset: bool,
}

pub(crate) fn hierarchies() -> Result<Vec<Hierarchy>> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("read /proc/self/mounts")?;
    Ok(mounts.lines().filter_map(hierarchy).collect())
}

/// `cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0`
fn hierarchy(line: &str) -> Option<Hierarchy> {
    let words: Vec<&str> = line.split(' ').collect();
    let [_, at, kind @ ("cgroup" | "cgroup2"), options, ..] = words[..] else { return None };
    Some(Hierarchy {
        at: at.into(),
        unified: kind == "cgroup2",
        cpuset: options.split(',').any(|option| option == "cpuset"),
    })
}

pub(crate) fn make(label: &str, nodes: u8) -> Result<()> {
    for hierarchy in hierarchies()? {
        let top = hierarchy.at.join(label);
        create(&top, &hierarchy)?;
        for number in 0..nodes {
            create(&top.join(super::node::name(number)), &hierarchy)?;
        }
    }
    Ok(())
}

fn create(group: &Path, hierarchy: &Hierarchy) -> Result<()> {
    std::fs::create_dir_all(group).with_context(|| format!("create cgroup {}", group.display()))?;
    let above = group.parent().expect("a group below the root");
    if hierarchy.cpuset {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let value = std::fs::read(above.join(file)).with_context(|| format!("read {file}"))?;
            std::fs::write(group.join(file), value).with_context(|| format!("write {file}"))?;
        }
    }
    if hierarchy.unified {
        delegate(above)?;
        delegate(group)?;
    }
    Ok(())
}

/// Hands the controllers of this group to the groups below it. Beside v1 the tree of v2 holds the leftovers only, and
/// nobody needs them handed on.
fn delegate(group: &Path) -> Result<()> {
    let words = |file: &str| std::fs::read_to_string(group.join(file)).unwrap_or_default();
    let (there, handed) = (words("cgroup.controllers"), words("cgroup.subtree_control"));
    let missing: Vec<String> = there
        .split_whitespace()
        .filter(|name| handed.split_whitespace().all(|other| other != *name))
        .map(|name| format!("+{name}"))
        .collect();
    if missing.is_empty() || !there.split_whitespace().any(|name| name == "memory") {
        return Ok(());
    }
    let file = group.join("cgroup.subtree_control");
    std::fs::write(&file, missing.join(" ")).with_context(|| format!("write {}", file.display()))
}

/// Whether groups can be made here; leaves none.
pub(crate) fn attempt() -> Result<()> {
    let label = format!("nica-try-{}", std::process::id());
    let made = make(&label, 0);
    remove(&label)?;
    made
}

/// Groups of this name that are still there.
pub(crate) fn left(label: &str) -> Result<Vec<PathBuf>> {
    Ok(hierarchies()?
        .into_iter()
        .map(|hierarchy| hierarchy.at.join(label))
        .filter(|group| group.exists())
        .collect())
}

/// Removes them with everything below; whoever calls has ended the processes.
pub(crate) fn remove(label: &str) -> Result<()> {
    for group in left(label)? {
        proc::wait_for(&format!("remove cgroup {}", group.display()), EMPTY_LIMIT, || {
            remove_below(&group);
            (!group.exists()).then_some(())
        })?;
    }
    Ok(())
}

/// Children first. A group that does not go yet is tried again.
fn remove_below(group: &Path) {
    let entries = std::fs::read_dir(group).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).for_each(|child| remove_below(&child));
    let _ = std::fs::remove_dir(group);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_read_from_the_mount_table() {
        let check = |line: &str, expected: Option<(&str, bool, bool)>| {
            let expected = expected.map(|(at, unified, cpuset)| Hierarchy { at: at.into(), unified, cpuset });
            assert_eq!(hierarchy(line), expected, "{line}");
        };
        check(
            "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0",
            Some(("/sys/fs/cgroup/cpuset", false, true)),
        );
        check("cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0", Some(("/sys/fs/cgroup/pids", false, false)));
        check("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0", Some(("/sys/fs/cgroup", true, false)));
        check("tmpfs /sys/fs/cgroup tmpfs rw 0 0", None);
        check("", None);
    }
}
