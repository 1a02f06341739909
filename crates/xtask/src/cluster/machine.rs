//! The first process inside: it starts everything, tells how far it is, then buries the dead and starts again what
//! should not have ended.
//!
//! It is process 1 of a process namespace of its own, so the kernel ends every program, shim and container with it:
//! nobody has to find them. It has a network namespace too, which ends the same way.

mod programs;

use super::plane;
use super::state::State;
use super::{addons, image, network, node, room};
use crate::kill::proc;
use anyhow::{Context as _, Result, bail, ensure};
use programs::Programs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the guard says when the link to the machine stands.
pub(crate) const GO: &str = "go";
/// What this process says; each line is one of these words and a text.
pub(crate) const STEP: &str = "step";
pub(crate) const UP: &str = "up";
pub(crate) const FAILED: &str = "failed";

/// Of each wait; a machine that does much else takes 20 s where an idle one takes 2.
const START_LIMIT: Duration = Duration::from_secs(180);
/// Each look at the API is a process: often enough to lose no time, seldom enough to take none.
const LOOK_EVERY: Duration = Duration::from_millis(60);

pub(crate) fn run(home: &Path) -> Result<()> {
    let machine = Machine::new(home)?;
    ensure!(std::process::id() == 1, "run as the first process of a namespace");
    let mut word = String::new();
    std::io::stdin().read_line(&mut word).context("hear from the guard")?;
    if word.trim() != GO {
        return Ok(());
    }
    match machine.start() {
        Ok(()) => tell(UP, &format!("{:.1}", machine.began.elapsed().as_secs_f64())),
        Err(error) => {
            tell(FAILED, &format!("{error:#}").replace('\n', "\t"));
            return Ok(());
        }
    }
    machine.programs.bury()
}

/// Nobody may be listening any more.
fn tell(word: &str, text: &str) {
    let _ = writeln!(std::io::stdout(), "{word} {text}");
}

struct Machine {
    state: State,
    home: PathBuf,
    began: Instant,
    programs: Programs,
}

impl Machine {
    fn new(home: &Path) -> Result<Machine> {
        let (state, home) = (State::read(home)?, home.to_path_buf());
        let programs = Programs::new(&home)?;
        Ok(Machine { state, home, began: Instant::now(), programs })
    }

    fn step(&self, what: &str) {
        tell(STEP, &format!("{:.1} {what}", self.began.elapsed().as_secs_f64()));
    }

    fn start(&self) -> Result<()> {
        let (range, nodes) = (self.state.range, self.state.nodes);
        network::build(range, nodes)?;
        plane::make_certificates(&self.home.join("pki"), range)?;
        let rooms = std::thread::scope(|scope| -> Result<Vec<u32>> {
            let prepared = scope.spawn(|| self.prepare_nodes());
            self.start_plane()?;
            prepared.join().expect("a node's thread does not panic")
        })?;
        for (number, room) in (0..).zip(&rooms) {
            self.start_node(number, *room)?;
        }
        self.add(nodes)
    }

    fn start_plane(&self) -> Result<()> {
        let (tools, range, pki) = (&self.state.tools, self.state.range, self.home.join("pki"));
        self.programs.start(plane::etcd(tools, &self.home))?;
        self.wait("wait for etcd", || etcd_is_healthy().then_some(()))?;
        self.programs.start(plane::api_server(tools, &pki, range))?;
        let ready = || self.kubectl(&["get", "--raw", "/readyz"]).ok();
        self.wait("wait for the API server", ready)?;
        self.step("the API server is ready");
        if tools.has("kube-controller-manager") {
            self.programs.start(plane::controllers(tools, &pki))?;
            self.programs.start(plane::scheduler(tools, &pki))?;
        }
        Ok(())
    }

    /// Rooms with a running containerd that has the images.
    fn prepare_nodes(&self) -> Result<Vec<u32>> {
        let numbers = 0..self.state.nodes;
        if !numbers.is_empty() {
            image::write(&self.state.tools, &self.home.join("images.tar"))?;
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                numbers.map(|number| scope.spawn(move || self.prepare_node(number))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a node's thread does not panic")).collect()
        })
    }

