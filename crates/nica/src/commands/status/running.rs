//! What an environment's target runs, in the words of `nica status`.

use nica_effects::failure::Failure;
use nica_effects::hands::Access;
use nica_effects::target::{Looked, Seen, look};
use serde_json::{Value, json};
use tokio_postgres::Client;

pub(super) struct Running {
    looked: Result<Looked, Failure>,
}

impl Running {
    pub(super) async fn at(access: &Access, records: &Client) -> Running {
        Running { looked: look(&access.reach, &access.service, records).await }
    }

    /// `   api 1/1 ready`, or that nobody sees to it; nothing where nothing is wanted.
    pub(super) fn text(&self) -> String {
        let looked = match &self.looked {
            Ok(looked) if looked.components.is_empty() => return String::new(),
            Ok(looked) => looked,
            Err(error) => return format!("   failed to {error}"),
        };
        if !looked.supervised {
            return format!("   {}", unsupervised(looked));
        }
        let one =
            |(name, seen): (&String, &Seen)| format!("{name} {}/{}", seen.world.ready, seen.world.replicas);
        let all: Vec<String> = looked.components.iter().map(one).collect();
        format!("   {} ready", all.join(", "))
    }

    /// What brings back what is wanted, where nobody does.
    pub(super) fn next(&self, env: &str) -> Option<String> {
        let asleep = |looked: &Looked| !looked.supervised && !looked.components.is_empty();
        let asleep = self.looked.as_ref().is_ok_and(asleep);
        asleep.then(|| format!("nica resume --env {env}, which starts the supervisor"))
    }

    pub(super) fn value(&self) -> Value {
        match &self.looked {
            Ok(Looked { components, supervised, .. }) => {
                let one = |(name, seen): (&String, &Seen)| {
                    let value = json!({ "generation": seen.world.generation, "ready": seen.world.ready, "replicas": seen.world.replicas });
                    (name.clone(), value)
                };
                let components: serde_json::Map<String, Value> = components.iter().map(one).collect();
                json!({ "supervised": supervised, "components": components })
            }
            Err(error) => json!({ "error": format!("failed to {error}") }),
        }
    }
}

/// `nothing runs: no supervisor, api wanted`
pub(in crate::commands) fn unsupervised(looked: &Looked) -> String {
    let names: Vec<&str> = looked.components.keys().map(String::as_str).collect();
    let names = names.join(", ");
    match looked.left {
        0 => format!("nothing runs: no supervisor, {names} wanted"),
        left => format!("no supervisor runs: {names} wanted, processes that nobody watches: {left}"),
    }
}
