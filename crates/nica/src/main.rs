//! The operator's command line. What can be said stands in `cli`, what it means in `commands`, what people and
//! programs read in `output`. This file only wires them together and ends the process.

mod cli;
mod commands;
mod config;
mod exit;
mod manifests;
mod output;
mod plan_file;
mod release_file;

use clap::Parser as _;
use exit::Exit;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => return output::said_wrong(&said),
    };
    output::start_tracing();
    rustls::crypto::ring::default_provider().install_default().ok();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli)).into(),
        Err(error) => {
            output::error(&anyhow::anyhow!(error).context("failed to start the runtime"));
            Exit::Bug.into()
        }
    }
}
