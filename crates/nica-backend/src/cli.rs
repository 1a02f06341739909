//! Arguments in, an outcome out; `main` prints it. The long-running work is started here and lives in `app`.

mod database;
mod models;
mod probe;

use crate::embedded::Bundle;
use crate::{app, config};
use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// Exit codes; part of the contract with whoever starts this program.
pub mod exit {
    pub const DONE: u8 = 0;
    pub const FAILED: u8 = 1;
    /// Wrong arguments or configuration: another start will end the same way.
    pub const USAGE: u8 = 2;
    /// The database cannot be reached, or is another one than was meant.
    pub const UNREACHABLE: u8 = 40;
}

/// What was built.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    pub version: &'static str,
    pub commit: &'static str,
    pub bundle: Bundle,
}

/// What a command leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub code: u8,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    fn failed(code: u8, error: &dyn std::fmt::Display) -> Outcome {
        Outcome { code, stdout: String::new(), stderr: format!("error: {error}\n") }
    }
}

#[derive(Parser)]
#[command(name = "nica-backend", about = "The clinical-nutrition service", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What an image runs: with RUN_DB_MIGRATIONS=1 `migrate-seed`, with HF_MODEL_REPOS `prefetch-models`, then `serve`
    Start {
        /// Refuse every write
        #[arg(long)]
        read_only: bool,
    },
    /// Answer requests until SIGTERM
    Serve {
        /// Refuse every write
        #[arg(long)]
        read_only: bool,
    },
    /// Bring the database to what this program needs; on one that a deployer manages, only say what is missing
    MigrateSeed(database::Database),
    /// Tell whether the database has what this program needs; exit 0 healthy, 1 not, 40 unreachable
    Healthcheck {
        /// Ask the service on this machine instead, at ADMIN_LISTEN; exit 0 when it answers, 1 when not
        #[arg(long, conflicts_with_all = ["url", "env", "json"])]
        http: bool,
        #[command(flatten)]
        database: database::Database,
    },
    /// Fetch the models of HF_MODEL_REPOS at HF_REVISION into HF_HOME, continue what is half there, check all of it
    PrefetchModels(models::Asked),
    /// Print version and commit
    Version,
}

/// Runs one command line to its end.
pub fn run(build: Build, arguments: impl IntoIterator<Item = OsString>) -> Outcome {
    match Cli::try_parse_from(arguments) {
        Err(error) => usage(&error),
        Ok(Cli { command }) => meant(build, command),
    }
}

fn meant(build: Build, command: Command) -> Outcome {
    match command {
        Command::Start { read_only } => start(build, read_only),
        Command::Serve { read_only } => serve(build, read_only),
        Command::MigrateSeed(asked) => database::migrate_seed(build, &asked),
        Command::Healthcheck { http: true, .. } => probe::run(),
        Command::Healthcheck { database, .. } => database::healthcheck(build, &database),
        Command::PrefetchModels(asked) => models::run(&asked),
        Command::Version => {
            let stdout = format!("nica-backend {} ({})\n", build.version, build.commit);
            Outcome { stdout, ..Outcome::default() }
        }
    }
}

fn usage(error: &clap::Error) -> Outcome {
    let text = error.to_string();
    if error.use_stderr() {
        return Outcome { code: exit::USAGE, stderr: text, ..Outcome::default() };
    }
    Outcome { stdout: text, ..Outcome::default() }
}

fn start(build: Build, read_only: bool) -> Outcome {
    match config::start(&config::process_environment, read_only) {
        Ok((start, config)) => ended(app::run(build, start, config)),
        Err(mistakes) => Outcome::failed(exit::USAGE, &mistakes),
    }
}

fn serve(build: Build, read_only: bool) -> Outcome {
    match config::serve(&config::process_environment, read_only) {
        Ok(config) => ended(app::run(build, config::Start::default(), config)),
        Err(mistakes) => Outcome::failed(exit::USAGE, &mistakes),
    }
}

fn ended(served: Result<(), app::ServeError>) -> Outcome {
    match served {
        Ok(()) => Outcome::default(),
        Err(error) => {
            let code = if error.is_unreachable() { exit::UNREACHABLE } else { exit::FAILED };
            Outcome::failed(code, &format!("failed to {error}"))
        }
    }
}

/// A command's own work, on this thread.
fn block_on<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}
