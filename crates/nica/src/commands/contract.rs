//! `nica contract`: the live release's contract migrations, in a run of their own.
//!
//! Forward only, by the same gates and approvals as a deploy. What is open is finished first; the release is the live
//! one, from its file or from the records.

use super::again::under_lease;
use super::certify;
use super::context::Context;
use super::deploy::{Wish, absolute, go};
use super::gathering::{Asked, gather};
use super::preparation::{Preparation, Purpose, prepare};
use super::recorded::Source;
use super::resume::{self, Left};
use super::waive::Waive;
use crate::cli;
use crate::exit::Exit;
use crate::plan_file::{self, PLAN_FILE_FORMAT, PlanFile};
use anyhow::Context as _;
use nica_effects::answer::answered;
use nica_effects::hands::{Access, Hands};
use nica_effects::open;
use nica_effects::records::control;
use nica_engine::gates;
use nica_engine::release::Phase;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio_postgres::Client;

pub(super) async fn run(context: &Context, args: &cli::Contract) -> anyhow::Result<Exit> {
    let env = &args.env.env;
    let asked = Contracts::asked(args)?;
    let access = context.access(env, context.output.sink(&format!("contracts → {env}")))?;
    asked.certify_ahead(context, &access).await;
    under_lease(access, async |hands| contract(context, hands, env, &asked).await).await
}

/// What the command line asks for, its files read.
struct Contracts<'a> {
    plan: Option<(PathBuf, PlanFile)>,
    /// The release's file, where one was named.
    named: Option<PathBuf>,
    /// Only plan.
    out: Option<&'a Path>,
    waive: Option<Waive>,
}

impl Contracts<'_> {
    fn asked(args: &cli::Contract) -> anyhow::Result<Contracts<'_>> {
        let plan = match &args.plan {
            Some(path) => Some((path.clone(), PlanFile::read(path)?)),
            None => None,
        };
        let planned_with = plan.as_ref().map(|(_, file)| file.release_file.clone());
        let named = args.release.clone().or(planned_with).filter(|path| !path.as_os_str().is_empty());
        Ok(Contracts { plan, named, out: args.out.as_deref(), waive: Waive::read(&args.waive)? })
    }

    async fn certify_ahead(&self, context: &Context, access: &Access) {
        let source = async {
            let client = open::reader(access).await?;
            source(&client, &access.env, self.named.as_deref()).await
        };
        // What is wrong with it is said under the lease.
        if let Ok(source) = source.await {
            certify::ahead(context, access, &source.file, Phase::Contract).await;
        }
    }
}

async fn contract(
    context: &Context,
    hands: &mut Hands,
    env: &str,
    asked: &Contracts<'_>,
) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    hands.start_target().await?;
    match resume::finish_open_run(context, hands).await? {
        Left::Nothing => {}
        Left::Ended(exit) => return Ok(exit),
        Left::Stuck(stuck) => return Ok(stuck.stays(context, None)),
    }
    let source = source(hands.client(), env, asked.named.as_deref()).await?;
    let wish = Wish { source, plan: asked.plan.clone() };
    let components = hands.components().await?;
    let prepared =
        prepare(context, env, (Purpose::Contract, &wish.source), hands.client_mut(), &components).await?;
    if prepared.plan.is_empty() {
        let value =
            json!({ "end": "contracted", "changed": false, "version": prepared.plan.version, "exit": 0 });
        let text = format!("no contract of {} is pending. Exit 0.", prepared.plan.version);
        context.output.result(&value, &text);
        return Ok(Exit::Done);
    }
    match asked.out {
        Some(out) => write(context, hands, (&wish, asked), &prepared, out).await,
        None => go(context, hands, (&wish, asked.waive.as_ref()), &prepared, begun).await,
    }
}

/// The live release: from the file that was named, else from the records.
async fn source(client: &Client, env: &str, named: Option<&Path>) -> anyhow::Result<Source> {
    if let Some(path) = named {
        return Source::of_file(path);
    }
    let control = answered("the control row", control::read(client)).await?;
    let live = control.and_then(|c| c.baseline);
    let live = live.with_context(|| format!("find contracts: nothing is live in {env}; deploy a release"))?;
    let found = Source::of_live(client, &live).await?;
    found.with_context(|| {
        format!("find release {} in the records: name its file with --release", live.version)
    })
}

/// Only the plan, for people to sign.
async fn write(
    context: &Context,
    hands: &Hands,
    (wish, asked): (&Wish, &Contracts<'_>),
    prepared: &Preparation,
    out: &Path,
) -> anyhow::Result<Exit> {
    let plan = &prepared.plan;
    let waive = asked.waive.as_ref();
    let release_file = asked.named.as_deref().map(absolute).unwrap_or_default();
    let asked = Asked { source: &wish.source, plan_file: Some(out), waive, tell: &hands.access.sink };
    let input = gather(context, &plan.env, &asked, prepared, hands.client()).await?;
    let report = gates::judge(&input);
    plan_file::add_waivers(out, &input.waivers)?;
    PlanFile { format: PLAN_FILE_FORMAT, release_file, plan: plan.clone() }.write(out)?;
    let value = json!({ "plan": plan, "hash": plan.hash(), "gates": report });
    context.output.result(&value, &context.output.plan(plan, &[], Some(&report)));
    Ok(Exit::Changes)
}
