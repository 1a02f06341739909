//! The program: hands its arguments to the library and prints what comes back.
//!
//! Version, commit, migrations and seeds enter here and nowhere else, so that another release compiles this file and
//! links again.

use nica_backend::cli::{self, Build};
use nica_backend::embedded::Bundle;
use std::io::Write as _;
use std::process::ExitCode;

const BUILD: Build = Build {
    version: match option_env!("NICA_VERSION") {
        Some(version) => version,
        None => "0.0.0-dev",
    },
    commit: match option_env!("NICA_COMMIT") {
        Some(commit) => commit,
        None => "unknown",
    },
    bundle: include!(env!("NICA_EMBEDDED")),
};

fn main() -> ExitCode {
    let outcome = cli::run(BUILD, std::env::args_os());
    // A reader that is gone is no reason for another exit code.
    let _ = std::io::stdout().write_all(outcome.stdout.as_bytes());
    let _ = std::io::stderr().write_all(outcome.stderr.as_bytes());
    ExitCode::from(outcome.code)
}
