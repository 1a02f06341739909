//! `supervise --state DIR` and `keep --state DIR`, as the `nica` program has them: for this crate's own tests.

use nica_effects::process::{keeper, supervisor};
use std::path::PathBuf;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let ended = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["supervise", "--state", state] => supervisor::run(PathBuf::from(state)).await,
        ["keep", "--state", state] => keeper::run(PathBuf::from(state)),
        _ => return ExitCode::from(2),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "failed to {error}");
            ExitCode::FAILURE
        }
    }
}
