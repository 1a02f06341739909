//! A place to deploy in: a database, a folder with releases, and a guard that leaves nothing behind.

use nica_migrate::scratch::ScratchCluster;
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Place {
    folder: tempfile::TempDir,
    url: String,
    listen: String,
    _cluster: ScratchCluster,
}

const NICA: &str = env!("CARGO_BIN_EXE_nica");
const DATABASE: &str = "place";

impl Place {
    pub(crate) async fn new() -> Place {
        let cluster = ScratchCluster::start().await.expect("a cluster starts");
        cluster.create_database(DATABASE).await.expect("a database");
        let socket = cluster.folder().display().to_string().replace('/', "%2F");
        let url = format!("postgresql://scratch@{socket}/{DATABASE}");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("migrations")).expect("a folder");
        std::fs::copy(example("passenger"), folder.path().join("passenger")).expect("there is room");
        let [a, b, c] = rand::random::<[u8; 3]>();
        Place { folder, url, listen: format!("127.{a}.{b}.{}:8080", c.clamp(1, 254)), _cluster: cluster }
    }

    /// A release of the one service, with this config of its own; the name of its file.
    pub(crate) fn release(&self, version: &str, config: &str) -> String {
        let state = self.folder.path().join("state");
        let policy = format!(
            r#"
            [service]
            name = "passenger"
            [[component]]
            name = "backend"
            executable = "passenger"
            [env.dev]
            target = {{ kind = "process", state = "{}" }}
            validate = {{ bake = "1s", bake_max = "10s", min_samples = 0, probes_per_second = 5 }}
            [env.dev.component.backend]
            exec = "serve"
            replicas = 2
            listen = "{}"
            config = {{ DRAIN_MS = "100", VERSION = "{version}"{config} }}
            "#,
            state.display(),
            self.listen
        );
        std::fs::write(self.folder.path().join("nica.toml"), policy).expect("written");
        let file = format!("{version}.nica");
        let mut create =
            self.nica(&["release", "create", "--version", version, "--commit", "c", "--out", &file]);
        let made = create.output().expect("it runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        file
    }

    pub(crate) fn nica(&self, args: &[&str]) -> Command {
        let mut command = Command::new(NICA);
        command.args(args).current_dir(self.folder.path());
        command.env("DEV_DATABASE_URL", &self.url).env("TERM", "xterm-256color").env_remove("NO_COLOR");
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Twice: a supervisor may just have started another one.
        for _ in 0..2 {
            of(self.folder.path()).into_iter().for_each(end);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        if let Ok(socket) = std::fs::read_to_string(self.folder.path().join("state/socket")) {
            let _ = std::fs::remove_dir_all(Path::new(&socket).parent().expect("sockets stand in a folder"));
        }
    }
}

fn end(pid: i32) {
    let _ = kill_process(Pid::from_raw(pid).expect("a pid is not zero"), Signal::KILL);
}

/// Every live process that names this folder in its arguments or variables.
fn of(folder: &Path) -> Vec<i32> {
    let mark = folder.join("state").display().to_string();
    let read = |pid: i32, file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let names = |pid: &i32| {
        let said = [read(*pid, "environ"), read(*pid, "cmdline")].concat();
        String::from_utf8_lossy(&said).contains(&mark)
    };
    let pids = std::fs::read_dir("/proc").expect("proc is there").flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).filter(names).collect()
}

fn example(name: &str) -> PathBuf {
    let path = Path::new(NICA).parent().expect("target/PROFILE").join("examples").join(name);
    assert!(path.exists(), "{} is missing: run `cargo test -p nica`", path.display());
    path
}
