//! `config`: is every secret and key there that the release needs in this environment?

use super::input::Variable;
use super::{Gate, GateInput};
use crate::finding::Finding;
use crate::manifest::Need;
use crate::release::ComponentConfig;
use std::collections::BTreeMap;

pub(super) const GATE: Gate = Gate {
    id: "config",
    codes: &["environment", "component", "absent", "unreadable", "secret", "empty", "object"],
    applies: |_| true,
    judge,
};

fn judge(input: &GateInput) -> Vec<Finding> {
    let Some(configs) = input.release.config.get(&input.env) else {
        let subject = format!("release {}", input.release.version);
        let says = format!("the release has no configuration for {}", input.env);
        let finding = Finding::refuse("config/environment", subject, says);
        let next = format!("write [env.{}] into nica.toml, then: nica release create", input.env);
        return vec![finding.next(next)];
    };
    let mut findings = components(input, configs);
    findings.extend(secrets(input, configs));
    findings.extend(needs(input));
    findings
}

/// Pods that refer to what is not there wait for it, and nobody is told.
fn needs(input: &GateInput) -> Vec<Finding> {
    let needs = match &input.needs {
        Ok(needs) => needs,
        Err(cause) => {
            let says = "nobody could look whether what the objects refer to is there";
            let finding = Finding::inconclusive("config/unreadable", input.env.as_str(), says).cause(cause);
            return vec![finding.next(format!("nica doctor --env {}", input.env))];
        }
    };
    let finding = |need: &Need| {
        let says = match &need.key {
            None => format!("the objects refer to {}, and it is not there", need.of),
            Some(key) => format!("the objects refer to key `{key}` of {}, and it is not there", need.of),
        };
        let next = "create it in the namespace, bring it in the manifests, or mark the reference as optional";
        Finding::refuse("config/object", need.of.to_string(), says).next(next)
    };
    needs.iter().map(finding).collect()
}

/// A configuration without its component, and a component that does not run here.
fn components(input: &GateInput, configs: &BTreeMap<String, ComponentConfig>) -> Vec<Finding> {
    let strangers = configs.keys().filter(|name| input.release.component(name).is_none());
    let stranger = |name: &String| {
        let says = format!("{name} is configured in {}, and the release has no such component", input.env);
        Finding::refuse("config/component", name, says).next("make it again: nica release create")
    };
    let manifests = input.release.manifests.get(&input.env);
    let runs =
        |name: &str| configs.contains_key(name) || manifests.is_some_and(|m| m.images.contains_key(name));
    let absent = input.release.components.iter().filter(|c| !runs(&c.name));
    let note = |component: &crate::release::Component| {
        let says = format!("{} does not run in {}: it has no configuration there", component.name, input.env);
        let next =
            format!("nothing, if that is meant; else write [env.{}.component.{}]", input.env, component.name);
        Finding::note("config/absent", &component.name, says).next(next)
    };
    strangers.map(stranger).chain(absent.map(note)).collect()
}

