//! What an environment's target runs, in the words of `nica status`, and how it differs from what was applied.

use nica_effects::failure::Failure;
use nica_effects::hands::Access;
use nica_effects::target::{Components, Looked, Seen, look};
use nica_engine::effect::Desired;
use nica_engine::plan::Live;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio_postgres::Client;

pub(super) struct Running {
    looked: Result<Looked, Failure>,
    /// The live release, and what is not as it applied it.
    drift: Option<(String, BTreeMap<String, String>)>,
}

impl Running {
    /// `settled`: what is live, where no run is open.
    pub(super) async fn at(access: &Access, records: &Client, settled: Option<&Live>) -> Running {
        let looked = look(&access.reach, &access.service, records).await;
        // Where nobody watches, what is wanted is all that is seen.
        let seen = looked.as_ref().ok().filter(|looked| looked.supervised);
        let drift =
            seen.zip(settled).map(|(seen, live)| (live.version.clone(), drift(live, &seen.components)));
        Running { looked, drift: drift.filter(|(_, found)| !found.is_empty()) }
    }

    /// `   api 1/1 ready`, or that nobody sees to it; nothing where nothing is wanted. On lines of its own what drifted.
    pub(super) fn text(&self) -> String {
        let looked = match &self.looked {
            Ok(looked) if looked.components.is_empty() && self.drift.is_none() => return String::new(),
            Ok(looked) => looked,
            Err(error) => return format!("   failed to {error}"),
        };
        if !looked.supervised {
            return format!("   {}", unsupervised(looked));
        }
        let drift = self.drift.iter().flat_map(|(_, found)| found);
        let drift: String = drift.map(|(name, how)| format!("\n         drift: {name} {how}")).collect();
        ready(&looked.components) + &drift
    }

    pub(super) fn answers(&self) -> bool {
        self.looked.is_ok()
    }

    /// What brings back what is wanted, where nobody does.
    pub(super) fn next(&self, env: &str) -> Option<String> {
        let asleep = |looked: &Looked| !looked.supervised && !looked.components.is_empty();
        if self.looked.as_ref().is_ok_and(asleep) {
            return Some(format!("nica resume --env {env}, which starts the supervisor"));
        }
        let (version, _) = self.drift.as_ref()?;
        Some(format!("nica deploy --env {env} with the release file of {version}, which puts it back"))
    }

    pub(super) fn value(&self) -> Value {
        match &self.looked {
            Ok(Looked { components, supervised, .. }) => {
                let one = |(name, seen): (&String, &Seen)| {
                    let replicas = (!seen.drifted).then_some(seen.world.replicas);
                    let value = json!({ "generation": seen.world.generation, "ready": seen.world.ready, "replicas": replicas });
                    (name.clone(), value)
                };
                let components: serde_json::Map<String, Value> = components.iter().map(one).collect();
                let mut value = json!({ "supervised": supervised, "components": components });
                if let Some((_, found)) = &self.drift {
                    value["drift"] = json!(found);
                }
                value
            }
            Err(error) => json!({ "error": format!("failed to {error}") }),
        }
    }
}

/// `   Deployment/web 2/2, Job/load 1/1 ready, 3 objects without pods`
fn ready(components: &Components) -> String {
    let (still, running): (Vec<_>, Vec<_>) = components.iter().partition(|(_, seen)| seen.world.passive);
    let one = |(name, seen): &(&String, &Seen)| match seen.drifted {
        true => format!("{name} {}/?", seen.world.ready),
        false => format!("{name} {}/{}", seen.world.ready, seen.world.replicas),
    };
    let running: Vec<String> = running.iter().map(one).collect();
    let running = (!running.is_empty()).then(|| format!("{} ready", running.join(", ")));
    let still = match still.len() {
        0 => None,
        1 => Some("1 object without pods".to_string()),
        n => Some(format!("{n} objects without pods")),
    };
    let words: Vec<String> = running.into_iter().chain(still).collect();
    if words.is_empty() { String::new() } else { format!("   {}", words.join(", ")) }
}

/// What of the live release is not there as it was applied, each with how it differs.
fn drift(live: &Live, components: &Components) -> BTreeMap<String, String> {
    let differs =
        |(name, wanted): (&String, &Desired)| Some((name.clone(), differs(wanted, components.get(name))?));
    live.components.iter().filter_map(differs).collect()
}

fn differs(wanted: &Desired, seen: Option<&Seen>) -> Option<String> {
    let Some((seen, state)) = seen.and_then(|seen| Some((seen, seen.state.as_ref()?))) else {
        return Some("is gone".to_string());
    };
    if seen.world.deleting {
        return Some("is being deleted".to_string());
    }
    if state.generation != wanted.generation() {
        return Some(format!("is generation {}, not {}", state.generation, wanted.generation()));
    }
    if seen.drifted {
        return Some("was changed by somebody: a field of it is no longer ours".to_string());
    }
    (state.replicas != wanted.replicas)
        .then(|| format!("is asked for {} replicas, not {}", state.replicas, wanted.replicas))
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

#[cfg(test)]
mod tests {
    use super::*;
    use nica_engine::Digest;
    use nica_engine::projection::ComponentState;
    use nica_engine::release::ComponentKind;
    use nica_engine::world::ComponentSeen;

    fn desired(content: &[u8], replicas: u32) -> Desired {
        let (args, config, secrets, listen) = Default::default();
        Desired {
            kind: ComponentKind::Workload,
            digest: Digest::of(content),
            args,
            config,
            secrets,
            replicas,
            listen,
        }
    }

    fn seen(wanted: &Desired) -> Seen {
        let (generation, replicas) = (wanted.generation(), wanted.replicas);
        let world = ComponentSeen {
            generation: Some(generation.clone()),
            replicas,
            ready: replicas,
            ..Default::default()
        };
        let state = ComponentState {
            generation,
            replicas,
            listen: String::new(),
            secrets: BTreeMap::new(),
            drifted: false,
        };
        Seen { state: Some(state), world, ..Seen::default() }
    }

    #[test]
    fn what_is_not_as_it_was_applied_is_told() {
        let wanted = desired(b"a", 2);
        let check = |seen: Option<Seen>, expected: Option<&str>| {
            assert_eq!(differs(&wanted, seen.as_ref()).as_deref(), expected);
        };
        check(Some(seen(&wanted)), None);
        check(None, Some("is gone"));
        check(Some(Seen { state: None, ..seen(&wanted) }), Some("is gone"));
        let other = desired(b"b", 2);
        let says = format!("is generation {}, not {}", other.generation(), wanted.generation());
        check(Some(seen(&other)), Some(&says));
        check(Some(seen(&desired(b"a", 3))), Some("is asked for 3 replicas, not 2"));
        let taken = Seen { drifted: true, ..seen(&desired(b"a", u32::MAX)) };
        check(Some(taken), Some("was changed by somebody: a field of it is no longer ours"));
    }

    #[test]
    fn what_has_no_pods_is_counted() {
        let wanted = desired(b"a", 2);
        let mut components = Components::from([("Deployment/web".to_string(), seen(&wanted))]);
        assert_eq!(ready(&components), "   Deployment/web 2/2 ready");
        for (n, name) in ["Service/web", "ConfigMap/a"].into_iter().enumerate() {
            let mut passive = seen(&desired(name.as_bytes(), 0));
            passive.world.passive = true;
            components.insert(name.to_string(), passive);
            let expected = ["1 object without pods", "2 objects without pods"][n];
            assert_eq!(ready(&components), format!("   Deployment/web 2/2 ready, {expected}"));
        }
        assert_eq!(ready(&Components::new()), "");
    }
}
