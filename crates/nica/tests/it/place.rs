//! One environment of a test: a database of its own, a target, a project folder whose releases are made from it.

use super::proxy::{Lost, Proxy, Then};
use nica_migrate::DbUrl;
use nica_migrate::connect::connect;
use nica_migrate::scratch::{SCRATCH_USER, ScratchCluster};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tokio_postgres::Client;

pub(crate) struct Place {
    pub(crate) url: DbUrl,
    /// Where `nica` meets the database.
    pub(crate) front: DbUrl,
    folder: tempfile::TempDir,
    listen: String,
    pub(crate) cluster: ScratchCluster,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) exit: Option<i32>,
    /// The lines of stdout.
    pub(crate) told: Vec<Value>,
    pub(crate) errors: String,
}

impl Came {
    pub(crate) fn of(output: &Output) -> Came {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        Came { exit: output.status.code(), told, errors }
    }

    /// Its last line: how it ended.
    pub(crate) fn end(&self) -> &Value {
        self.told.last().unwrap_or(&Value::Null)
    }
}

/// Folder, up.sql, migration.toml.
pub(crate) type Migration<'a> = (&'a str, &'a str, &'a str);

impl Place {
    pub(crate) async fn new() -> Place {
        let cluster = ScratchCluster::start().await.expect("a scratch cluster starts");
        let url = cluster.create_database("app").await.expect("a database");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [a, b, c] = rand::random::<[u8; 3]>();
        let listen = format!("127.{a}.{b}.{}:8080", c.clamp(1, 254));
        let place = Place { front: url.clone(), url, folder, listen, cluster };
        std::fs::write(place.path("people.toml"), "").expect("there is room");
        place.exec("serve");
        for part in ["bin", "migrations", "seeds"] {
            std::fs::create_dir(place.path(part)).expect("there is room");
        }
        place
    }

    /// How the next release's component is started.
    pub(crate) fn exec(&self, exec: &str) {
        self.policy(exec, "50ms");
    }

    /// The same, with a bake that lasts.
    pub(crate) fn policy(&self, exec: &str, bake: &str) {
        self.validated(exec, &format!("bake = \"{bake}\", bake_max = \"10s\", min_samples = 0"));
    }

    /// The same, with all that the bake is judged by.
    pub(crate) fn validated(&self, exec: &str, validate: &str) {
        let policy = format!(
            "[service]\nname = \"tiny\"\nmigrations = \"migrations\"\nseeds = \"seeds\"\npeople = \"people.toml\"\n\
             [[component]]\nname = \"api\"\nexecutable = \"bin/api\"\n\
             [env.dev]\ntarget = {{ kind = \"process\", state = \"{}\" }}\n\
             validate = {{ {validate} }}\n\
             limits = {{ rollout = \"20s\", forward_until = \"60s\", lease_ttl = \"1s\", admit = \"5s\", undo = \"3s\", \
             drain = \"100ms\" }}\n\
             [env.dev.component.api]\nexec = \"{exec}\"\nreplicas = 1\nlisten = \"{}\"\n",
            self.state().display(),
            self.listen
        );
        std::fs::write(self.path("nica.toml"), policy).expect("there is room");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) async fn session(&self, name: &str) -> Client {
        connect(&self.url, name).await.expect("a session")
    }

    /// From here on `nica` meets the database through a network that loses one answer.
    pub(crate) fn loses(&mut self, lost: Lost, then: Then) -> Proxy {
        let proxy = Proxy::before(self.cluster.folder(), lost, then);
        self.front = proxy.url(SCRATCH_USER, "app");
        proxy
    }

