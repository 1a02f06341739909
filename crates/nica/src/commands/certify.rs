//! What a throw-away database says of migrations: for the gate `migration`, and for `nica db certify`.
//!
//! Here stands what is asked and how the answer becomes the engine's data; it is given by `nica-migrate`, judged by
//! the engine, and kept in `kept`, because dev, stage and prod ask about the same texts.

mod answers;
mod kept;
mod translation;

pub(super) use answers::Answers;

use super::context::Context;
use super::release;
use crate::cli;
use crate::exit::Exit;
use crate::release_file::ReleaseFile;
use nica_effects::answer::answered;
use nica_effects::event::{Event, Sink};
use nica_effects::failure::Failure;
use nica_effects::hands::Access;
use nica_effects::open;
use nica_effects::records::brought::manifest;
use nica_effects::records::control;
use nica_engine::Plan;
use nica_engine::finding::{GateReport, Verdict};
use nica_engine::gates::{self, Certificate, Gathered};
use nica_engine::release::{Migration, Phase};
use nica_migrate::certify::{self, CertifyError, Report};
use nica_migrate::{DbUrl, source, state};
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use tokio_postgres::Client;

/// All that an answer depends on: equal questions have equal answers.
#[derive(Debug, Serialize)]
struct Question<'a> {
    /// As `certify::REPORT_FORMAT`.
    format: u32,
    nica: &'static str,
    /// What `postgres --version` says.
    server: String,
    /// In the order in which they were applied, and are.
    live: Vec<&'a Migration>,
    wanted: Vec<&'a Migration>,
}

/// Where answers are kept, and the server that may be asked instead of one of our own.
pub(super) type Means<'a> = (&'a Answers, Option<&'a DbUrl>);

/// One certificate per migration that the plan applies, up to the first that cannot be applied at all. Which ones are
/// there already is read from the environment's own table.
pub(super) async fn certificates(
    context: &Context,
    (file, plan): (&ReleaseFile, &Plan),
    client: &Client,
    tell: &Sink,
) -> Result<Gathered<Vec<Certificate>>, Failure> {
    let wanted: Vec<&str> = plan.steps.iter().filter_map(|e| e.migration().map(|m| m.id.as_str())).collect();
    if wanted.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let live = live(client).await?;
    Ok(answer(file, (&wanted, &live), context.means(), tell).await)
}

/// Ask for what a deploy, or a contract run, will want to know, while nobody is kept from acting by our lease. Where a
/// run is open that is finished first, and not kept waiting. Whatever fails here is met again under the lease.
pub(super) async fn ahead(context: &Context, access: &Access, file: &ReleaseFile, phase: Phase) {
    if let Err(error) = try_ahead(context, access, file, phase).await {
        tracing::debug!(%error, "nothing was certified ahead");
    }
}

async fn try_ahead(
    context: &Context,
    access: &Access,
    file: &ReleaseFile,
    phase: Phase,
) -> Result<(), Failure> {
    let client = open::reader(access).await?;
    let control = answered("the control row", control::read(&client)).await?;
    if control.is_some_and(|control| control.open_run.is_some()) {
        return Ok(());
    }
    let live = live(&client).await?;
    // The session would lie idle for as long as it takes.
    drop(client);
    let wanted = file.release.migrations.iter().filter(|m| m.phase == phase && !live.contains(&m.id));
    let wanted: Vec<&str> = wanted.map(|m| m.id.as_str()).collect();
    if !wanted.is_empty() {
        // Judged by the gate, which finds it where it was kept.
        let _ = answer(file, (&wanted, &live), context.means(), &access.sink).await;
    }
    Ok(())
}

async fn live(client: &Client) -> Result<Vec<String>, Failure> {
    let rows = answered("the migration table", state::migrations(client)).await?.unwrap_or_default();
    Ok(rows.into_iter().filter(|row| row.state.is_there()).map(|row| row.id).collect())
}

