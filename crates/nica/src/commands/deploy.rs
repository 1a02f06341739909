//! `nica deploy`: finish what is open, plan, gate, open, carry to an end.

use super::again::under_lease;
use super::certify;
use super::context::Context;
use super::gathering::{Asked, gather};
use super::preparation::{Preparation, Purpose, prepare};
use super::recorded::Source;
use super::resume::{self, Left};
use super::waive::Waive;
use crate::cli;
use crate::config::variables;
use crate::exit::Exit;
use crate::plan_file::PlanFile;
use anyhow::Context as _;
use nica_effects::answer::answered;
use nica_effects::carry::{Memory, carry};
use nica_effects::hands::Hands;
use nica_effects::open::{self, NewRun};
use nica_effects::records::control;
use nica_effects::records::run::Judged;
use nica_engine::approval::{self, Approver, Wanted};
use nica_engine::finding::{GateReport, Verdict};
use nica_engine::gates::{self, GateInput};
use nica_engine::plan::Unfit;
use nica_engine::release::Phase;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What is to be deployed, and the plan that it must come to, where one was written before.
pub(super) struct Wish {
    pub source: Source,
    pub plan: Option<(PathBuf, PlanFile)>,
}

pub(super) async fn run(context: &Context, args: &cli::Deploy) -> anyhow::Result<Exit> {
    start(context, &args.env.env, Some(wish(args)?), &args.waive).await
}

async fn start(context: &Context, env: &str, wish: Option<Wish>, waive: &cli::Waive) -> anyhow::Result<Exit> {
    let waive = Waive::read(waive)?;
    let what = wish.as_ref().map_or("the release before", |wish| &wish.source.file.release.version);
    let access = context.access(env, context.output.sink(&format!("{what} → {env}")))?;
    if let Some(wish) = &wish {
        certify::ahead(context, &access, &wish.source.file, Phase::Expand).await;
    }
    under_lease(access, async |hands| deploy(context, hands, env, (wish.as_ref(), waive.as_ref())).await)
        .await
}

/// A deploy of an earlier release, by the same rules.
pub(crate) async fn rollback(context: &Context, args: cli::Rollback) -> anyhow::Result<Exit> {
    let env = &args.env.env;
    match args.to {
        Some(to) => {
            start(context, env, Some(Wish { source: Source::of_file(&to)?, plan: None }), &args.waive).await
        }
        None => start(context, env, None, &args.waive).await,
    }
}

/// What was live before, from the records and the target's store. Asked once nothing is open any more: what the open run
/// came to is part of the question.
async fn previous(hands: &Hands, env: &str) -> anyhow::Result<Wish> {
    let before = answered("what was live before", control::previous(hands.client())).await?;
    let before =
        before.with_context(|| format!("find the release to go back to: nothing else was live in {env}"))?;
    let source = Source::with_executables(hands.client(), &before, hands.access.reach.state()).await?;
    let source = source.with_context(|| {
        format!("find release {} in the records: name its file with --to", before.version)
    })?;
    Ok(Wish { source, plan: None })
}

fn wish(args: &cli::Deploy) -> anyhow::Result<Wish> {
    let plan = match &args.plan {
        Some(path) => Some((path.clone(), PlanFile::read(path)?)),
        None => None,
    };
    let named = args.release.clone().or_else(|| plan.as_ref().map(|(_, file)| file.release_file.clone()));
    let release = named.context("find a release: name one with --release FILE or --plan FILE")?;
    Ok(Wish { source: Source::of_file(&release)?, plan })
}

/// Without a wish it is the release before the live one.
async fn deploy(
    context: &Context,
    hands: &mut Hands,
    env: &str,
    (wish, waive): (Option<&Wish>, Option<&Waive>),
) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    hands.start_target().await?;
    let stuck = match resume::finish_open_run(context, hands).await? {
        Left::Nothing => None,
        Left::Ended(exit) => return Ok(exit),
        Left::Stuck(stuck) => Some(stuck),
    };
    let before;
    let wish = match (wish, &stuck) {
        (Some(wish), _) => wish,
        (None, Some(stuck)) => return Ok(stuck.stays(context, None)),
        (None, None) => {
            before = previous(hands, env).await?;
            &before
        }
    };
    let components = hands.components().await?;
    let purpose = stuck.as_ref().map_or(Purpose::Deploy, |stuck| Purpose::Supersede(&stuck.open));
    let prepared = prepare(context, env, (purpose, &wish.source), hands.client_mut(), &components).await;
    let prepared = match (prepared, &stuck) {
        (Err(error), Some(stuck)) if error.is::<Unfit>() => {
            return Ok(stuck.stays(context, Some(error.to_string())));
        }
        (prepared, _) => prepared?,
    };
    if prepared.plan.is_empty() {
        let (version, pending) = (&prepared.plan.version, &prepared.pending);
        let value = json!({ "end": "live", "changed": false, "version": version, "contracts_pending": pending, "exit": 0 });
        context.output.progress(&context.output.pending(pending, env));
        context.output.result(&value, &format!("live: {version} already. Exit 0."));
        return Ok(Exit::Done);
    }
    go(context, hands, (wish, waive), &prepared, begun).await
}

/// Gate the plan, open a run for it and carry it to its end.
pub(super) async fn go(
    context: &Context,
    hands: &mut Hands,
    (wish, waive): (&Wish, Option<&Waive>),
    prepared: &Preparation,
    begun: Instant,
) -> anyhow::Result<Exit> {
    let env = prepared.plan.env.as_str();
    if let Some(exit) = outdated(context, wish, prepared) {
        return Ok(exit);
    }
    let plan_file = wish.plan.as_ref().map(|(path, _)| path.as_path());
    let asked = Asked { source: &wish.source, plan_file, waive, tell: &hands.access.sink };
    let input = gather(context, env, &asked, prepared, hands.client()).await?;
    let report = gates::judge(&input);
    context.output.progress(&context.output.plan(&prepared.plan, prepared.left(), Some(&report)));
    if let Some(exit) = refused(context, prepared, &report) {
        return Ok(exit);
    }
    store(hands, prepared).await?;
    let waivers = gates::waived(&input);
    waivers.iter().for_each(|waiver| context.output.waived(waiver));
    let judged = Judged { approvals: approvers(&input), gates: report, waivers };
    let new = NewRun {
        plan: &prepared.plan,
        starter: &variables::actor(),
        texts: &prepared.texts,
        judged: &judged,
        doomed: prepared.doomed.as_ref(),
    };
    let as_planned = open::open(hands, &new).await?;
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
        target.put_bytes(bytes, digest).await?;
    }
    Ok(target.keep(&prepared.secrets).await?)
}

/// A file's absolute path, so that the plan file can be opened from elsewhere.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
