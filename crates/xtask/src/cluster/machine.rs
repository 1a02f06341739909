//! The first process inside: it starts everything, tells how far it is, and then buries the dead.
//!
//! It is process 1 of a process namespace of its own, so the kernel ends every program, shim and container with it:
//! nobody has to find them. It has a network namespace too, which ends the same way.

use super::plane::{self, Program};
use super::state::State;
use super::{addons, image, network, node, room};
use crate::kill::proc;
use anyhow::{Context as _, Result, bail, ensure};
use std::fs::File;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What the guard says when the link to the machine stands.
pub(crate) const GO: &str = "go";
/// What this process says; each line is one of these words and a text.
pub(crate) const STEP: &str = "step";
pub(crate) const UP: &str = "up";
pub(crate) const FAILED: &str = "failed";

const START_LIMIT: Duration = Duration::from_secs(60);
/// Each look at the API is a process: often enough to lose no time, seldom enough to take none.
const LOOK_EVERY: Duration = Duration::from_millis(60);
/// Lines of a log that explain why a program ended.
const LAST_LINES: usize = 12;

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
    machine.bury()
}

/// Nobody may be listening any more.
fn tell(word: &str, text: &str) {
    let _ = writeln!(std::io::stdout(), "{word} {text}");
}

struct Machine {
    state: State,
    home: PathBuf,
    began: Instant,
    /// Names of the programs that must not end, by pid.
    running: Mutex<Vec<(String, u32)>>,
}

impl Machine {
    fn new(home: &Path) -> Result<Machine> {
        let (state, home) = (State::read(home)?, home.to_path_buf());
        std::fs::create_dir_all(home.join("log"))?;
        Ok(Machine { state, home, began: Instant::now(), running: Mutex::new(Vec::new()) })
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
        self.spawn_program(plane::etcd(tools, &self.home))?;
        self.wait("wait for etcd", || etcd_is_healthy().then_some(()))?;
        self.spawn_program(plane::api_server(tools, &pki, range))?;
        let ready = || self.kubectl(&["get", "--raw", "/readyz"]).ok();
        self.wait("wait for the API server", ready)?;
        self.step("the API server is ready");
        if tools.has("kube-controller-manager") {
            self.spawn_program(plane::controllers(tools, &pki))?;
            self.spawn_program(plane::scheduler(tools, &pki))?;
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
        let log = format!("{}-containerd", node::name(number));
        self.spawn(&log, node::containerd(room))?;
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
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(self.log(&name)?);
        let mut child = command.spawn().context("open a node's room")?;
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        std::io::BufReader::new(output).read_line(&mut line)?;
        ensure!(line.trim() == room::READY, "open a node's room:\n{}", self.last_lines(&name));
        self.note(&name, &child);
        Ok(child.id())
    }

    fn start_node(&self, number: u8, room: u32) -> Result<()> {
        let name = node::name(number);
        self.spawn(&format!("{name}-kubelet"), node::kubelet_command(room, self.state.range, number))?;
        self.spawn(&format!("{name}-kube-proxy"), node::kube_proxy_command(room))
    }

    /// What runs on top: names for Services, simulated nodes.
    fn add(&self, nodes: u8) -> Result<()> {
        if self.state.tools.has("kube-controller-manager") {
            let account = || self.kubectl(&["get", "serviceaccount", "default"]).ok();
            self.wait("wait for the default service account", account)?;
            self.step("pods can be made");
        }
        if self.state.kwok > 0 {
            self.spawn_program(addons::kwok(&self.state.tools, &self.home.join("pki"), self.state.range))?;
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

    fn spawn_program(&self, program: Program) -> Result<()> {
        let mut command = Command::new(program.path);
        command.args(program.args);
        self.spawn(&program.name, command)
    }

    fn spawn(&self, name: &str, mut command: Command) -> Result<()> {
        let log = self.log(name)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        self.note(name, &child);
        Ok(())
    }

    fn note(&self, name: &str, child: &Child) {
        let mut running = self.running.lock().expect("nobody panics with it");
        running.push((name.to_string(), child.id()));
        // For `status` only; without it nothing is lost.
        let _ = std::fs::write(self.home.join(super::PROGRAMS_FILE), serde_json::json!(*running).to_string());
    }

    /// Looks until it is there, as long as everything runs that was started.
    fn wait<T>(&self, what: &str, mut seen: impl FnMut() -> Option<T>) -> Result<T> {
        let limit = proc::Limit::new(START_LIMIT);
        loop {
            if let Some(found) = seen() {
                return Ok(found);
            }
            if let Some(name) = self.ended() {
                bail!("{what}: {name} has ended:\n{}", self.last_lines(&name));
            }
            limit.pause_or(what)?;
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn ended(&self) -> Option<String> {
        let running = self.running.lock().expect("nobody panics with it");
        running.iter().find(|(_, pid)| !proc::alive(*pid)).map(|(name, _)| name.clone())
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.home.join("log").join(format!("{name}.log"))
    }

    fn log(&self, name: &str) -> Result<File> {
        let path = self.log_path(name);
        File::create(&path).with_context(|| format!("create {}", path.display()))
    }

    fn last_lines(&self, name: &str) -> String {
        let mut text = String::new();
        let _ = File::open(self.log_path(name)).and_then(|mut file| file.read_to_string(&mut text));
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// Orphans of every program come here. Ends when nothing is left to wait for.
    fn bury(&self) -> Result<()> {
        while let Ok(ended) = rustix::process::wait(rustix::process::WaitOptions::empty()) {
            let Some((pid, status)) = ended else { continue };
            let pid = pid.as_raw_nonzero().get().cast_unsigned();
            let running = self.running.lock().expect("nobody panics with it");
            if let Some((name, _)) = running.iter().find(|(_, known)| *known == pid) {
                tell(
                    STEP,
                    &format!("{:.1} {name} has ended: {status:?}", self.began.elapsed().as_secs_f64()),
                );
            }
        }
        Ok(())
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
