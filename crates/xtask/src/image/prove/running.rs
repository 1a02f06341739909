//! Both images run by podman as a careful operator would: read-only, without capabilities, as the user they name.

use super::Scene;
use crate::demo::http::{Client, Request, Response};
use crate::image::store::Store;
use crate::kill::proc::{self, Signal};
use anyhow::{Context as _, Result, bail, ensure};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

const START_LIMIT: Duration = Duration::from_secs(60);
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const DRAIN: Duration = Duration::from_millis(300);
/// Beyond the drain, with nobody connected and on a busy machine.
const END_LIMIT: Duration = Duration::from_secs(5);

/// A container that is gone with this value.
pub(super) struct Container<'a> {
    store: &'a Store,
    name: String,
}

/// As a careful operator runs it; `more` comes before the image.
fn run(store: &Store, image: &str, settings: &[(&str, &str)], more: &[&str]) -> Command {
    let mut command = store.podman();
    command.args(["run", "--no-healthcheck", "--network", "host", "--read-only", "--read-only-tmpfs=false"]);
    command.args(["--cap-drop", "all", "--security-opt", "no-new-privileges", "--memory", "256m"]);
    command.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--pull", "never"]);
    command.args(more);
    for (key, value) in settings {
        command.arg("--env").arg(format!("{key}={value}"));
    }
    command.arg(image);
    command
}

impl<'a> Container<'a> {
    fn start(
        store: &'a Store,
        name: &str,
        image: &str,
        settings: &[(&str, &str)],
        more: &[&str],
    ) -> Result<Container<'a>> {
        let more = [&["--detach", "--name", name, "--log-driver", "k8s-file"], more].concat();
        // Made first: what has half begun is removed too.
        let container = Container { store, name: name.to_string() };
        proc::must_succeed(&mut run(store, image, settings, &more), &format!("run {image}"))?;
        Ok(container)
    }

    /// What it has said.
    fn log(&self) -> String {
        let out = self.store.podman().args(["logs", &self.name]).output();
        out.map(|out| String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
            .unwrap_or_default()
    }

    /// Runs a command inside it.
    fn inside(&self, words: &[&str]) -> Result<String> {
        let mut command = self.store.podman();
        proc::must_succeed(command.args(["exec", &self.name]).args(words), "run a command inside")
    }

    fn state(&self, what: &str) -> Result<String> {
        let mut command = self.store.podman();
        proc::must_succeed(command.args(["inspect", "--format", what, &self.name]), "ask about a container")
    }

    /// The signal that its image names, as a runtime sends it, and how long the end took.
    fn stop(&self) -> Result<Duration> {
        let pid: u32 = self.state("{{.State.Pid}}")?.parse()?;
        let signal = match self.state("{{.Config.StopSignal}}")?.as_str() {
            "SIGTERM" | "15" => Signal::TERM,
            "SIGQUIT" | "3" => Signal::QUIT,
            other => bail!("end a container by {other}"),
        };
        let began = Instant::now();
        proc::signal(pid, signal)?;
        proc::wait_for("see a container end", START_LIMIT, || (!proc::alive(pid)).then_some(()))?;
        let took = began.elapsed();
        let ended = || (self.state("{{.State.Running}}").ok()? == "false").then_some(());
        proc::wait_for("see podman notice", START_LIMIT, ended)?;
        let code = self.state("{{.State.ExitCode}}")?;
        ensure!(code == "0", "see exit code 0, not {code}: {}", self.log());
        Ok(took)
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.store.podman().args(["rm", "--force", "--volumes", "--time", "0", &self.name]).output();
    }
}

pub(super) fn get(at: SocketAddr, path: &str) -> Result<Response> {
    Ok(Client::new(at, false).send(&Request { method: "GET", path, body: "" })?)
}

fn until(at: SocketAddr, path: &str, container: &Container<'_>) -> Result<()> {
    let seen = proc::wait_for(&format!("see {path} at {at}"), START_LIMIT, || {
        let ended = container.state("{{.State.Running}}").is_ok_and(|running| running == "false");
        (ended || get(at, path).is_ok_and(|answer| answer.status == 200)).then_some(ended)
    });
    match seen {
        Ok(false) => Ok(()),
        Ok(true) => bail!("see {path} at {at}: it ended: {}", container.log()),
        Err(error) => Err(error.context(container.log())),
    }
}

fn free() -> Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).context("find a free port")
}

/// Migrates an empty database, becomes ready, says who it is, is healthy by its own probe, ends in time.
pub(super) fn backend(scene: &Scene) -> Result<String> {
    let (at, admin, began) = (free()?, free()?, Instant::now());
    let (container, _) = start_backend(scene, "nica-backend", at, admin)?;
    until(admin, "/readyz", &container)?;
    let ready = began.elapsed().as_secs_f64();
    let version = get(at, "/version")?.body;
    ensure!(
        version.contains(super::VERSION) && version.contains(super::COMMIT),
        "read its version: {version}"
    );
    ensure!(get(at, "/api/v1/foods?q=arroz")?.body.contains("arroz"), "find rice");
    container.inside(&["/usr/local/bin/nica-backend", "healthcheck", "--http"])?;
    let pid: u32 = container.state("{{.State.Pid}}")?.parse()?;
    restrained(pid)?;
    let took = container.stop()?;
    ensure!(took >= DRAIN && took < DRAIN + END_LIMIT, "see it end in time, not after {took:?}");
    Ok(format!("ready after {ready:.1} s, ended after {:.1} s", took.as_secs_f64()))
}

