//! Puts the parts of `serve` together and takes them apart again in the right order. What comes before it in an image
//! stands in `prepare`.
//!
//! On SIGTERM: readiness flips and a shared socket is left to the others; answers go out for the drain time, each
//! closing its connection; then idle connections are closed and requests in flight get a deadline.

mod control;
pub(crate) mod prepare;

use crate::api::{self, App, Metrics};
use crate::cli::Build;
use crate::config::{self, Address};
use crate::orchestrator::search_foods::Foods;
use crate::readiness::{self, Needs, State};
use crate::server::{self, Gate, Phase, Socket, SocketError};
use crate::store::Store;
use crate::store::serves::Session;
use control::Control;
use nica_migrate::ConnectError;
use nica_migrate::migrate_seed::MigrateSeedError;
use nica_migrate::source::{Mistakes, read_texts};
use nica_telemetry::logs::{Identity, Level, Logs};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// What tasks that do not end by themselves are given when the runtime stops.
const RUNTIME_STOP_MAX: Duration = Duration::from_millis(100);

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("start the runtime: {0}")]
    Runtime(std::io::Error),
    #[error("wait for signals: {0}")]
    Signals(std::io::Error),
    #[error(transparent)]
    Embedded(#[from] Mistakes),
    #[error(transparent)]
    Seeds(#[from] nica_migrate::seed::Mistakes),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Database(#[from] ConnectError),
    #[error(transparent)]
    Migrate(#[from] MigrateSeedError),
    #[error("start: the database lacks {missing}, and {next}")]
    Incomplete { missing: String, next: &'static str },
}

impl ServeError {
    /// The database is not there, or it is another one than was meant.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, ServeError::Migrate(error) if prepare::is_unreachable(error))
    }
}

/// Does what comes before serving, then serves until SIGTERM or SIGINT.
///
/// # Errors
/// Something that is needed before the first answer cannot be had.
pub fn run(build: Build, start: config::Start, config: config::Serve) -> Result<(), ServeError> {
    let logs = start_logs(build, &config);
    log_panics();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(ServeError::Runtime)?;
    let ended = runtime.block_on(async {
        // As the first process of a container nothing but a handler of ours ends us.
        let mut ending = Ending::listen()?;
        tokio::select! {
            prepared = prepare::run(build, &start, &config) => prepared?,
            () = ending.asked() => return Ok(()),
        }
        serve(build, config, &logs, ending).await
    });
    runtime.shutdown_timeout(RUNTIME_STOP_MAX);
    ended
}

/// Somebody wants us to end.
struct Ending {
    terminate: Signal,
    interrupt: Signal,
}

impl Ending {
    fn listen() -> Result<Ending, ServeError> {
        let listen = |kind| signal(kind).map_err(ServeError::Signals);
        Ok(Ending {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn start_logs(build: Build, config: &config::Serve) -> Logs {
    let replica = &config.replica;
    let identity = Identity {
        environment: replica.environment.clone(),
        component: replica.component.clone(),
        generation: replica.generation.clone(),
        version: build.version.to_string(),
    };
    let level = Level::parse(&config.log.level).expect("config has parsed this level before");
    nica_telemetry::logs::start(level, identity, std::io::stdout())
}

/// The place of a panic is enough to find it; its words may quote what somebody wrote.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(panic.location = place, "panicked");
    }));
}

async fn serve(
    build: Build,
    config: config::Serve,
    logs: &Logs,
    mut ending: Ending,
) -> Result<(), ServeError> {
    let sockets = Sockets::open(&config)?;
    // Later than we give up ourselves, so that it is we who say why.
    let session = Session::new(&config.database, readiness::ASK_LIMIT * 2)?;
    let (phases, phase) = server::phases();
    let (states, readiness) = watch::channel(State::default());
    let app = Arc::new(assemble(build, config, logs, readiness.clone(), phase.clone())?);
    let http = app.config.http.clone();

    let watcher = readiness::watch(session, app.needs.clone(), states);
    let control = Control::start(sockets.admin, app.clone(), watcher)?;
    let gate = if sockets.shared { Gate::shared(phase, readiness) } else { Gate::own(phase, readiness) };
    let service = tokio::spawn(server::serve(sockets.http, gate, api::service(app), http.header_timeout));
    tracing::info!(listen.inherited = sockets.shared, "started");

    ending.asked().await;
    tracing::info!(drain_ms = millis(http.drain), "draining");
    phases.send_replace(Phase::Draining);
    sleep(http.drain).await;
    phases.send_replace(Phase::Ending);
    if timeout(http.shutdown, service).await.is_err() {
        tracing::warn!(shutdown_ms = millis(http.shutdown), "ended with requests in flight");
    }
    control.end().await;
    tracing::info!("ended");
    Ok(())
}

fn assemble(
    build: Build,
    config: config::Serve,
    logs: &Logs,
    readiness: watch::Receiver<State>,
    phase: watch::Receiver<Phase>,
) -> Result<App, ServeError> {
    Ok(App {
        build,
        store: Store::new(&config.database, config.read_only)?,
        foods: Foods::default(),
        needs: Needs::of(&read_texts(build.bundle.migrations)?),
        readiness,
        phase,
        metrics: Metrics::new(&config.replica.generation, logs.dropped()),
        config,
    })
}

struct Sockets {
    http: Socket,
    admin: Socket,
    /// The service socket belongs to a parent, who shares it out.
    shared: bool,
}

impl Sockets {
    fn open(config: &config::Serve) -> Result<Sockets, SocketError> {
        let (inherited, http) = (&config.replica.inherited, &config.http);
        Ok(Sockets {
            http: open(inherited.http, "http", &http.listen, "LISTEN")?,
            admin: open(inherited.admin, "admin", &http.admin_listen, "ADMIN_LISTEN")?,
            shared: inherited.http.is_some(),
        })
    }
}

fn open(
    inherited: Option<RawFd>,
    name: &'static str,
    address: &Address,
    variable: &'static str,
) -> Result<Socket, SocketError> {
    match inherited {
        Some(fd) => Socket::inherit(fd, name),
        None => Socket::bind(address, variable),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