    fn prepare_node(&self, number: u8) -> Result<u32> {
        node::furnish(&self.state, number)?;
        let room = self.open_room(number)?;
        network::attach(self.state.range, number, self.state.nodes, room)?;
        proc::must_succeed(
            &mut node::try_filter(room),
            "filter packets, for which the kernel needs nf_tables",
        )?;
        self.programs.start(node::containerd(number, room))?;
        let socket = PathBuf::from(format!("/proc/{room}/root/{}", node::CONTAINERD_SOCKET));
        self.wait("wait for containerd", || UnixStream::connect(&socket).ok())?;
        proc::must_succeed(&mut node::import_images(room), "import the images")?;
        Ok(room)
    }

    /// The room's process; its pid names the namespaces.
    fn open_room(&self, number: u8) -> Result<u32> {
        let name = format!("{}-room", node::name(number));
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--net", "--propagation", "private", "--"])
            .arg(self.home.join(super::PROGRAM));
        command.args(["cluster", "room"]).arg(&self.home).arg(number.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(self.programs.log(&name)?);
        let mut child = command.spawn().context("open a node's room")?;
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        std::io::BufReader::new(output).read_line(&mut line)?;
        ensure!(line.trim() == room::READY, "open a node's room:\n{}", self.programs.last_lines(&name));
        self.programs.note(&name, child.id(), None);
        Ok(child.id())
    }

    fn start_node(&self, number: u8, room: u32) -> Result<()> {
        self.programs.start(node::kubelet_program(number, room, self.state.range))?;
        self.programs.start(node::kube_proxy_program(number, room))
    }

    /// What runs on top: names for Services, simulated nodes.
    fn add(&self, nodes: u8) -> Result<()> {
        if self.state.tools.has("kube-controller-manager") {
            let account = || self.kubectl(&["get", "serviceaccount", "default"]).ok();
            self.wait("wait for the default service account", account)?;
            self.step("pods can be made");
        }
        if self.state.kwok > 0 {
            self.programs.start(addons::kwok(&self.state.tools, &self.home.join("pki"), self.state.range))?;
            self.create(&addons::kwok_nodes(self.state.kwok))?;
        }
        if nodes > 0 {
            self.create(&addons::coredns(self.state.range))?;
        }
        if nodes > 0 || self.state.kwok > 0 {
            let wanted = usize::from(nodes) + usize::from(self.state.kwok);
            let ready = || {
                let found = self.kubectl(&["get", "nodes", "--no-headers"]).ok()?;
                let ready = |line: &&str| line.split_whitespace().nth(1) == Some("Ready");
                (found.lines().filter(ready).count() == wanted).then_some(())
            };
            self.wait("wait for every node to be ready", ready)?;
            self.step("the nodes are ready");
        }
        if nodes > 0 {
            let path = "--output=jsonpath={.status.availableReplicas}";
            let available = || {
                let found = self.kubectl(&["get", "-n", "kube-system", "deployment/coredns", path]).ok()?;
                (found == "1").then_some(())
            };
            self.wait("wait for CoreDNS", available)?;
            self.step("names are answered");
        }
        Ok(())
    }

    fn kubectl(&self, words: &[&str]) -> Result<String> {
        let mut kubectl = super::kubectl(&self.state);
        proc::must_succeed(kubectl.args(words), &format!("run `kubectl {}`", words.join(" ")))
    }

    fn create(&self, objects: &serde_json::Value) -> Result<()> {
        let mut child = super::kubectl(&self.state)
            .args(["create", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("start kubectl")?;
        child.stdin.take().expect("it is piped").write_all(objects.to_string().as_bytes())?;
        let out = child.wait_with_output()?;
        ensure!(out.status.success(), "create objects: {}", String::from_utf8_lossy(&out.stderr).trim());
        Ok(())
    }

    /// Looks until it is there, as long as everything runs that was started.
    fn wait<T>(&self, what: &str, mut seen: impl FnMut() -> Option<T>) -> Result<T> {
        let limit = proc::Limit::new(START_LIMIT);
        loop {
            if let Some(found) = seen() {
                return Ok(found);
            }
            if let Some(name) = self.programs.ended() {
                bail!("{what}: {name} has ended:\n{}", self.programs.last_lines(&name));
            }
            limit.pause_or(what)?;
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// `GET /health`, by hand: it is plain HTTP on our own loopback.
fn etcd_is_healthy() -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(plane::ETCD)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.contains("\"health\":\"true\""))
}
