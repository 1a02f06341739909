//! Arguments in, an outcome out; `main` prints it. The long-running work is started here and lives in `app`.

mod database;

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
    /// Answer requests until SIGTERM
    Serve {
        /// Refuse every write
        #[arg(long)]
        read_only: bool,
    },
    /// Bring the database to what this program needs; on one that a deployer manages, only say what is missing
    MigrateSeed(database::Database),
    /// Tell whether the database has what this program needs; exit 0 healthy, 1 not, 40 unreachable
    Healthcheck(database::Database),
    /// Print version and commit
    Version,
}

/// Runs one command line to its end.
pub fn run(build: Build, arguments: impl IntoIterator<Item = OsString>) -> Outcome {
    match Cli::try_parse_from(arguments) {
        Err(error) => usage(&error),
        Ok(Cli { command: Command::Serve { read_only } }) => serve(build, read_only),
        Ok(Cli { command: Command::MigrateSeed(asked) }) => database::migrate_seed(build, &asked),
        Ok(Cli { command: Command::Healthcheck(asked) }) => database::healthcheck(build, &asked),
        Ok(Cli { command: Command::Version }) => {
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

fn serve(build: Build, read_only: bool) -> Outcome {
    let config = match config::serve(&config::process_environment, read_only) {
        Ok(config) => config,
        Err(mistakes) => return Outcome::failed(exit::USAGE, &mistakes),
    };
    match app::run(build, config) {
        Ok(()) => Outcome::default(),
        Err(error) => Outcome::failed(exit::FAILED, &format!("failed to {error}")),
    }
}
