//! The cases, in the order they are played. What they say on success is a figure or a fact that they saw.

use super::ask::{ask, create, get, pods};
use super::marks::{self, Machine, Marks};
use super::objects::{NODE_PORT, SIMULATED, simulated, web};
use crate::cluster::names::Name;
use crate::cluster::obtain::Wanted;
use crate::cluster::running::{self, Running, Wish};
use crate::cluster::state::{self, State};
use crate::cluster::{self, status};
use crate::kill::proc::{self, Signal};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A statement, and what shows it.
type Case = (&'static str, fn(&Running) -> Result<String>);
type KillCase = (&'static str, fn(&Machine) -> Result<String>);

pub(crate) const UP: &str = "a_cluster_with_two_real_and_two_simulated_nodes_starts";
pub(crate) const WHILE_UP: &[Case] = &[
    ("pods_run_on_both_real_kubelets_and_say_so_in_their_logs", pods_run),
    ("a_service_reaches_pods_on_both_nodes_by_name_address_and_port", service_answers),
    ("pods_of_simulated_nodes_run_too", simulated_pods_run),
    ("an_api_server_and_an_etcd_that_are_killed_come_back_with_everything", killed_plane),
    ("a_second_cluster_stands_beside_the_first", second_cluster),
];
pub(crate) const DOWN: &str = "down_leaves_no_process_namespace_mount_cgroup_link_or_route";
pub(crate) const KILLS: &[KillCase] = &[
    ("a_starter_killed_halfway_leaves_nothing", killed_starter),
    ("a_killed_guard_takes_its_cluster_along_and_the_rest_is_cleared", killed_guard),
];

pub(crate) fn count() -> u64 {
    (WHILE_UP.len() + 2 + KILLS.len()) as u64
}

pub(crate) const LIMIT: Duration = Duration::from_secs(180);
/// A Service that was just made refuses for a second after its pods are ready.
const SERVICE_LIMIT: Duration = Duration::from_secs(60);

fn pods_run(running: &Running) -> Result<String> {
    let began = Instant::now();
    create(&running.state, &web())?;
    let pods = proc::wait_for("see two pods ready", LIMIT, || {
        let pods = pods(&running.state, "app=web").ok()?;
        (pods.len() == 2 && pods.iter().all(|pod| pod.ready)).then_some(pods)
    })?;
    let took = began.elapsed().as_secs_f64();
    let nodes: BTreeSet<&str> = pods.iter().map(|pod| pod.node.as_str()).collect();
    ensure!(nodes == BTreeSet::from(["n0", "n1"]), "see one pod on each node, not {nodes:?}");
    for pod in &pods {
        let log = ask(&running.state, &["logs", &pod.name])?;
        ensure!(log.contains(&format!("serving as {}", pod.name)), "read the log of {}: {log:?}", pod.name);
    }
    Ok(format!("ready after {took:.1} s"))
}

/// From the machine and from a pod on each node; through the address, the name, and each node's port.
fn service_answers(running: &Running) -> Result<String> {
    let (state, range) = (&running.state, running.state.range);
    let address: Ipv4Addr =
        ask(state, &["get", "service", "web", "--output=jsonpath={.spec.clusterIP}"])?.parse()?;
    let both: BTreeSet<String> = pods(state, "app=web")?.into_iter().map(|pod| pod.name).collect();
    let mut asked = 0;
    let mut see_both = |from: &str, get: &dyn Fn() -> Result<String>| -> Result<()> {
        let mut seen = BTreeSet::new();
        proc::wait_for(&format!("reach both pods from {from}"), SERVICE_LIMIT, || {
            asked += 1;
            seen.extend(get().ok().map(|answer| answer.trim().to_string()));
            (seen == both).then_some(())
        })
    };
    see_both("the machine", &|| get(address, 80))?;
    for node in 0..state.nodes {
        see_both("the machine by a node's port", &|| get(range.node(node), NODE_PORT))?;
    }
    for pod in &both {
        see_both(pod, &|| {
            ask(state, &["exec", pod, "--", "/guest", "get", "http://web.default.svc.cluster.local/"])
        })?;
    }
    Ok(format!("{asked} requests"))
}

fn simulated_pods_run(running: &Running) -> Result<String> {
    create(&running.state, &simulated())?;
    let pods = proc::wait_for("see simulated pods ready", LIMIT, || {
        let pods = pods(&running.state, "app=simulated").ok()?;
        (pods.len() == usize::from(SIMULATED) && pods.iter().all(|pod| pod.ready)).then_some(pods)
    })?;
    ensure!(pods.iter().all(|pod| pod.node.starts_with("kwok-")), "see them on simulated nodes");
    Ok(format!("{} pods", pods.len()))
}

/// What was written before is still there, and the nodes' pods never noticed.
fn killed_plane(running: &Running) -> Result<String> {
    let state = &running.state;
    let uids =
        || ask(state, &["get", "pods", "--selector=app=web", "--output=jsonpath={.items[*].metadata.uid}"]);
    let before = uids()?;
    let mut said = Vec::new();
    for name in ["kube-apiserver", "etcd"] {
        let pid = status::program(state, name).with_context(|| format!("find {name}"))?;
        let began = Instant::now();
        proc::signal(pid, Signal::KILL)?;
        proc::wait_for(&format!("see another {name}"), LIMIT, || {
            status::program(state, name).filter(|new| *new != pid)
        })?;
        proc::wait_for("see the API server ready again", LIMIT, || {
            ask(state, &["get", "--raw", "/readyz"]).ok()
        })?;
        said.push(format!("{name} {:.1} s", began.elapsed().as_secs_f64()));
    }
    ensure!(uids()? == before, "see the same pods");
    Ok(said.join(", "))
}

fn second_cluster(first: &Running) -> Result<String> {
    let wish = Wish { name: None, wanted: Wanted { nodes: 1, kwok: 0 }, build: false };
    let second = Running::start(&wish, |_| {})?.map_err(|why| anyhow!("start a second cluster: {why}"))?;
    ensure!(second.state.range != first.state.range, "get other addresses");
    let marks = Marks::of(&second.state)?;
    let names = |state: &State| ask(state, &["get", "nodes", "--output=name"]);
    let (ours, theirs) = (names(&first.state)?, names(&second.state)?);
    ensure!(
        ours.lines().count() == 4 && theirs == "node/n0",
        "see two clusters, not {ours:?} and {theirs:?}"
    );
    let (up, down) = (second.seconds, second.end()?);
    nothing_left(&marks)?;
    ensure!(names(&first.state)? == ours, "see the first as it was");
    Ok(format!("up after {up:.1} s, down after {down:.1} s"))
}

pub(crate) fn down_leaves_nothing(running: Running, machine: &Machine) -> Result<String> {
    let marks = Marks::of(&running.state)?;
    let down = running.end()?;
    nothing_left(&marks)?;
    machine.must_be_the_same()?;
    Ok(format!("down after {down:.1} s"))
}

/// The one who started it is gone before it could say that the cluster stays.
fn killed_starter(machine: &Machine) -> Result<String> {
    let (name, _cleanup) = apart("k1")?;
    let mut starter = start_apart(&name, "the API server is ready")?;
    let marks = Marks::of(&State::read(&state::home(&name))?)?;
    let began = Instant::now();
    starter.kill()?;
    starter.wait()?;
    proc::wait_for("see the guard clear up", LIMIT, || nothing_left(&marks).ok())?;
    machine.must_be_the_same()?;
    Ok(format!("nothing left after {:.1} s", began.elapsed().as_secs_f64()))
}

/// The kernel ends what ran; the next command removes what only a process can.
fn killed_guard(machine: &Machine) -> Result<String> {
    let (name, _cleanup) = apart("k2")?;
    let mut starter = start_apart(&name, "is up after")?;
    ensure!(starter.wait()?.success(), "start a cluster that stays");
    let (home, state) = (state::home(&name), State::read(&state::home(&name))?);
    let marks = Marks::of(&state)?;
    let guard = guard_of(&home)?;
    let began = Instant::now();
    proc::signal(guard, Signal::KILL)?;
    proc::wait_for("see everything inside end", LIMIT, || marks::inside(&state).is_empty().then_some(()))?;
    let ended = began.elapsed().as_secs_f64();
    ensure!(!state::is_guarded(&home), "see no guard");
    running::end(&home)?;
    nothing_left(&marks)?;
    machine.must_be_the_same()?;
    Ok(format!("all processes gone after {ended:.2} s"))
}

pub(crate) fn nothing_left(marks: &Marks) -> Result<()> {
    let left = marks.left()?;
    ensure!(left.is_empty(), "find nothing left: {}", left.join("; "));
    Ok(())
}

/// A name that no other suite uses at this time; whatever a failed case leaves under it is ended.
fn apart(case: &str) -> Result<(Name, Cleanup)> {
    let name = Name::parse(&format!("{case}-{}", std::process::id()))?;
    let home = state::home(&name);
    Ok((name, Cleanup(home)))
}

pub(crate) struct Cleanup(pub PathBuf);

impl Drop for Cleanup {
    fn drop(&mut self) {
        if self.0.exists() {
            // The case has failed and says why.
            let _ = running::end(&self.0);
        }
    }
}

/// `./x cluster up` as a process of its own, until it has printed this.
fn start_apart(name: &Name, until: &str) -> Result<Child> {
    let mut child = up(name).stdout(Stdio::piped()).spawn().context("start ./x cluster up")?;
    let output = child.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next() {
        if line?.contains(until) {
            // It goes on speaking, and somebody has to listen.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(child);
        }
    }
    let _ = child.wait();
    bail!("start a cluster: it ended before it said {until:?}")
}

/// The same, and nobody listens.
pub(crate) fn start(name: &Name) -> Result<Child> {
    up(name).stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("start ./x cluster up")
}

fn up(name: &Name) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["cluster", "up", name.as_str(), "--nodes=1", "--kwok=0"]).stdin(Stdio::null());
    command
}

/// The process that was told to guard this folder.
pub(crate) fn guard_of(home: &Path) -> Result<u32> {
    let words = [home.join(cluster::PROGRAM).display().to_string(), "cluster".into(), "guard".into()];
    let guard = |pid: &u32| proc::command_line(*pid).starts_with(&words);
    proc::all().into_iter().find(guard).context("find the guard")
}
