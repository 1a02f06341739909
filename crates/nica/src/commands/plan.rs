//! `nica plan`: what would happen, and what the gates say. Looks, and creates nothing.

use super::context::Context;
use super::deploy::absolute;
use super::gathering::{Asked, gather};
use super::preparation::{Preparation, Purpose, prepare};
use super::recorded::Source;
use super::status::running::unsupervised;
use super::waive::Waive;
use crate::cli;
use crate::exit::Exit;
use crate::plan_file::{self, PLAN_FILE_FORMAT, PlanFile};
use nica_effects::answer::answered;
use nica_effects::event::Sink;
use nica_effects::open;
use nica_effects::records::{control, run};
use nica_effects::sight::Components;
use nica_effects::target;
use nica_engine::plan::Unfit;
use nica_engine::{Direction, Plan, gates};
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio_postgres::Client;

pub(super) async fn run(context: &Context, args: &cli::Plan) -> anyhow::Result<Exit> {
    let source = Source::of_file(&args.release)?;
    let waive = Waive::read(&args.waive)?;
    let env = &args.env.env;
    let access = context.access(env, Arc::new(|_| {}))?;
    let mut client = open::reader(&access).await?;
    let looked = target::look(&access.reach, &access.service, &client).await?;
    let (components, supervised) = (&looked.components, looked.supervised);
    if !supervised && !components.is_empty() {
        context.output.progress(&unsupervised(&looked));
    }
    let prepared = plan(context, env, &source, &mut client, components).await?;
    let output = context.output;
    let tell: Sink = Arc::new(move |event| output.certifying(&event));
    let asked = Asked { source: &source, plan_file: args.out.as_deref(), waive: waive.as_ref(), tell: &tell };
    let input = gather(context, env, &asked, &prepared, &client).await?;
    let report = gates::judge(&input);
    if let Some(out) = &args.out {
        plan_file::add_waivers(out, &input.waivers)?;
        let release_file = absolute(&args.release);
        PlanFile { format: PLAN_FILE_FORMAT, release_file, plan: prepared.plan.clone() }.write(out)?;
    }
    let text = context.output.plan(&prepared.plan, prepared.left(), Some(&report));
    let value = json!({ "plan": prepared.plan, "hash": prepared.plan.hash(), "contracts_pending": prepared.pending, "gates": report, "supervised": supervised });
    context.output.result(&value, &text);
    Ok(if prepared.plan.is_empty() { Exit::Done } else { Exit::Changes })
}

/// Where a run goes back and is open, the plan that would take its place if nothing can settle it.
async fn plan(
    context: &Context,
    env: &str,
    source: &Source,
    client: &mut Client,
    components: &Components,
) -> anyhow::Result<Preparation> {
    let managed = answered("the control row", control::read(client)).await?.is_some();
    let open = if managed { answered("the open run", run::read_open(client)).await? } else { None };
    if let Some(open) = open.filter(|open| open.direction == Direction::Back) {
        match prepare(context, env, (Purpose::Supersede(&open), source), client, components).await {
            Err(error) if error.is::<Unfit>() => {
                context.output.progress(&format!("run {} is open: {error}", open.id));
            }
            prepared => return prepared,
        }
    }
    prepare(context, env, (Purpose::Deploy, source), client, components).await
}

/// What differs between the plan that was given and the one that would be applied now, line by line.
pub(super) fn difference(given: &Plan, now: &Plan) -> String {
    let lines = |plan: &Plan| -> Vec<String> {
        let text = serde_json::to_string_pretty(plan).expect("plain data serialises");
        text.lines().map(str::to_string).collect()
    };
    let (given, now) = (lines(given), lines(now));
    let mut text = String::new();
    for line in given.iter().filter(|line| !now.contains(line)) {
        writeln!(text, "  - {}", line.trim()).expect("writing to a string does not fail");
    }
    for line in now.iter().filter(|line| !given.contains(line)) {
        writeln!(text, "  + {}", line.trim()).expect("writing to a string does not fail");
    }
    text
}
