//! `nica db`: the guide's two commands and what an operator asks of a database. The work is `nica-migrate`'s.

mod adopt;

use super::context::{Context, Unknown};
use crate::cli;
use crate::config::variables;
use crate::exit::Exit;
use anyhow::Context as _;
use nica_effects::answer::answered;
use nica_effects::failure::Failure;
use nica_effects::{open, sight};
use nica_migrate::fingerprint::Fingerprint;
use nica_migrate::health::{self, Health, Limits, Needs};
use nica_migrate::migrate_down::{self, Caller, MigrateDownError};
use nica_migrate::migrate_seed::{self, MigrateSeedError, Options, Program, Report};
use nica_migrate::seed::SeedFile;
use nica_migrate::source::Migration;
use nica_migrate::state::{self, AppliedMigration};
use nica_migrate::{ConnectError, DbUrl};
use serde_json::json;
use std::sync::Arc;

pub(crate) async fn run(context: &Context, command: &cli::Db) -> anyhow::Result<Exit> {
    match command {
        cli::Db::MigrateSeed(at) => migrate_seed(context, at).await,
        cli::Db::Healthcheck(at) => healthcheck(context, at).await,
        cli::Db::Migrate(cli::Migrate::Down(args)) => down(context, args).await,
        cli::Db::Status(env) => status(context, &env.env).await,
        cli::Db::Verify(env) => verify(context, &env.env).await,
        cli::Db::Certify(args) => super::certify::run(context, args).await,
        cli::Db::Diff(args) => diff(context, args).await,
        cli::Db::Adopt(args) => adopt::run(context, args).await,
    }
}

fn url(at: &cli::Database) -> anyhow::Result<DbUrl> {
    let named = at.url.clone().or_else(|| variables::variable("DATABASE_URL"));
    let text = named.context("find a database: name one with --url, or set DATABASE_URL")?;
    let bad = |e: nica_migrate::connect::UrlError| Unknown::BadUrl {
        variable: "the URL".to_string(),
        why: e.to_string(),
    };
    Ok(DbUrl::parse(&text).map_err(bad)?)
}

fn migrations(context: &Context) -> anyhow::Result<Vec<Migration>> {
    Ok(context.config.service.migrations.read(&context.folder)?)
}

fn seeds(context: &Context) -> anyhow::Result<Vec<SeedFile>> {
    Ok(SeedFile::read_folder(&context.folder.join(&context.config.service.seeds))?)
}

async fn migrate_seed(context: &Context, at: &cli::Database) -> anyhow::Result<Exit> {
    let (migrations, seeds) = (migrations(context)?, seeds(context)?);
    let (who, host) = (variables::actor(), variables::host());
    let program = Program {
        service: &context.config.service.name,
        env: at.env.as_deref().unwrap_or("dev"),
        who: &who,
        host: &host,
        version: env!("CARGO_PKG_VERSION"),
        migrations: &migrations,
        seeds: &seeds,
    };
    match migrate_seed::migrate_seed(&url(at)?, &program, &Options::default()).await {
        Ok(report) => {
            context.output.result(&report, &report_text(&report));
            Ok(if report.is_complete() { Exit::Done } else { Exit::No })
        }
        Err(MigrateSeedError::Connect(error @ ConnectError::Unreachable { .. })) => {
            Err(Failure::Unreachable { participant: "database", why: error.to_string() }.into())
        }
        Err(error) => Err(error.into()),
    }
}

fn report_text(report: &Report) -> String {
    let mut lines = Vec::new();
    if report.managed {
        lines.push("a deployer manages this database: nothing was written".to_string());
    }
    lines.extend(report.applied.iter().map(|id| format!("applied   {id}")));
    lines.extend(report.pending.iter().map(|id| format!("pending   {id}")));
    lines.extend(
        report.contracts_pending.iter().map(|id| format!("contract  {id}   waits for nica contract")),
    );
    lines.extend(report.seeds_pending.iter().map(|row| format!("seed      {row}")));
    lines.extend(report.parked.iter().cloned());
    if lines.is_empty() {
        lines.push("nothing to do: migrations and seeds are as the files say".to_string());
    }
    lines.join("\n")
}

async fn down(context: &Context, args: &cli::Down) -> anyhow::Result<Exit> {
    let (who, host) = (variables::actor(), variables::host());
    let caller = Caller {
        service: &context.config.service.name,
        env: args.database.env.as_deref().unwrap_or("dev"),
        who: &who,
        host: &host,
        version: env!("CARGO_PKG_VERSION"),
    };
    let to = Some(args.to.as_str()).filter(|to| *to != "0");
    let down = migrate_down::migrate_down(&url(&args.database)?, &caller, to, &Options::default()).await;
    let undone = match down {
        Err(MigrateDownError::Connect(error @ ConnectError::Unreachable { .. })) => {
            return Err(Failure::Unreachable { participant: "database", why: error.to_string() }.into());
        }
        Err(MigrateDownError::Fence(error)) => return Err(Failure::from(error).into()),
        down => down?,
    };
    let lines: Vec<String> = undone.iter().map(|id| format!("undone    {id}")).collect();
    let text = if lines.is_empty() { "nothing to take back".to_string() } else { lines.join("\n") };
    context.output.result(&json!({ "undone": undone }), &text);
    Ok(Exit::Done)
}

