//! `nica plan`: what would happen. Looks, and creates nothing.

use super::context::Context;
use super::preparation::prepare;
use crate::cli;
use crate::exit::Exit;
use crate::release_file::ReleaseFile;
use anyhow::Context as _;
use nica_effects::open;
use nica_effects::process::TargetClient;
use std::sync::Arc;

pub async fn run(context: &Context, args: &cli::Plan) -> anyhow::Result<Exit> {
    let file = ReleaseFile::read(&args.release)?;
    let access = context.access(&args.env.env, Arc::new(|_| {}))?;
    let client = open::reader(&access).await?;
    let components = match TargetClient::connect(&access.state).await {
        Ok(target) => target.observe().await?.components,
        // No supervisor was ever started here, or none runs now: nothing is served.
        Err(_) => Default::default(),
    };
    let prepared = prepare(context, &args.env.env, &file, &client, &components).await?;
    if let Some(out) = &args.out {
        let bytes = nica_engine::canonical::to_bytes(&prepared.plan);
        std::fs::write(out, bytes).with_context(|| format!("write {}", out.display()))?;
    }
    context.output.result(&prepared.plan, &context.output.plan(&prepared.plan));
    Ok(if prepared.plan.is_empty() { Exit::Done } else { Exit::Changes })
}
