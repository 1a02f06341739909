//! `nica explain` and `nica config --origin`: what a finding means, where a value comes from.

use super::context::Context;
use crate::config::nearest;
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
        None => anyhow::bail!("explain `{id}`: {}", instead(id)),
    }
}

/// The nearest gate or finding, or all gates; for a gate with an unknown finding, its findings.
pub(super) fn instead(id: &str) -> String {
    let named =
        |gate: &gates::Gate| gate.codes.iter().map(|code| format!("{}/{code}", gate.id)).collect::<Vec<_>>();
    let all: Vec<String> = GATES.iter().flat_map(|g| [vec![g.id.to_string()], named(g)].concat()).collect();
    if let Some(near) = nearest(id, all.iter().map(String::as_str)) {
        return format!("did you mean `{near}`?");
    }
    let gate = id.split('/').next().unwrap_or(id);
    match GATES.iter().find(|g| g.id == gate) {
        Some(gate) => format!("its findings are {}", named(gate).join(", ")),
        None => format!("the gates are {}", GATES.iter().map(|g| g.id).collect::<Vec<_>>().join(", ")),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, says: &str) {
        assert!(instead(id).starts_with(says), "{id}: {}", instead(id));
    }

    #[test]
    fn a_typing_mistake_gets_the_nearest_gate_or_finding() {
        check("promotd", "did you mean `promoted`?");
        check("promoted/soack", "did you mean `promoted/soak`?");
        check("approvals", "did you mean `approval`?");
        check("promoted/zzzzzzzz", "its findings are promoted/");
        check("zzzzzzzzzzz", "the gates are release-complete, ");
    }
}