fn secrets(input: &GateInput, configs: &BTreeMap<String, ComponentConfig>) -> Vec<Finding> {
    let wanted: Vec<_> = configs
        .iter()
        .map(|(name, c)| (name, &c.secrets))
        .chain(input.release.manifests.get(&input.env).iter().flat_map(|m| &m.secrets))
        .flat_map(|(name, secrets)| secrets.iter().map(move |(key, from)| (name, key, from)))
        .collect();
    let variables = match &input.variables {
        Ok(variables) => variables,
        Err(_) if wanted.is_empty() => return Vec::new(),
        Err(cause) => {
            let says = "nobody could look whether the secrets are there";
            let finding = Finding::inconclusive("config/unreadable", input.env.as_str(), says).cause(cause);
            return vec![finding.next(format!("nica doctor --env {}", input.env))];
        }
    };
    let finding = |(component, key, from): (&String, &String, &String)| {
        let next = format!("set {from} where the deploy runs");
        let missing = |code: &str, is: &str| {
            let says = format!("{component} needs the secret {key}, and the variable {from} {is}");
            Some(Finding::refuse(&format!("config/{code}"), component, says).next(next.clone()))
        };
        match variables.get(from) {
            Some(Variable::Set) => None,
            Some(Variable::Empty) => missing("empty", "is empty"),
            None => missing("secret", "is not set"),
        }
    };
    wanted.into_iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;

    #[test]
    fn config() {
        let gate = |change: fn(&mut GateInput), expected: &[&str]| check("config", change, expected);
        gate(|_| {}, &[]);
        gate(
            |i| i.variables.as_mut().unwrap().clear(),
            &[
                "refuse[config/secret]: backend needs the secret AUTH_SECRET, and the variable PROD_AUTH_SECRET \
               is not set = next: set PROD_AUTH_SECRET where the deploy runs",
            ],
        );
        gate(
            |i| *i.variables.as_mut().unwrap() = [("PROD_AUTH_SECRET".to_string(), Variable::Empty)].into(),
            &[
                "refuse[config/empty]: backend needs the secret AUTH_SECRET, and the variable PROD_AUTH_SECRET \
               is empty = next: set PROD_AUTH_SECRET where the deploy runs",
            ],
        );
        gate(
            |i| i.variables = Err("the vault is sealed".into()),
            &["inconclusive[config/unreadable]: nobody could look whether the secrets are there \
               = cause: the vault is sealed = next: nica doctor --env prod"],
        );
        gate(
            |i| i.env = "stage".into(),
            &["refuse[config/environment]: the release has no configuration for stage \
               = next: write [env.stage] into nica.toml, then: nica release create"],
        );
        gate(
            |i| i.release.components[0].name = "api".into(),
            &[
                "refuse[config/component]: backend is configured in prod, and the release has no such component \
                 = next: make it again: nica release create",
                "note[config/absent]: api does not run in prod: it has no configuration there \
                 = next: nothing, if that is meant; else write [env.prod.component.api]",
            ],
        );
    }

    #[test]
    fn what_objects_refer_to_must_be_there() {
        use crate::manifest::Name;
        let need = |key: Option<&str>| Need {
            of: Name { kind: "Secret".into(), name: "theirs".into() },
            key: key.map(str::to_string),
        };
        let next = "= next: create it in the namespace, bring it in the manifests, or mark the reference as optional";
        check(
            "config",
            |i| i.needs = Ok(vec![need(None), need(Some("token"))]),
            &[
                &format!(
                    "refuse[config/object]: the objects refer to Secret/theirs, and it is not there {next}"
                ),
                &format!(
                    "refuse[config/object]: the objects refer to key `token` of Secret/theirs, and it is not there {next}"
                ),
            ],
        );
        check(
            "config",
            |i| i.needs = Err("the API server is silent".into()),
            &[
                "inconclusive[config/unreadable]: nobody could look whether what the objects refer to is there \
               = cause: the API server is silent = next: nica doctor --env prod",
            ],
        );
    }

    #[test]
    fn objects_are_configured_by_their_manifests() {
        check(
            "config",
            |i| {
                *i.release.config.get_mut("prod").unwrap() = BTreeMap::new();
                let secret = [("auth_secret".to_string(), "PROD_OTHER".to_string())].into();
                let manifests = crate::release::Manifests {
                    namespace: "shop".into(),
                    objects: crate::Digest::of(b"objects"),
                    images: [("backend".to_string(), "registry.example/backend".to_string())].into(),
                    secrets: [("nica-secrets".to_string(), secret)].into(),
                };
                i.release.manifests = [("prod".to_string(), manifests)].into();
            },
            &[
                "refuse[config/secret]: nica-secrets needs the secret auth_secret, and the variable PROD_OTHER \
               is not set = next: set PROD_OTHER where the deploy runs",
            ],
        );
    }
}
