//! `nica explain` and `nica config --origin`: what a finding means, where a value comes from.

use super::context::Context;
use crate::exit::Exit;
use crate::output::Output;
use nica_engine::gates::{self, GATES};
use serde_json::json;

pub(super) fn run(id: &str, output: Output) -> anyhow::Result<Exit> {
    match gates::explain(id) {
        Some(text) => {
            output.result(&json!({ "id": id, "text": text }), text);
            Ok(Exit::Done)
        }
        None => {
            let known: Vec<&str> = GATES.iter().map(|g| g.id).collect();
            anyhow::bail!("explain `{id}`: the gates are {}", known.join(", "))
        }
    }
}

pub(super) fn config(context: &Context) -> anyhow::Result<Exit> {
    for origin in &context.config.origins {
        let place = match &origin.place {
            Some(place) => format!("{}:{}", place.file, place.line),
            None => "default".to_string(),
        };
        let text = format!("{place:<20} {} = {}", origin.key, origin.value);
        let value = json!({ "place": origin.place, "key": origin.key, "value": origin.value });
        context.output.result(&value, &text);
    }
    Ok(Exit::Done)
}