async fn answer(
    file: &ReleaseFile,
    (wanted, live): (&[&str], &[String]),
    (answers, given): Means<'_>,
    tell: &Sink,
) -> Gathered<Vec<Certificate>> {
    let all = &file.release.migrations;
    let (wanted, rest): (Vec<_>, Vec<_>) = all.iter().partition(|m| wanted.contains(&m.id.as_str()));
    let question = Question {
        format: certify::REPORT_FORMAT,
        nica: env!("CARGO_PKG_VERSION"),
        server: certify::server_version(given).await.map_err(said)?,
        live: rest.into_iter().filter(|m| live.contains(&m.id)).collect(),
        wanted,
    };
    if let Some(found) = answers.find(&question) {
        return found;
    }
    let (begun, migrations) = (Instant::now(), question.wanted.len());
    tell(Event::Certifying { migrations });
    let answer = ask(file, &question, given).await.map(certificates_of);
    tell(Event::Certified { migrations, ms: begun.elapsed().as_millis() as u64 });
    answers.keep(&question, &answer);
    answer
}

async fn ask(
    file: &ReleaseFile,
    question: &Question<'_>,
    given: Option<&DbUrl>,
) -> Result<Vec<Report>, String> {
    let all: Vec<_> = file.release.migrations.iter().map(|m| source_of(file, m)).collect::<Result<_, _>>()?;
    let ids = |of: &[&Migration]| of.iter().map(|m| m.id.clone()).collect::<Vec<_>>();
    certify::certify(&all, &ids(&question.live), &ids(&question.wanted), given).await.map_err(said)
}

fn said(error: CertifyError) -> String {
    format!("failed to {error}")
}

fn certificates_of(reports: Vec<Report>) -> Vec<Certificate> {
    reports.into_iter().map(translation::certificate).collect()
}

/// As it stood in the folder that the release was made from.
fn source_of(file: &ReleaseFile, m: &Migration) -> Result<source::Migration, String> {
    let text = |name: &str| {
        let bytes = file.entries.get(&format!("migrations/{}/{name}", m.id))?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    let up = text("up.sql").ok_or_else(|| format!("{} has no up.sql in the release", m.id))?;
    source::Migration::new(&m.id, manifest(m), up, text("down.sql")).map_err(|e| e.to_string())
}

/// `nica db certify`: the folder's migrations, before they are in any release. With an environment those that it lacks,
/// as a plan would bring them; else each on top of those before it.
pub(super) async fn run(context: &Context, args: &cli::MaybeEnv) -> anyhow::Result<Exit> {
    let all = context.config.service.migrations.read(&context.folder)?;
    let live = match &args.env {
        None => None,
        Some(env) => {
            let client = open::reader(&context.access(env, Arc::new(|_| {}))?).await?;
            Some(live(&client).await?)
        }
    };
    let is_live = |m: &source::Migration| live.as_ref().is_some_and(|live| live.contains(&m.id));
    let tried = all.iter().filter(|m| m.phase == source::Phase::Expand && !is_live(m));
    let tried: Vec<_> = tried.cloned().collect();
    let given = context.scratch.as_ref();
    let reports = match &live {
        None => certify::certify_each(&all, given).await,
        Some(live) => {
            let known: Vec<_> = live.iter().filter(|id| all.iter().any(|m| m.id == **id)).cloned().collect();
            let wanted: Vec<_> = tried.iter().map(|m| m.id.clone()).collect();
            certify::certify(&all, &known, &wanted, given).await
        }
    };
    Ok(tell(context, tried, reports.map(certificates_of).map_err(said)))
}

fn tell(
    context: &Context,
    tried: Vec<source::Migration>,
    certificates: Result<Vec<Certificate>, String>,
) -> Exit {
    let described = tried.into_iter().map(|m| release::migration(m, &mut Default::default()));
    let described: Vec<Migration> = described.collect();
    let report = GateReport { gates: vec![gates::judge_migrations(&described, &certificates)] };
    context.output.result(&report, &context.output.gates(&report));
    match report.verdict() {
        Verdict::Pass => Exit::Done,
        Verdict::Inconclusive => Exit::Inconclusive,
        Verdict::Refuse => Exit::No,
    }
}

#[cfg(test)]
mod tests;
