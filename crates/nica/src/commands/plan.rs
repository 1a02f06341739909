//! `nica plan`: what would happen, and what the gates say. Looks, and creates nothing.

use super::context::Context;
use super::deploy::absolute;
use super::gathering::{Said, gather};
use super::preparation::prepare;
use crate::cli;
use crate::exit::Exit;
use crate::plan_file::{PLAN_FILE_FORMAT, PlanFile};
use crate::release_file::ReleaseFile;
use nica_effects::open;
use nica_effects::process::TargetClient;
use nica_engine::{Plan, gates};
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;

pub(super) async fn run(context: &Context, args: &cli::Plan) -> anyhow::Result<Exit> {
    let file = ReleaseFile::read(&args.release)?;
    let env = &args.env.env;
    let access = context.access(env, Arc::new(|_| {}))?;
    let mut client = open::reader(&access).await?;
    let components = match TargetClient::connect(&access.state).await {
        Ok(target) => target.observe().await?.components,
        // No supervisor was ever started here, or none runs now: nothing is served.
        Err(_) => Default::default(),
    };
    let prepared = prepare(context, env, &file, &mut client, &components).await?;
    let said = Said { release: &args.release, plan: args.out.as_deref() };
    let input = gather(context, env, &file, &prepared, &client, said).await?;
    let report = gates::judge(&input);
    if let Some(out) = &args.out {
        let release_file = absolute(&args.release);
        PlanFile { format: PLAN_FILE_FORMAT, release_file, plan: prepared.plan.clone() }.write(out)?;
    }
    let text = context.output.plan(&prepared.plan, Some(&report));
    let value = json!({ "plan": prepared.plan, "hash": prepared.plan.hash(), "gates": report });
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
