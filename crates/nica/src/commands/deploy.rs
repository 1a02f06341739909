//! `nica deploy`: finish what is open, plan, gate, open, carry to an end.

use super::again::until_answered;
use super::context::Context;
use super::gathering::{Said, gather};
use super::preparation::{Preparation, prepare};
use super::resume;
use crate::cli;
use crate::config::variables;
use crate::exit::Exit;
use crate::plan_file::PlanFile;
use crate::release_file::ReleaseFile;
use anyhow::Context as _;
use nica_effects::carry::{Memory, carry};
use nica_effects::hands::Hands;
use nica_effects::open;
use nica_effects::records::run::Judged;
use nica_engine::approval::{self, Approver, Wanted};
use nica_engine::finding::{GateReport, Verdict};
use nica_engine::gates::{self, GateInput};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What is to be deployed, and the plan that it must come to, where one was written before.
struct Wish {
    release: PathBuf,
    file: ReleaseFile,
    plan: Option<(PathBuf, PlanFile)>,
}

pub(super) async fn run(context: &Context, args: &cli::Deploy) -> anyhow::Result<Exit> {
    let wish = wish(args)?;
    let env = &args.env.env;
    let words = format!("{} → {env}", wish.file.release.version);
    let access = context.access(env, context.output.sink(&words))?;
    open::genesis(&access).await?;
    let mut hands = Hands::take(access).await?;
    let answer = until_answered(&mut hands, async |hands| deploy(context, hands, env, &wish).await).await;
    hands.release().await;
    answer
}

/// A deploy of an earlier release, by the same rules.
pub(crate) async fn rollback(context: &Context, args: cli::Rollback) -> anyhow::Result<Exit> {
    let Some(to) = args.to else {
        let before = super::ledger::before(context, &args.env.env).await?;
        anyhow::bail!("find the release to go back to: name its file with --to FILE; {before}");
    };
    run(context, &cli::Deploy { env: args.env, release: Some(to), plan: None }).await
}

fn wish(args: &cli::Deploy) -> anyhow::Result<Wish> {
    let plan = match &args.plan {
        Some(path) => Some((path.clone(), PlanFile::read(path)?)),
        None => None,
    };
    let named = args.release.clone().or_else(|| plan.as_ref().map(|(_, file)| file.release_file.clone()));
    let release = named.context("find a release: name one with --release FILE or --plan FILE")?;
    let file = ReleaseFile::read(&release)?;
    Ok(Wish { release, file, plan })
}

async fn deploy(context: &Context, hands: &mut Hands, env: &str, wish: &Wish) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    hands.start_target().await?;
    if let Some(exit) = resume::finish_open_run(context, hands).await? {
        return Ok(exit);
    }
    let components = hands.components().await?;
    let prepared = prepare(context, env, &wish.file, hands.client_mut(), &components).await?;
    if prepared.plan.is_empty() {
        let value = json!({ "end": "live", "changed": false, "version": prepared.plan.version, "exit": 0 });
        context.output.result(&value, &format!("live: {} already. Exit 0.", prepared.plan.version));
        return Ok(Exit::Done);
    }
    if let Some(exit) = outdated(context, wish, &prepared) {
        return Ok(exit);
    }
    let said = Said { release: &wish.release, plan: wish.plan.as_ref().map(|(path, _)| path.as_path()) };
    let input = gather(context, env, &wish.file, &prepared, hands.client(), said).await?;
    let report = gates::judge(&input);
    context.output.progress(&context.output.plan(&prepared.plan, Some(&report)));
    if let Some(exit) = refused(context, &prepared, &report) {
        return Ok(exit);
    }
    store(hands, &prepared).await?;
    let judged = Judged { approvals: approvers(&input), gates: report, waivers: input.waivers };
    let as_planned = open::open(hands, &prepared.plan, &variables::actor(), &prepared.texts, &judged).await?;
    let mut memory = Memory::drifted(!as_planned);
    let carried = carry(hands, &mut memory).await?;
    let baseline = prepared.plan.baseline.as_ref().map(|b| b.version.as_str());
    Ok(resume::report(context, &carried, &prepared.plan.version, baseline, begun))
}

/// The plan that was given, and perhaps signed, is not what would be applied now.
fn outdated(context: &Context, wish: &Wish, prepared: &Preparation) -> Option<Exit> {
    let (path, given) = wish.plan.as_ref()?;
    let (given, now) = (given.plan.hash(), prepared.plan.hash());
    if given == now {
        return None;
    }
    let diff = super::plan::difference(&wish.plan.as_ref()?.1.plan, &prepared.plan);
    let text = format!(
        "refused: {} is plan {}, what would be applied now is plan {}\n{diff}  = next: nica plan, then have it approved again\nExit 12.",
        path.display(),
        given.short(),
        now.short()
    );
    context
        .output
        .result(&json!({ "end": "refused", "given": given, "now": now, "diff": diff, "exit": 12 }), &text);
    Some(Exit::Outdated)
}

/// Which exit a report means; none when every gate passes.
pub(super) fn refused(context: &Context, prepared: &Preparation, report: &GateReport) -> Option<Exit> {
    let exit = match report.verdict() {
        Verdict::Pass => return None,
        Verdict::Refuse if only_signatures(report) => Exit::Unsigned,
        Verdict::Refuse => Exit::GateRefuses,
        Verdict::Inconclusive => Exit::Inconclusive,
    };
    let findings: Vec<_> = report.findings().cloned().collect();
    let value = json!({ "end": "refused", "version": prepared.plan.version, "reason": reason(report), "findings": findings, "exit": exit as u8 });
    context
        .output
        .result(&value, &format!("refused before the first write: {}. Exit {}.", reason(report), exit as u8));
    Some(exit)
}

fn only_signatures(report: &GateReport) -> bool {
    let mut refusing = report.gates.iter().filter(|g| g.verdict() != Verdict::Pass);
    refusing.all(|g| g.gate == "approval")
}

fn reason(report: &GateReport) -> String {
    let blocking = report.findings().filter(|f| f.severity != nica_engine::finding::Severity::Note);
    blocking.map(|f| f.id.clone()).collect::<Vec<_>>().join(", ")
}

/// The signatures that hold; the gate has counted them already.
fn approvers(input: &GateInput) -> Vec<Approver> {
    let (plan_hash, env) = (&input.plan_hash, input.env.as_str());
    let wanted = Wanted { plan_hash, env, now: input.now, consumed: &input.consumed };
    input
        .approvals
        .iter()
        .filter_map(|signed| approval::verify(signed, &input.people, &wanted).ok())
        .collect()
}

/// Content that nobody looks at yet: by its own name in the target's store.
async fn store(hands: &Hands, prepared: &Preparation) -> anyhow::Result<()> {
    let target = hands.target()?;
    for (digest, bytes) in &prepared.executables {
        target.put_bytes(bytes, digest).await.map_err(nica_effects::failure::Failure::from)?;
    }
    for value in &prepared.secrets {
        target.put_secret(value.clone()).await.map_err(nica_effects::failure::Failure::from)?;
    }
    Ok(())
}

/// A file's absolute path, so that the plan file can be opened from elsewhere.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
