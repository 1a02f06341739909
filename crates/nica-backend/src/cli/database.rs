//! `migrate-seed` and `healthcheck`: the guide's two commands. What they do lives in `nica-migrate`; here an
//! embedded bundle goes in and text or JSON comes out.

use super::{Build, Outcome, exit};
use crate::config;
use nica_migrate::DbUrl;
use nica_migrate::health::{self, Health, Limits, Needs};
use nica_migrate::seed::SeedFile;
use nica_migrate::source::{Migration, read_texts};
use std::fmt::Write as _;

/// Where, and in which form.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Database {
    /// The database; DATABASE_URL unless said
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
}

/// What the program needs, read from its own texts.
struct Brought {
    migrations: Vec<Migration>,
    seeds: Vec<SeedFile>,
}

/// Looks and never writes.
pub(super) fn healthcheck(build: Build, asked: &Database) -> Outcome {
    let (url, brought) = match prepare(build, asked) {
        Ok(ready) => ready,
        Err(outcome) => return outcome,
    };
    let needs = Needs { owner: None, migrations: &brought.migrations, seeds: &brought.seeds };
    match block_on(health::healthcheck(&url, &needs, &Limits::default())) {
        Ok(health) => Outcome { code: health.exit_code(), ..said(asked.json, &health, health_table) },
        Err(error) => Outcome::failed(exit::FAILED, &error),
    }
}

fn prepare(build: Build, asked: &Database) -> Result<(DbUrl, Brought), Outcome> {
    let lookup = |name: &str| match (name, &asked.url) {
        ("DATABASE_URL", Some(url)) => Some(url.clone()),
        _ => config::process_environment(name),
    };
    let url = config::database_url(&lookup).map_err(|mistakes| Outcome::failed(exit::USAGE, &mistakes))?;
    let broken = |what: &dyn std::fmt::Display| Outcome::failed(exit::FAILED, &format!("failed to {what}"));
    let migrations = read_texts(build.bundle.migrations).map_err(|mistakes| broken(&mistakes))?;
    let seeds =
        SeedFile::parse_all(build.bundle.seeds.iter().copied()).map_err(|mistakes| broken(&mistakes))?;
    Ok((url, Brought { migrations, seeds }))
}

fn block_on<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}

fn said<T: serde::Serialize>(json: bool, value: &T, table: fn(&T) -> String) -> Outcome {
    let stdout = if json {
        let text =
            serde_json::to_string(value).expect("these types have string keys and no failing serialiser");
        text + "\n"
    } else {
        table(value)
    };
    Outcome { stdout, ..Outcome::default() }
}

fn health_table(health: &Health) -> String {
    let mut text = format!("{:<20} {}\n", "database", health.database);
    let _ = writeln!(text, "{:<20} {} ({} ms)", "verdict", health.verdict, health.millis);
    for problem in &health.problems {
        let _ = writeln!(text, "{:<20} {}", format!("✗ {}", problem.state), problem.sentence);
    }
    for note in &health.notes {
        let _ = writeln!(text, "{:<20} {}", format!("· {}", note.code), note.sentence);
    }
    text
}
