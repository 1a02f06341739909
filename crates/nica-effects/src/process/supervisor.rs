//! The supervisor: the only writer of desired state, and the parent of every replica.
//!
//! One loop owns everything. It takes one event (a request, an exit, a probe, a tick), notes it, and then makes
//! every move that follows: `settle`. Killing it loses nothing: what is wanted is on disk, what runs is found in
//! the kernel, and the sockets are with the keeper. Start reading at `run`.

mod component;
mod launch;
mod logs;
mod probe;
mod program;
mod replica;
mod requests;
mod roll;
mod serve;
mod settle;
mod sockets;

use super::ProcessError;
use super::kernel;
use super::protocol::{Cursor, Observed, Phase, ProcessSeen, Reply, Request};
use super::record::Record;
use super::state::{self, Lock, StateDir};
use super::store::Store;
use component::Component;
use logs::Log;
use replica::{Found, Replica};
use sockets::Sockets;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

const TICK: Duration = Duration::from_millis(50);
const LOGS_EVERY: Duration = Duration::from_secs(1);

enum Event {
    Asked(Request, oneshot::Sender<Reply>),
    /// Its pidfd says so.
    Ended(u64),
    Probed(u64, bool),
    Scraped(u64, String),
    /// Every replica was just scraped because somebody asked.
    ScrapedAll(Vec<(u64, String)>, oneshot::Sender<Reply>),
    Hashed(u64, nica_engine::Digest),
    StoreFilled,
}

struct Supervisor {
    state: StateDir,
    store: Arc<Store>,
    runtime: PathBuf,
    record: Record,
    boot: String,
    components: BTreeMap<String, Component>,
    sockets: Sockets,
    events: mpsc::Sender<Event>,
    published: watch::Sender<Arc<Observed>>,
    stopping: bool,
    next_key: u64,
    logs_at: Instant,
    _lock: Lock,
}

/// Runs until SIGTERM (replicas go on) or until a deployer asks it to stop everything.
pub async fn run(state: PathBuf) -> Result<(), ProcessError> {
    let state = StateDir::open(&state)?;
    let lock = state.lock("lock")?;
    // A session of its own, so that no terminal's Ctrl-C ends it; a service unit has done that already.
    let _ = rustix::process::setsid();
    let (events, mut inbox) = mpsc::channel(1024);
    let mut supervisor = Supervisor::open(state, lock, events)?;
    supervisor.settle();
    let listener = serve::open(&supervisor.state)?;
    tokio::spawn(serve::accept(listener, supervisor.desk()));
    let mut term = signal(SignalKind::terminate()).map_err(ProcessError::system("listen for SIGTERM"))?;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(event) = inbox.recv() => supervisor.handle(event),
            _ = tick.tick() => supervisor.tick(),
            _ = term.recv() => return Ok(()),
        }
        supervisor.settle();
        if supervisor.stopping && supervisor.components.is_empty() {
            supervisor.sockets.end();
            let _ = std::fs::remove_dir_all(&supervisor.runtime);
            return Ok(());
        }
    }
}

impl Supervisor {
    fn open(state: StateDir, lock: Lock, events: mpsc::Sender<Event>) -> Result<Supervisor, ProcessError> {
        let record = load(&state)?;
        let found = replica::find(&state.root.to_string_lossy());
        let epoch = Cursor { epoch: state::fresh(), version: 0 };
        let observed = Observed { fence: record.fence, cursor: epoch, components: BTreeMap::new() };
        let mut supervisor = Supervisor {
            store: Arc::new(Store::new(state.root.join("store"))),
            runtime: state.runtime()?,
            sockets: Sockets::find(&state, &found)?,
            state,
            record,
            boot: kernel::boot_id(),
            components: BTreeMap::new(),
            events,
            published: watch::Sender::new(Arc::new(observed)),
            stopping: false,
            next_key: 0,
            logs_at: Instant::now(),
            _lock: lock,
        };
        supervisor.after_reboot();
        found.into_iter().for_each(|found| supervisor.adopt(found));
        Ok(supervisor)
    }

