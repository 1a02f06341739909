//! `nica status`: where each environment stands, read from its own records.

use super::context::Context;
use crate::exit::Exit;
use nica_effects::failure::Failure;
use nica_effects::open;
use nica_effects::records::{control, run};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn run(context: &Context, env: Option<&str>) -> anyhow::Result<Exit> {
    let all: Vec<String> = context.config.environments.keys().cloned().collect();
    let named = env.map_or(all, |env| vec![env.to_string()]);
    let mut exit = Exit::Done;
    for env in named {
        let (value, text) = match status(context, &env).await {
            Ok(found) => found,
            Err(error) => {
                exit = super::exit_of(&error);
                (
                    json!({ "env": env, "error": format!("{error:#}") }),
                    format!("{env:<8} unreachable: {error:#}"),
                )
            }
        };
        context.output.result(&value, &text);
    }
    Ok(exit)
}

async fn status(context: &Context, env: &str) -> anyhow::Result<(Value, String)> {
    let access = context.access(env, Arc::new(|_| {}))?;
    let client = open::reader(&access).await?;
    let Some(control) = control::read(&client).await.map_err(Failure::from)? else {
        return Ok((
            json!({ "env": env, "live": null }),
            format!("{env:<8} nothing: no release was ever delivered here"),
        ));
    };
    let open = run::read_open(&client).await.map_err(Failure::from)?;
    let live = control.baseline.as_ref().map(|b| b.version.clone());
    let words = live.clone().unwrap_or_else(|| "nothing".to_string());
    let value = json!({
        "env": env,
        "live": live,
        "open_run": open.as_ref().map(|o| json!({ "run": o.id, "version": o.plan.version, "direction": o.direction })),
    });
    let text = match open {
        None => format!("{env:<8} {words}"),
        Some(open) => format!(
            "{env:<8} {words}   run {} to {} is open\n         = next: nica resume --env {env}",
            open.id, open.plan.version
        ),
    };
    Ok((value, text))
}
