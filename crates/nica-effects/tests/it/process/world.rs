//! One target of a test: a state folder, a supervisor, releases to set, and a guard that leaves nothing behind.

use nica_effects::process::{
    Identity, Limits, Observed, ProcessId, ProcessSeen, Refusal, Seen, Set, TargetClient, TargetError,
};
use nica_engine::effect::Generation;
use nica_engine::release::ComponentKind;
use nica_engine::{Desired, Digest};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) const COMPONENT: &str = "backend";

pub(crate) struct World {
    pub(crate) client: TargetClient,
    pub(crate) address: String,
    pub(crate) state: PathBuf,
    pub(crate) fence: i64,
    steps: u32,
    programs: tempfile::TempDir,
    _guard: Guard,
}

/// Kills, also when a test panics, every process that carries this state folder in its environment.
struct Guard {
    dir: tempfile::TempDir,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let state = self.dir.path().to_path_buf();
        // Twice: a supervisor may just have started another one.
        for _ in 0..2 {
            marked(&state).iter().for_each(|(pid, _)| signal(*pid, Signal::KILL));
            std::thread::sleep(Duration::from_millis(20));
        }
        if let Ok(socket) = std::fs::read_to_string(state.join("socket")) {
            let _ = std::fs::remove_dir_all(Path::new(&socket).parent().expect("sockets stand in a folder"));
        }
    }
}

impl World {
    pub(crate) async fn new() -> World {
        let guard = Guard { dir: tempfile::tempdir().expect("a temporary folder") };
        let state = guard.dir.path().canonicalize().expect("it was just made");
        let client = start(&state).await.expect("a supervisor starts");
        client.admit(1).await.expect("the first fence is admitted");
        let [a, b, c] = rand::random::<[u8; 3]>();
        let address = format!("127.{a}.{b}.{}:8080", c.clamp(1, 254));
        let programs = tempfile::tempdir().expect("a temporary folder");
        World { client, address, state, fence: 1, steps: 0, programs, _guard: guard }
    }

    /// A release of its own: another executable, not only another variable.
    pub(crate) async fn release(&self, version: u32, behaviour: &str) -> Desired {
        let mut bytes = std::fs::read(example("sample_service")).expect("examples are built with the tests");
        bytes.extend(version.to_le_bytes());
        let digest = Digest::of(&bytes);
        let path = self.programs.path().join(digest.as_str());
        std::fs::write(&path, bytes).expect("there is room");
        self.client.put_file(&path, &digest).await.expect("the store takes it");
        let config =
            [("VERSION", version.to_string()), ("BEHAVIOUR", behaviour.into()), ("DRAIN_MS", "200".into())];
        Desired {
            kind: ComponentKind::Executable,
            digest,
            args: vec![],
            config: config.map(|(name, value)| (name.to_string(), value)).into(),
            secrets: BTreeMap::new(),
            replicas: 2,
            listen: self.address.clone(),
        }
    }

    pub(crate) async fn set(&mut self, desired: Option<&Desired>) -> Result<(), TargetError> {
        self.set_within(desired, Limits { ready_within_ms: 20_000, drain_within_ms: 5_000 }).await
    }

    pub(crate) async fn set_within(
        &mut self,
        desired: Option<&Desired>,
        limits: Limits,
    ) -> Result<(), TargetError> {
        let expected = self.seen().await.generation;
        self.steps += 1;
        let key = format!("run/{}", self.steps);
        let (component, desired) = (COMPONENT.to_string(), desired.cloned());
        self.client.set(Set { fence: self.fence, key, component, desired, expected, limits }).await
    }

    pub(crate) async fn seen(&self) -> Seen {
        let mut observed = self.client.observe().await.expect("the supervisor answers");
        observed.components.remove(COMPONENT).unwrap_or_default()
    }

    /// Sets it and waits until it serves and nothing older is alive.
    pub(crate) async fn roll(&mut self, desired: &Desired) {
        self.set(Some(desired)).await.expect("the set is accepted");
        self.settled(desired).await;
    }

    pub(crate) async fn settled(&self, desired: &Desired) -> Seen {
        let generation = desired.generation();
        self.until("rolled out", |seen| only(seen, &generation, desired.replicas)).await
    }

    /// Watches until it holds; fails after half a minute with what was seen last.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) -> Seen {
        let (end, mut cursor) = (Instant::now() + Duration::from_secs(30), None);
        let mut last = None;
        while Instant::now() < end {
            let watched = self.client.watch(cursor.as_ref(), Duration::from_secs(5)).await;
            let Ok(Observed { cursor: at, mut components, .. }) = watched else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            cursor = Some(at);
            let seen = components.remove(COMPONENT).unwrap_or_default();
            if holds(&seen) {
                return seen;
            }
            last = Some(seen);
        }
        panic!("never {what}: {last:#?}\n{}", self.log("supervisor"));
    }

    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.state.join(format!("logs/{name}.log"))).unwrap_or_default()
    }

    /// Live processes: `supervise`, `keep`, or the replicas.
    pub(crate) fn pids(&self, role: &str) -> Vec<i32> {
        let of = |(pid, line): (i32, String)| {
            line.split('\0').nth(1).is_some_and(|word| word == role).then_some(pid)
        };
        marked(&self.state).into_iter().filter_map(of).collect()
    }

    /// To whoever holds the role's lock. (A child that was forked but has not executed its program yet looks like
    /// its parent in the process list.)
    pub(crate) fn signal(&self, role: &str, signal_: Signal) {
        let lock = if role == "keep" { "keeper.lock" } else { "lock" };
        let holder = std::fs::read(self.state.join(lock)).expect("somebody holds it");
        let holder: ProcessId = serde_json::from_slice(&holder).expect("it names its holder");
        signal(holder.pid, signal_);
    }

    pub(crate) async fn restart(&mut self) {
        self.client = start(&self.state).await.expect("a supervisor starts");
    }
}

pub(crate) fn only(seen: &Seen, generation: &Generation, replicas: u32) -> bool {
    let current = |process: &ProcessSeen| process.generation == *generation;
    seen.ready == replicas && seen.processes.len() == replicas as usize && seen.processes.iter().all(current)
}

pub(crate) fn refusal(error: TargetError) -> Refusal {
    match error {
        TargetError::Refused(refusal) => refusal,
        other => panic!("not a refusal: {other}"),
    }
}

pub(crate) fn identity() -> Identity {
    Identity { service: "nica".into(), env: "test".into(), env_id: "0d1e".into() }
}

pub(crate) async fn start(state: &Path) -> Result<TargetClient, TargetError> {
    TargetClient::connect_or_start(state, &example("process_target"), &identity()).await
}

/// Cargo builds examples with the tests, into a folder beside them.
pub(crate) fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("a test knows its program");
    let path = tests.ancestors().nth(2).expect("target/PROFILE/deps/it").join("examples").join(name);
    assert!(path.exists(), "{} is missing: run `cargo test -p nica-effects`", path.display());
    path
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid).expect("a pid is not zero"), signal);
}

/// Pid and command line of every live process that carries the state folder in its environment.
pub(crate) fn marked(state: &Path) -> Vec<(i32, String)> {
    let mark = format!("NICA_STATE={}", state.display());
    let read = |pid: i32, file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let pids = std::fs::read_dir("/proc").expect("proc is there").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| read(*pid, "environ").split(|b| *b == 0).any(|part| part == mark.as_bytes()))
        .map(|pid| (pid, String::from_utf8_lossy(&read(pid, "cmdline")).into_owned()))
        .collect()
}
