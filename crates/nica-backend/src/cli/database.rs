//! `migrate-seed` and `healthcheck`: the guide's two commands. What they do lives in `nica-migrate`; here an
//! embedded bundle goes in and text or JSON comes out.

mod table;

use super::{Build, Outcome, block_on, exit};
use crate::app::prepare::{self, SERVICE};
use crate::config::{self, Actor};
use nica_migrate::DbUrl;
use nica_migrate::health::{self, Limits, Needs};
use nica_migrate::migrate_seed::{self, MigrateSeedError, Options, Program, Report};
use nica_migrate::seed::SeedFile;
use nica_migrate::source::{Migration, read_texts};
use serde::Serialize;

/// Where, and in which form.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Database {
    /// The database; DATABASE_URL unless said
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Whose database it must be; NICA_ENV unless said, else dev
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
}

/// Everything a command needs, checked.
struct Ready {
    url: DbUrl,
    actor: Actor,
    migrations: Vec<Migration>,
    seeds: Vec<SeedFile>,
}

/// Looks and never writes.
pub(super) fn healthcheck(build: Build, asked: &Database) -> Outcome {
    let ready = match checked(build, asked) {
        Ok(ready) => ready,
        Err(outcome) => return outcome,
    };
    // Only who names an environment wants to be told that it is another one.
    let owner = asked.env.as_deref().map(|env| (SERVICE, env));
    let needs = Needs { owner, migrations: &ready.migrations, seeds: &ready.seeds };
    match block_on(health::healthcheck(&ready.url, &needs, &Limits::default())) {
        Ok(health) => said(asked.json, health.exit_code(), &health, table::health),
        Err(error) => Outcome::failed(exit::FAILED, &error),
    }
}

/// Applies what is missing.
pub(super) fn migrate_seed(build: Build, asked: &Database) -> Outcome {
    let ready = match checked(build, asked) {
        Ok(ready) => ready,
        Err(outcome) => return outcome,
    };
    let program = Program {
        service: SERVICE,
        env: &ready.actor.environment,
        who: &ready.actor.who,
        host: &ready.actor.host,
        version: build.version,
        migrations: &ready.migrations,
        seeds: &ready.seeds,
    };
    match block_on(migrate_seed::migrate_seed(&ready.url, &program, &Options::default())) {
        Ok(Ok(report)) => said(asked.json, exit_code(&report), &report, table::report),
        Ok(Err(error)) => Outcome::failed(failure_code(&error), &format!("failed to {error}")),
        Err(error) => Outcome::failed(exit::FAILED, &error),
    }
}

fn exit_code(report: &Report) -> u8 {
    if report.is_complete() { exit::DONE } else { exit::FAILED }
}

fn failure_code(error: &MigrateSeedError) -> u8 {
    if prepare::is_unreachable(error) { exit::UNREACHABLE } else { exit::FAILED }
}

fn checked(build: Build, asked: &Database) -> Result<Ready, Outcome> {
    let lookup = |name: &str| match name {
        "DATABASE_URL" if asked.url.is_some() => asked.url.clone(),
        "DATABASE_URL_FILE" if asked.url.is_some() => None,
        "NICA_ENV" if asked.env.is_some() => asked.env.clone(),
        _ => config::process_environment(name),
    };
    let (url, actor) =
        config::command(&lookup).map_err(|mistakes| Outcome::failed(exit::USAGE, &mistakes))?;
    let broken = |what: &dyn std::fmt::Display| Outcome::failed(exit::FAILED, &format!("failed to {what}"));
    let migrations = read_texts(build.bundle.migrations).map_err(|mistakes| broken(&mistakes))?;
    let seeds =
        SeedFile::parse_all(build.bundle.seeds.iter().copied()).map_err(|mistakes| broken(&mistakes))?;
    Ok(Ready { url, actor, migrations, seeds })
}

fn said<T: Serialize>(json: bool, code: u8, value: &T, table: fn(&T) -> String) -> Outcome {
    let stdout = if json {
        let text =
            serde_json::to_string(value).expect("these types have string keys and no failing serialiser");
        text + "\n"
    } else {
        table(value)
    };
    Outcome { code, stdout, stderr: String::new() }
}