    /// A release of everything that stands in the project now, with these migrations besides.
    pub(crate) async fn release(&self, version: &str, migrations: &[Migration<'_>]) -> String {
        self.release_with(version, migrations, None).await
    }

    /// The same, with a `down.sql` for each of them.
    pub(crate) async fn release_with(
        &self,
        version: &str,
        migrations: &[Migration<'_>],
        down: Option<&str>,
    ) -> String {
        for (name, up, manifest) in migrations {
            let folder = self.path("migrations").join(name);
            std::fs::create_dir(&folder).expect("a new migration");
            std::fs::write(folder.join("up.sql"), up).expect("there is room");
            down.into_iter().for_each(|d| std::fs::write(folder.join("down.sql"), d).expect("there is room"));
            std::fs::write(folder.join("migration.toml"), manifest).expect("there is room");
        }
        let mut program = std::fs::read(example("tiny_service")).expect("examples are built with the tests");
        program.extend(version.bytes());
        std::fs::write(self.path("bin/api"), program).expect("there is room");
        let file = self.path(&format!("{version}.nica")).display().to_string();
        let create = ["release", "create", "--version", version, "--commit", "c0", "--out", &file];
        let made = self.nica(&create).await;
        assert_eq!(made.exit, Some(0), "{made:#?}");
        file
    }

    pub(crate) async fn nica(&self, args: &[&str]) -> Came {
        let child = self.start(args);
        tokio::task::spawn_blocking(move || came(child)).await.expect("waiting does not panic")
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("nica starts")
    }

    /// `nica` for people, not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nica"));
        command.args(args).arg("--config").arg(self.path("nica.toml"));
        command.env("DEV_DATABASE_URL", self.front.to_secret_string());
        command.env("XDG_CACHE_HOME", self.path("cache")).env("NICA_ACTOR", "bia");
        command
    }

    /// Pids of the replicas.
    pub(crate) fn replicas(&self) -> Vec<i32> {
        let word = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|b| *b == 0).nth(1) == Some(b"serve")
        };
        marked(&self.state()).into_iter().filter(word).collect()
    }
}

impl Place {
    /// As a crash would end it; what it started lives on.
    pub(crate) fn kill_supervisor(&self) {
        let supervises = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|b| *b == 0).nth(1) == Some(b"supervise")
        };
        marked(&self.state()).into_iter().filter(supervises).for_each(|pid| signal(pid, Signal::KILL));
    }

    /// Supervisor, keeper and replicas, as when the machine went off.
    pub(crate) fn kill_target(&self) {
        // Twice: a supervisor may just have started another one.
        for _ in 0..2 {
            marked(&self.state()).into_iter().for_each(|pid| signal(pid, Signal::KILL));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Place {
    /// Ends, also when a test panics, every process of this target.
    fn drop(&mut self) {
        let state = self.state();
        self.kill_target();
        if let Ok(socket) = std::fs::read_to_string(state.join("socket")) {
            let _ = std::fs::remove_dir_all(Path::new(&socket).parent().expect("sockets stand in a folder"));
        }
    }
}

pub(crate) fn expect(came: &Came, exit: i32, end: &str) {
    assert_eq!((came.exit, came.end()["end"].as_str()), (Some(exit), Some(end)), "{came:#?}");
}

pub(crate) async fn text(client: &Client, sql: &str) -> String {
    client.query_one(sql, &[]).await.expect(sql).get::<_, Option<String>>(0).unwrap_or_default()
}

pub(crate) async fn came_of(child: Child) -> Came {
    tokio::task::spawn_blocking(move || came(child)).await.expect("waiting does not panic")
}

fn came(child: Child) -> Came {
    Came::of(&child.wait_with_output().expect("it is our child"))
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid).expect("a pid is not zero"), signal);
}

/// Every live process that carries the state folder in its environment.
fn marked(state: &Path) -> Vec<i32> {
    let mark = format!("NICA_STATE={}", state.display()).into_bytes();
    let pids = std::fs::read_dir("/proc").expect("proc is there").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_marked = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|b| *b == 0).any(|part| part == mark)
    };
    pids.filter(is_marked).collect()
}

/// Cargo builds examples with the tests, into a folder beside them, but not where one test binary was named.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("a test knows its program");
    let path = tests.ancestors().nth(2).expect("target/PROFILE/deps/it").join("examples").join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).with_extension("rs");
    let written = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    assert!(
        written(&path) >= written(&source),
        "{} is missing or old: run `cargo test -p nica`",
        path.display()
    );
    path
}
