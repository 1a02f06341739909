//! `nica abort`: write the wish that an open run turns back. Whoever acts reads it with the next step.

use super::context::Context;
use crate::config::variables;
use crate::exit::Exit;
use nica_effects::answer::answered;
use nica_effects::open;
use nica_effects::records::run;
use serde_json::json;
use std::sync::Arc;

pub(super) async fn run(context: &Context, env: &str) -> anyhow::Result<Exit> {
    let access = context.access(env, Arc::new(|_| {}))?;
    let client = open::writer(&access).await?;
    let actor = variables::actor();
    let wished = answered("the wish", run::wish_abort(&client, &actor)).await?;
    let (text, exit) = match wished {
        true => (
            format!(
                "the open run of {env} turns back with its next step\n  = next: nica resume --env {env}, if nobody acts"
            ),
            Exit::Done,
        ),
        false => (format!("nothing to abort in {env}: no run is open that has not committed"), Exit::No),
    };
    context.output.result(&json!({ "env": env, "aborting": wished }), &text);
    Ok(exit)
}
