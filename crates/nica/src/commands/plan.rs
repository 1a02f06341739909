//! `nica plan`: what would happen, and what the gates say. Looks, and creates nothing.

use super::context::Context;
use super::deploy::absolute;
use super::gathering::gather;
use super::preparation::{Purpose, prepare};
use super::recorded::Source;
use crate::cli;
use crate::exit::Exit;
use crate::plan_file::{PLAN_FILE_FORMAT, PlanFile};
use nica_effects::open;
use nica_effects::process::TargetClient;
use nica_engine::{Plan, gates};
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;

pub(super) async fn run(context: &Context, args: &cli::Plan) -> anyhow::Result<Exit> {
    let source = Source::of_file(&args.release)?;
    let env = &args.env.env;
    let access = context.access(env, Arc::new(|_| {}))?;
    let mut client = open::reader(&access).await?;
    let components = match TargetClient::connect(&access.state).await {
        Ok(target) => target.observe().await?.components,
        // No supervisor was ever started here, or none runs now: nothing is served.
        Err(_) => Default::default(),
    };
    let planned = (Purpose::Deploy, &source);
    let prepared = prepare(context, env, planned, &mut client, &components).await?;
    let input = gather(context, env, (&source, args.out.as_deref()), &prepared, &client).await?;
    let report = gates::judge(&input);
    if let Some(out) = &args.out {
        let release_file = absolute(&args.release);
        PlanFile { format: PLAN_FILE_FORMAT, release_file, plan: prepared.plan.clone() }.write(out)?;
    }
    let text = context.output.plan(&prepared.plan, prepared.left(), Some(&report));
    let value = json!({ "plan": prepared.plan, "hash": prepared.plan.hash(), "contracts_pending": prepared.pending, "gates": report });
    context.output.result(&value, &text);
    Ok(if prepared.plan.is_empty() { Exit::Done } else { Exit::Changes })
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