async fn healthcheck(context: &Context, at: &cli::Database) -> anyhow::Result<Exit> {
    let (migrations, seeds) = (migrations(context)?, seeds(context)?);
    let owner = at.env.as_deref().map(|env| (context.config.service.name.as_str(), env));
    let needs = Needs { owner, migrations: &migrations, seeds: &seeds };
    let health = health::healthcheck(&url(at)?, &needs, &Limits::default()).await;
    context.output.result(&health, &health_text(&health));
    Ok(match health.exit_code() {
        0 => Exit::Done,
        40 => Exit::Unreachable,
        _ => Exit::No,
    })
}

fn health_text(health: &Health) -> String {
    let mut lines = vec![format!("{}   {}   {} ms", health.verdict, health.database, health.millis)];
    for problem in &health.problems {
        lines.push(format!("  {}: {}", problem.state.code(), problem.sentence));
        lines.extend(problem.items.iter().map(|item| format!("    {item}")));
    }
    lines.extend(health.notes.iter().map(|note| format!("  {}: {}", note.code, note.sentence)));
    lines.join("\n")
}

async fn applied(context: &Context, env: &str) -> anyhow::Result<Vec<AppliedMigration>> {
    let client = open::reader(&context.access(env, Arc::new(|_| {}))?).await?;
    Ok(answered("the migration table", state::migrations(&client)).await?.unwrap_or_default())
}

async fn status(context: &Context, env: &str) -> anyhow::Result<Exit> {
    let applied = applied(context, env).await?;
    for m in &applied {
        let state = format!("{:?}", m.state).to_lowercase();
        let value = json!({ "id": m.id, "state": m.state, "phase": m.phase, "class": m.class, "run": m.run });
        context.output.result(&value, &format!("{:<32} {state:<9} {} {}", m.id, m.phase, m.class));
    }
    let there = |id: &str| applied.iter().any(|m| m.id == id && m.state.is_there());
    for m in migrations(context)?.iter().filter(|m| !there(&m.id)) {
        let value = json!({ "id": m.id, "state": "pending", "phase": m.phase, "class": m.class });
        context.output.result(&value, &format!("{:<32} {:<9} {} {}", m.id, "pending", m.phase, m.class));
    }
    Ok(Exit::Done)
}

/// Whether what was applied is still what the files say.
async fn verify(context: &Context, env: &str) -> anyhow::Result<Exit> {
    let applied = applied(context, env).await?;
    let files = migrations(context)?;
    let edited =
        |m: &&Migration| applied.iter().any(|a| a.id == m.id && a.state.is_there() && a.sha256 != m.sha256);
    let edited: Vec<&str> = files.iter().filter(edited).map(|m| m.id.as_str()).collect();
    let text = match edited.is_empty() {
        true => "verified: every applied migration has the text of its file".to_string(),
        false => format!("edited: {}\n  = next: undo the edit and write a new migration", edited.join(", ")),
    };
    context.output.result(&json!({ "edited": edited }), &text);
    Ok(if edited.is_empty() { Exit::Done } else { Exit::No })
}

/// Two schemas as a diff: of two environments, or of one and a text that was kept.
async fn diff(context: &Context, args: &cli::DbDiff) -> anyhow::Result<Exit> {
    let ours = fingerprint(context, &args.env).await?;
    let moved = adopt::moved(context, &args.env).await?;
    let Some(other) = &args.with else {
        let said: String = moved.iter().map(|m| adopt::moved_text(m) + "\n").collect();
        context.output.result(&json!({ "fingerprint": ours.hash(), "moved": moved }), &(said + ours.text()));
        return Ok(if moved.is_none() { Exit::Done } else { Exit::No });
    };
    let other = match context.config.environments.contains_key(other) {
        true => fingerprint(context, other).await?,
        false => {
            Fingerprint::from_text(&std::fs::read_to_string(other).with_context(|| format!("read {other}"))?)
        }
    };
    let lines = other.diff(&ours);
    let mut text: Vec<String> = moved.iter().map(adopt::moved_text).collect();
    text.push(if lines.is_empty() { "equal".to_string() } else { lines.join("\n") });
    let value = json!({ "equal": lines.is_empty(), "diff": lines, "moved": moved });
    context.output.result(&value, &text.join("\n"));
    Ok(if lines.is_empty() && moved.is_none() { Exit::Done } else { Exit::No })
}

async fn fingerprint(context: &Context, env: &str) -> anyhow::Result<Fingerprint> {
    let mut client = open::reader(&context.access(env, Arc::new(|_| {}))?).await?;
    Ok(sight::fingerprint(&mut client).await?)
}