fn start_backend<'a>(
    scene: &'a Scene,
    name: &str,
    at: SocketAddr,
    admin: SocketAddr,
) -> Result<(Container<'a>, String)> {
    let database = name.replace('-', "_");
    scene.postgres.create_database(&database)?;
    let url = scene.postgres.url(&database);
    let (listen, admin) = (at.to_string(), admin.to_string());
    let drain = DRAIN.as_millis().to_string();
    let settings = [
        ("RUN_DB_MIGRATIONS", "1"),
        ("NICA_ENV", "dev"),
        ("DATABASE_URL", url.as_str()),
        ("AUTH_SECRET", SECRET),
        ("LISTEN", listen.as_str()),
        ("ADMIN_LISTEN", admin.as_str()),
        ("DRAIN_MS", drain.as_str()),
    ];
    // The database's socket, where the address names it.
    let data = format!("{0}:{0}:ro", scene.place.data.display());
    let container =
        Container::start(&scene.store, name, &scene.backend.name, &settings, &["--volume", &data])?;
    Ok((container, url))
}

/// As the kernel sees the process, not as podman was asked.
fn restrained(pid: u32) -> Result<()> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name));
        found.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default()
    };
    ensure!(line("Uid:").split(' ').all(|id| id == "10001"), "see it run as 10001, not {}", line("Uid:"));
    ensure!(line("CapEff:").trim_matches('0').is_empty(), "see no capabilities, not {}", line("CapEff:"));
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo"))?;
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).context("find its root")?;
    let options = root.split(' ').nth(5).unwrap_or_default();
    ensure!(options.split(',').any(|option| option == "ro"), "see a read-only root, not {options}");
    Ok(())
}

/// The same image twice: its API on another origin, and its API behind itself.
pub(super) fn frontend(scene: &Scene) -> Result<String> {
    let (api, admin, one, other) = (free()?, free()?, free()?, free()?);
    let (backend, _) = start_backend(scene, "nica-behind", api, admin)?;
    until(admin, "/readyz", &backend)?;
    let upstream = format!("http://{api}");
    let site = |name: &str, at: SocketAddr, more: &[(&str, &str)]| {
        let listen = at.to_string();
        let settings = [&[("LISTEN", listen.as_str())], more].concat();
        let container = Container::start(
            &scene.store,
            name,
            &scene.frontend.name,
            &settings,
            &["--tmpfs", "/tmp:size=16m"],
        )?;
        until(at, "/readyz", &container)?;
        Ok::<_, anyhow::Error>(container)
    };
    let apart = site("nica-site-1", one, &[("API_BASE_URL", "https://api.nica.test")])?;
    let around = site("nica-site-2", other, &[("API_BASE_URL", "/"), ("API_UPSTREAM", &upstream)])?;
    for (at, base, talks) in
        [(one, "https://api.nica.test", "'self' https://api.nica.test;"), (other, "/", "'self';")]
    {
        let config = get(at, "/config.json")?.body;
        ensure!(config == format!("{{\"api_base_url\":\"{base}\"}}\n"), "read its configuration: {config}");
        let head = head(at, "/")?;
        ensure!(head.contains(&format!("connect-src {talks}")), "read where its pages may talk to: {head}");
        ensure!(head.contains("default-src 'none'") && !head.contains("unsafe"), "read its policy: {head}");
        let page = get(at, "/diario/hoje")?.body;
        ensure!(page.contains("lang=\"pt-BR\"") && page.contains("/app.js"), "see the page: {page}");
        ensure!(get(at, "/version")?.body.contains(super::VERSION), "read its version");
    }
    ensure!(get(one, "/api/v1/foods?q=arroz")?.status == 404, "see no API where none is");
    let through = get(other, "/api/v1/foods?q=arroz&limit=1")?;
    ensure!(
        through.status == 200 && through.version.as_deref() == Some(super::VERSION),
        "reach the API through the site: {} {:?}",
        through.status,
        through.version
    );
    apart.inside(&["/usr/local/bin/nica-frontend", "healthcheck"])?;
    restrained(apart.state("{{.State.Pid}}")?.parse()?)?;
    let (first, second) = (apart.stop()?, around.stop()?);
    ensure!(first.max(second) < END_LIMIT, "see both end in time, not after {first:?} and {second:?}");
    Ok("https://api.nica.test and /".to_string())
}

/// The answer's head, as text.
fn head(at: SocketAddr, path: &str) -> Result<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect_timeout(&at, Duration::from_secs(3))?;
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    write!(stream, "HEAD {path} HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

pub(super) fn misled_frontend(scene: &Scene) -> Result<String> {
    let nonsense = [
        ("API_BASE_URL", "", "API_BASE_URL is not set"),
        ("API_BASE_URL", "https://a.test; script-src *", "API_BASE_URL is `"),
        ("API_BASE_URL", "https://a.test\"}\n", "API_BASE_URL is `"),
        ("API_UPSTREAM", "http://a.test/; return 200", "API_UPSTREAM is `"),
        ("LISTEN", "0.0.0.0:80; include /etc/passwd", "LISTEN is `"),
    ];
    for (key, value, expected) in nonsense {
        let settings: Vec<(&str, &str)> = if key == "API_BASE_URL" {
            vec![(key, value)]
        } else {
            vec![("API_BASE_URL", "/"), (key, value)]
        };
        let more = ["--rm", "--tmpfs", "/tmp:size=16m"];
        let out =
            run(&scene.store, &scene.frontend.name, &settings, &more).output().context("start podman")?;
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        ensure!(
            out.status.code() == Some(2) && told.contains(expected),
            "hear {expected:?}, not {told:?} with {}",
            out.status
        );
    }
    Ok(format!("{} ways", nonsense.len()))
}
