//! What a cluster leaves on a machine while it runs, written down so that somebody can look whether it is gone.
//!
//! Read from the kernel, not from the books: a mark that was never seen would prove nothing, so `of` insists on each.

use crate::cluster::leftovers;
use crate::cluster::names::Net;
use crate::cluster::state::State;
use crate::cluster::{cgroups, network};
use crate::kill::proc;
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Settings of the machine that a careless cluster changes.
const SETTINGS: &[&str] = &[
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/forwarding",
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/panic_on_oops",
];

pub(crate) struct Marks {
    home: PathBuf,
    label: String,
    whole: Net,
    /// Of the first process and every process below it: `pid`, `mnt` and `net` as /proc names them.
    namespaces: BTreeSet<String>,
    processes: Vec<(u32, u64)>,
}

impl Marks {
    /// Each kind is seen, or it is an error.
    pub(crate) fn of(state: &State) -> Result<Marks> {
        let marks = Marks::seen(state).context("find the first process inside")?;
        let seen = marks.left()?;
        for kind in ["process", "namespace", "mount", "cgroup", "link", "route", "folder"] {
            let of_kind = seen.iter().any(|mark| mark.starts_with(kind));
            ensure!(of_kind, "see a {kind} of a running cluster among its {} marks", seen.len());
        }
        Ok(marks)
    }

    /// Whatever there is of a cluster that is only beginning.
    pub(crate) fn seen(state: &State) -> Option<Marks> {
        let init = state.init.as_ref()?;
        let mut inside = vec![init.pid];
        inside.extend(proc::descendants(init.pid));
        let own = namespaces(std::process::id());
        let namespaces: BTreeSet<String> =
            inside.iter().flat_map(|pid| namespaces(*pid)).filter(|name| !own.contains(name)).collect();
        let processes = inside.iter().filter_map(|pid| Some((*pid, proc::began(*pid)?))).collect();
        let whole = state.range.whole();
        Some(Marks { home: state.home(), label: state.range.label(), whole, namespaces, processes })
    }

    /// What is still there.
    pub(crate) fn left(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for (pid, began) in &self.processes {
            if proc::alive(*pid) && proc::began(*pid) == Some(*began) {
                left.push(format!("process {pid} {:?}", proc::command_line(*pid)));
            }
        }
        let home = self.home.display().to_string();
        for pid in proc::all().into_iter().filter(|pid| *pid != std::process::id() && proc::alive(*pid)) {
            if proc::command_line(pid).iter().any(|word| word.starts_with(&home)) {
                left.push(format!("process {pid} {:?}", proc::command_line(pid)));
            }
            let held = namespaces(pid).into_iter().filter(|name| self.namespaces.contains(name));
            left.extend(held.map(|name| format!("namespace {name} held by {pid}")));
            left.extend(self.mounts(pid).map(|line| format!("mount {line} seen by {pid}")));
        }
        left.extend(cgroups::left(&self.label)?.iter().map(|group| format!("cgroup {}", group.display())));
        left.extend(network::has_link(&self.label).then(|| format!("link {}", self.label)));
        let ours = network::routes()?.into_iter().filter(|route| route.meets(&self.whole));
        left.extend(ours.map(|route| format!("route {route}")));
        left.extend(self.home.exists().then(|| format!("folder {home}")));
        Ok(left)
    }

    /// Mounts of our folder, and of namespaces kept by a file. A mount names the folder within its file system, so
    /// only the end of the path is sure.
    fn mounts(&self, pid: u32) -> impl Iterator<Item = String> {
        let table = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        let name = self.home.file_name().unwrap_or_default().display();
        let home = format!("/cluster/run/{name}/");
        let ours = |line: &&str| {
            line.contains(&home)
                || self.namespaces.iter().any(|name| line.split(' ').any(|word| word == name))
        };
        table.lines().filter(ours).map(String::from).collect::<Vec<_>>().into_iter()
    }
}

fn namespaces(pid: u32) -> Vec<String> {
    let read = |kind: &&str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    ["pid", "mnt", "net"].iter().filter_map(read).map(|name| name.display().to_string()).collect()
}

/// What must be the same before and after, whatever happened between: one line for each setting and each mount.
pub(crate) struct Machine(BTreeSet<String>);

impl Machine {
    pub(crate) fn look() -> Result<Machine> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").context("read /proc/self/mounts")?;
        let mut lines: BTreeSet<String> = mounts.lines().map(|line| format!("mount {line}")).collect();
        for name in SETTINGS {
            let path = Path::new("/proc/sys").join(name);
            let value = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            lines.insert(format!("{name} = {}", value.trim()));
        }
        Ok(Machine(lines))
    }

    pub(crate) fn must_be_the_same(&self) -> Result<()> {
        let now = Machine::look()?;
        let changed: Vec<&String> = self.0.symmetric_difference(&now.0).collect();
        ensure!(changed.is_empty(), "find the machine as it was: {changed:?}");
        Ok(())
    }
}

/// The first process inside, for whoever wants to see it die.
pub(crate) fn inside(state: &State) -> Vec<u32> {
    state.init.as_ref().map(|init| leftovers::processes(&init.namespace)).unwrap_or_default()
}