    fn desk(&self) -> serve::Desk {
        let (state, store, events) = (self.state.clone(), self.store.clone(), self.events.clone());
        serve::Desk { state, store, events, published: self.published.subscribe() }
    }

    /// Times of another boot cannot be compared: limits start over.
    fn after_reboot(&mut self) {
        for wanted in self.record.components.values_mut().filter(|wanted| wanted.boot != self.boot) {
            wanted.boot = self.boot.clone();
            wanted.since_boot_ms = kernel::boottime_ms();
        }
    }

    fn adopt(&mut self, found: Found) {
        tracing::info!(replica.name = %found.name, process.pid = found.process.id.pid, "replica was found");
        let log = Log::found(&self.state.logs(), &found.name.log_name());
        let admin = launch::admin_path(&self.runtime, &found.name);
        let Found { name, listen, process } = found;
        self.watch_over(Replica::new(name, listen, process, admin, log));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Asked(request, answer) => self.asked(request, answer),
            Event::Ended(key) => self.ended(key),
            Event::Probed(key, ready) => self.with(key, |replica| replica.probed(ready)),
            Event::Scraped(key, text) => self.with(key, |replica| replica.metrics = Some(text)),
            Event::ScrapedAll(texts, answer) => {
                for (key, text) in texts {
                    self.with(key, |replica| replica.metrics = Some(text));
                }
                let _ = answer.send(Reply::Metrics(self.metrics()));
            }
            Event::Hashed(key, digest) => self.with(key, |replica| replica.exe = Some(digest)),
            Event::StoreFilled => self.components.values_mut().for_each(Component::try_again),
        }
    }

    fn with(&mut self, key: u64, change: impl FnOnce(&mut Replica)) {
        if let Some(replica) =
            self.components.values_mut().find_map(|component| component.replicas.get_mut(&key))
        {
            change(replica);
        }
    }

    fn ended(&mut self, key: u64) {
        let Some(component) = self.components.values_mut().find(|c| c.replicas.contains_key(&key)) else {
            return;
        };
        let mut replica = component.replicas.remove(&key).expect("it was just found");
        let exit = replica.exit();
        let _ = std::fs::remove_file(&replica.admin);
        component.keep_metrics(&replica);
        tracing::info!(replica.name = %replica.name, reason = %exit.reason, asked = replica.phase == Phase::Draining, "replica ended");
        let wanted = self.record.components.get(&replica.name.component);
        if let Some(wanted) = wanted.filter(|wanted| component::is_current(&replica, wanted))
            && replica.phase != Phase::Draining
        {
            let tail = replica.log.tail(&launch::secret_values(&self.state, &wanted.desired));
            component.exited(exit, tail);
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let replicas = self.components.values_mut().flat_map(|component| component.replicas.values_mut());
        replicas.for_each(|replica| replica.kill_when_late(now));
        if now.duration_since(self.logs_at) > LOGS_EVERY {
            self.logs_at = now;
            self.bound_logs();
        }
    }

    fn bound_logs(&mut self) {
        let replicas = || self.components.values().flat_map(|component| component.replicas.values());
        let in_use: BTreeSet<String> =
            replicas().map(|replica| format!("{}.log", replica.name.log_name())).collect();
        let mut bounded = logs::sweep(&self.state.logs(), |name| in_use.contains(name));
        for replica in self.components.values_mut().flat_map(|component| component.replicas.values_mut()) {
            bounded = bounded.and(replica.log.bound());
        }
        if let Err(error) = bounded {
            tracing::warn!(%error, "logs of replicas could not be bounded");
        }
    }
}

/// Component and process of every replica that lives, whoever started it.
pub(super) fn living(state: &StateDir) -> Vec<(String, ProcessSeen)> {
    let found = replica::find(&state.root.to_string_lossy());
    found.iter().map(|found| (found.name.component.clone(), found.seen())).collect()
}

pub(super) fn load(state: &StateDir) -> Result<Record, ProcessError> {
    let path = state.record();
    match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Record::default()),
        Err(error) => Err(ProcessError::file("read", &path)(error)),
        Ok(bytes) => Record::parse(&bytes).map_err(|why| ProcessError::Record { path, why }),
    }
}
