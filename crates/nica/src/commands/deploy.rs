//! `nica deploy`: finish what is open, plan, gate, open, carry to an end.

use super::context::Context;
use super::preparation::{Preparation, prepare};
use super::resume;
use crate::cli;
use crate::config::variables;
use crate::exit::Exit;
use crate::release_file::ReleaseFile;
use nica_effects::carry::{Memory, carry};
use nica_effects::hands::Hands;
use nica_effects::open;
use nica_effects::records::run::Judged;
use std::time::Instant;

pub async fn run(context: &Context, args: &cli::Deploy) -> anyhow::Result<Exit> {
    let Some(path) = &args.release else { anyhow::bail!("find a release: name one with --release FILE") };
    let file = ReleaseFile::read(path)?;
    let env = &args.env.env;
    let words = format!("{} → {env}", file.release.version);
    let access = context.access(env, context.output.sink(&words))?;
    open::genesis(&access).await?;
    let mut hands = Hands::take(access).await?;
    let answer = deploy(context, &mut hands, env, &file).await;
    hands.release().await;
    answer
}

async fn deploy(context: &Context, hands: &mut Hands, env: &str, file: &ReleaseFile) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    hands.start_target().await?;
    if let Some(exit) = resume::finish_open_run(context, hands).await? {
        return Ok(exit);
    }
    let components = hands.target()?.observe().await?.components;
    let prepared = prepare(context, env, file, hands.client(), &components).await?;
    if !context.output.json && !context.output.quiet {
        context.output.result(&prepared.plan, &context.output.plan(&prepared.plan));
    }
    if prepared.plan.is_empty() {
        context.output.result(
            &serde_json::json!({ "end": "live", "changed": false }),
            "nothing to do: it is live. Exit 0.",
        );
        return Ok(Exit::Done);
    }
    store(hands, &prepared).await?;
    let as_planned =
        open::open(hands, &prepared.plan, &variables::actor(), &prepared.texts, &Judged::default()).await?;
    let mut memory = Memory::drifted(!as_planned);
    let carried = carry(hands, &mut memory).await?;
    let baseline = prepared.plan.baseline.as_ref().map(|b| b.version.as_str());
    Ok(resume::report(context, &carried, &prepared.plan.version, baseline, begun))
}

/// Content that nobody looks at yet: by its own name in the target's store.
async fn store(hands: &mut Hands, prepared: &Preparation) -> anyhow::Result<()> {
    let target = hands.target()?;
    for (digest, bytes) in &prepared.executables {
        target.put_bytes(bytes, digest).await?;
    }
    for value in &prepared.secrets {
        target.put_secret(value.clone()).await?;
    }
    Ok(())
}
