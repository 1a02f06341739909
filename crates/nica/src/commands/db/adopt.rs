//! `nica db adopt`: what was said becomes a request, what came of it becomes lines and an exit code.

use super::super::context::Context;
use crate::cli::{self, From};
use crate::config::variables;
use crate::exit::Exit;
use nica_effects::failure::Failure;
use nica_effects::open;
use nica_migrate::adopt::{self, AdoptError, Moved, Report, Request};
use nica_migrate::foreign::Form;
use nica_migrate::migrate_down::Caller;
use nica_migrate::migrate_seed::Options;
use nica_migrate::{ConnectError, DbUrl};
use std::sync::Arc;

pub(super) async fn run(context: &Context, args: &cli::DbAdopt) -> anyhow::Result<Exit> {
    let (who, host) = (variables::actor(), variables::host());
    let caller = Caller {
        service: &context.config.service.name,
        env: &args.env,
        who: &who,
        host: &host,
        version: env!("CARGO_PKG_VERSION"),
    };
    let configured = &context.config.service.migrations;
    let folder = args.folder.clone().unwrap_or_else(|| context.folder.join(&configured.path));
    let request = Request {
        folder: &folder,
        form: form(args.from).or(configured.form.filter(|_| args.folder.is_none())),
        table: args.table.as_deref(),
        scratch: context.scratch.as_ref(),
        dry: args.dry_run,
    };
    let report = match adopt::adopt(&url(context, args)?, &caller, &request, &Options::default()).await {
        Err(AdoptError::Connect(error @ ConnectError::Unreachable { .. })) => {
            return Err(Failure::Unreachable { participant: "database", why: error.to_string() }.into());
        }
        Err(AdoptError::Fence(error)) => return Err(Failure::from(error).into()),
        report => report?,
    };
    context.output.result(&report, &text(&report));
    Ok(exit(&report))
}

fn url(context: &Context, args: &cli::DbAdopt) -> anyhow::Result<DbUrl> {
    match &args.url {
        Some(_) => super::url(&cli::Database { url: args.url.clone(), env: None }),
        None => Ok(context.access(&args.env, Arc::new(|_| {}))?.url),
    }
}

fn form(from: From) -> Option<Form> {
    match from {
        From::Auto => None,
        From::Sqlx => Some(Form::Sqlx),
        From::Refinery => Some(Form::Refinery),
        From::Dbmate => Some(Form::Dbmate),
        From::Flyway => Some(Form::Flyway),
    }
}

fn exit(report: &Report) -> Exit {
    match report.is_adopted() {
        true => Exit::Done,
        false if report.refusals.is_empty() => Exit::Changes,
        false => Exit::No,
    }
}

fn text(report: &Report) -> String {
    let (from, table) = (report.from, &report.table);
    let mut lines = match (report.refusals.is_empty(), report.already, report.dry) {
        (false, _, _) => vec![format!("nothing is taken over from {from}'s {table}")],
        (_, true, _) => vec![format!(
            "nothing to do: {from}'s {table} was taken over, and nothing was written to it since"
        )],
        (_, _, true) => {
            vec![format!("would take over {} migrations from {from}'s {table}", report.adopted.len())]
        }
        _ => vec![format!(
            "took over {} migrations from {from}'s {table}, which stays as it is",
            report.adopted.len()
        )],
    };
    if report.refusals.is_empty() {
        lines.extend(report.adopted.iter().map(|id| format!("  adopted   {id}")));
        let late = |id| if report.late.contains(id) { "   late: below one that is applied" } else { "" };
        lines.extend(report.pending.iter().map(|id| format!("  pending   {id}{}", late(id))));
    }
    lines.extend(report.notes.iter().map(|note| format!("  note: {note}")));
    lines.extend(report.refusals.iter().map(|refusal| format!("  {refusal}")));
    lines.extend(report.difference.iter().map(|line| format!("    {line}")));
    lines.join("\n")
}

/// What the tool has written to its ledger after it was taken over.
pub(super) async fn moved(context: &Context, env: &str) -> anyhow::Result<Option<Moved>> {
    let client = open::reader(&context.access(env, Arc::new(|_| {}))?).await?;
    Ok(adopt::moved(&client).await?)
}

pub(super) fn moved_text(moved: &Moved) -> String {
    moved.to_string()
}
