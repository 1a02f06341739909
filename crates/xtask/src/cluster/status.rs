//! What runs: read from the books, from /proc and from each cluster's own API, never from memory.

use super::names::Name;
use super::state::{self, State};
use super::{PROGRAMS_FILE, config};
use crate::kill::proc;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::Command;

#[derive(Serialize)]
struct Cluster {
    name: Name,
    /// Its guard lives. Without one, the next `up` or `down` clears it away.
    guarded: bool,
    addresses: String,
    server: String,
    kubeconfig: std::path::PathBuf,
    /// What the API server says of itself; none when it does not answer.
    answers: Option<String>,
    programs: Vec<Program>,
    /// All processes inside, containers included.
    processes: usize,
    memory_mib: u64,
    nodes: Vec<Node>,
}

#[derive(Serialize)]
struct Program {
    name: String,
    /// As the machine numbers it; none when it has ended.
    pid: Option<u32>,
}

#[derive(Serialize)]
struct Node {
    name: String,
    ready: bool,
}

pub(crate) fn print(json: bool) -> Result<bool> {
    let clusters: Vec<Cluster> =
        state::homes().iter().filter_map(|home| State::read(home).ok()).map(look).collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&clusters)?);
        return Ok(true);
    }
    if let Some(kubeconfig) = config::test_kubeconfig() {
        println!("tests use the cluster of NICA_TEST_KUBECONFIG={}", kubeconfig.display());
    }
    if clusters.is_empty() {
        println!("no cluster runs; `./x cluster up` starts one");
    }
    clusters.iter().for_each(|cluster| println!("{}", cluster.text()));
    Ok(true)
}

fn look(state: State) -> Cluster {
    let inside = inside(&state);
    let ask = |words: &[&str]| {
        let mut kubectl = super::kubectl(&state);
        kubectl.arg("--request-timeout=5s").args(words);
        answer(&mut kubectl)
    };
    let nodes = ask(&["get", "nodes", "--no-headers"]).unwrap_or_default();
    Cluster {
        guarded: state::is_guarded(&state.home()),
        addresses: state.range.whole().to_string(),
        server: super::plane::server(state.range),
        kubeconfig: state.kubeconfig(),
        answers: ask(&["get", "--raw", "/readyz"]),
        programs: programs(&state, &inside),
        processes: inside.len(),
        memory_mib: inside.iter().map(|pid| memory_kib(*pid)).sum::<u64>() / 1024,
        nodes: nodes.lines().filter_map(node).collect(),
        name: state.name,
    }
}

/// A program's pid on the machine, while it runs.
pub(crate) fn program(state: &State, name: &str) -> Option<u32> {
    programs(state, &inside(state)).into_iter().find(|program| program.name == name)?.pid
}

/// The first process and everything below it: containers have process namespaces of their own.
fn inside(state: &State) -> Vec<u32> {
    let init = state.init.as_ref().filter(|init| proc::began(init.pid) == Some(init.began));
    init.map(|init| [vec![init.pid], proc::descendants(init.pid)].concat()).unwrap_or_default()
}

fn answer(command: &mut Command) -> Option<String> {
    proc::must_succeed(command, "ask").ok()
}

/// `n0   Ready   <none>   12s   v1.36.3`
fn node(line: &str) -> Option<Node> {
    let mut words = line.split_whitespace();
    Some(Node { name: words.next()?.to_string(), ready: words.next()? == "Ready" })
}

fn programs(state: &State, inside: &[u32]) -> Vec<Program> {
    let text = std::fs::read_to_string(state.home().join(PROGRAMS_FILE)).unwrap_or_default();
    let started: Vec<(String, u32)> = serde_json::from_str(&text).unwrap_or_default();
    let by_inner: BTreeMap<u32, u32> = inside.iter().filter_map(|pid| Some((inner(*pid)?, *pid))).collect();
    let mut programs: Vec<Program> = started
        .into_iter()
        .map(|(name, inner)| Program { name, pid: by_inner.get(&inner).copied() })
        .collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    programs
}

/// A process's number one namespace below ours: the second of `NSpid:`. Processes of containers have a third.
fn inner(pid: u32) -> Option<u32> {
    inner_of(&status_line(pid, "NSpid:")?)
}

fn inner_of(numbers: &str) -> Option<u32> {
    match numbers.split_whitespace().collect::<Vec<_>>()[..] {
        [_, inner] => inner.parse().ok(),
        _ => None,
    }
}

fn memory_kib(pid: u32) -> u64 {
    let resident = status_line(pid, "VmRSS:");
    resident.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn status_line(pid: u32, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(text.lines().find_map(|line| line.strip_prefix(name))?.trim().to_string())
}

impl Cluster {
    fn text(&self) -> String {
        let answers = match (&self.answers, self.guarded) {
            (Some(_), _) => "ready",
            (None, true) => "does not answer",
            (None, false) => "dead; the next `./x cluster down` clears it away",
        };
        let mut text = format!("{}  {answers}  {}  {}\n", self.name, self.server, self.addresses);
        text += &format!("  {} processes, {} MiB\n", self.processes, self.memory_mib);
        let running = |program: &Program| match program.pid {
            Some(pid) => format!("{} ({pid})", program.name),
            None => format!("{} (ENDED)", program.name),
        };
        text += &format!("  {}\n", self.programs.iter().map(running).collect::<Vec<_>>().join(", "));
        text += &format!("  nodes: {}", self.nodes_text());
        text
    }

    /// Simulated nodes are counted; whoever is not ready is named.
    fn nodes_text(&self) -> String {
        let (simulated, real): (Vec<&Node>, Vec<&Node>) =
            self.nodes.iter().partition(|node| node.ready && node.name.starts_with("kwok-"));
        let mut names: Vec<String> = real
            .iter()
            .map(|node| if node.ready { node.name.clone() } else { format!("{} (NOT READY)", node.name) })
            .collect();
        if !simulated.is_empty() {
            names.push(format!("{} simulated", simulated.len()));
        }
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_when_it_says_so() {
        let check = |line: &str, expected: Option<(&str, bool)>| {
            let found = node(line).map(|node| (node.name, node.ready));
            assert_eq!(found, expected.map(|(name, ready)| (name.to_string(), ready)), "{line}");
        };
        check("n0   Ready    <none>   12s   v1.36.3", Some(("n0", true)));
        check("n1   NotReady <none>   12s   v1.36.3", Some(("n1", false)));
        check("", None);
    }

    #[test]
    fn a_programs_number_inside_is_told_apart_from_a_containers() {
        assert_eq!(inner_of("2301\t17"), Some(17));
        assert_eq!(inner_of("2301\t17\t1"), None);
        assert_eq!(inner_of("2301"), None);
        assert!(memory_kib(std::process::id()) > 0);
    }
}
