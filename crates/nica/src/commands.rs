//! What each command means. One file per command; what several share stands in `context` and `preparation`.

mod abort;
mod accept_state;
mod again;
mod approve;
mod certify;
mod context;
mod contract;
mod db;
mod deploy;
mod doctor;
mod evidence;
mod explain;
mod gathering;
mod interrupt;
mod ledger;
mod objects;
mod plan;
mod preflight;
mod preparation;
mod recorded;
mod release;
mod resume;
mod secrets;
mod status;
mod target;
mod waive;

use crate::cli::{Cli, Command};
use crate::config::ConfigError;
use crate::exit::Exit;
use crate::output::{self, Output};
use context::Context;
use nica_effects::failure::Failure;

pub(crate) async fn run(cli: Cli) -> Exit {
    let output = Output::new(&cli.global);
    match dispatch(cli, output).await {
        Ok(exit) => exit,
        Err(error) => {
            output::error(&error);
            exit_of(&error)
        }
    }
}

async fn dispatch(cli: Cli, output: Output) -> anyhow::Result<Exit> {
    let context = || Context::load(&cli.global, output);
    match cli.command {
        Command::Release(command) => release::run(command, &cli.global, output).await,
        Command::Doctor(args) => doctor::run(&context()?, args.env.as_deref()).await,
        Command::Plan(args) => plan::run(&context()?, &args).await,
        Command::Deploy(args) => deploy::run(&context()?, &args).await,
        Command::Rollback(args) => deploy::rollback(&context()?, args).await,
        Command::Contract(args) => contract::run(&context()?, &args).await,
        Command::Resume(args) => resume::run(&context()?, &args.env).await,
        Command::Abort(args) => abort::run(&context()?, &args.env).await,
        Command::AcceptState(args) => accept_state::run(&context()?, &args).await,
        Command::Approve(args) => approve::run(&context()?, &args),
        Command::History(args) => ledger::history(&context()?, &args).await,
        Command::Ledger(command) => ledger::run(&context()?, &command).await,
        Command::Db(command) => db::run(&context()?, &command).await,
        Command::Explain { id } => explain::run(&id, output),
        Command::Config { origin: _ } => explain::config(&context()?),
        Command::Status(args) => status::run(&context()?, args.env.as_deref()).await,
        Command::Supervise(args) => target::supervise(args.state).await,
        Command::Keep(args) => target::keep(args.state).await,
    }
}

/// Which exit code an error means: the first cause that we know decides.
fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return match failure {
            Failure::Superseded | Failure::LeaseTaken(_) => Exit::LeaseTaken,
            Failure::Unreachable { .. }
            | Failure::Denied(_)
            | Failure::Mismatch(_)
            | Failure::Lost(_)
            | Failure::Locked(_) => Exit::Unreachable,
            Failure::Refused(_) => Exit::GateRefuses,
            Failure::Records(_) => Exit::Bug,
        };
    }
    if error.downcast_ref::<ConfigError>().is_some() || error.downcast_ref::<context::Unknown>().is_some() {
        return Exit::Usage;
    }
    Exit::Usage
}
