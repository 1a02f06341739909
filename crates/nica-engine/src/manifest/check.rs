//! Can these objects be carried at all? Everything that cannot is found in one pass.

use super::object::{Name, Raw, text, without_nulls};
use super::refusal::{Refused, Why};
use super::{Facts, names, scope};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the server sets and nobody applies.
const SERVER_SET: [&str; 7] = [
    "uid",
    "resourceVersion",
    "generation",
    "managedFields",
    "ownerReferences",
    "selfLink",
    "deletionTimestamp",
];

/// Hooks of tools that run them in an order of their own, with what NICA has in their place.
const HOOKS: [(&str, &str); 2] = [
    (
        "helm.sh/hook",
        "NICA has no hooks: write migrations into the folder `migrations`, render with `helm template --no-hooks`, \
         or remove the annotation to have it as a Job",
    ),
    (
        "argocd.argoproj.io/hook",
        "NICA has no hooks: write migrations into the folder `migrations`, or remove the annotation to have it as a \
         Job",
    ),
];

pub(super) fn all(objects: &[Value], facts: &Facts<'_>) -> (Vec<Raw>, Vec<Refused>) {
    let mut refused = Vec::new();
    let mut known = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        match named(object) {
            Ok(name) => {
                refused.extend(one(object, &name, facts).into_iter().map(|why| refusal(&name, why)));
                known.push(Raw(clean(object.clone())));
            }
            Err(why) => refused.push(Refused { object: format!("object {}", n + 1), why }),
        }
    }
    refused.extend(twice(&known));
    (known, refused)
}

pub(super) fn refusal(name: &Name, why: Why) -> Refused {
    Refused { object: name.to_string(), why }
}

fn named(object: &Value) -> Result<Name, Why> {
    let must = |pointer, field| match text(object, pointer) {
        "" => Err(Why::NoObject(field)),
        text => Ok(text),
    };
    must("/apiVersion", "apiVersion")?;
    let kind = must("/kind", "kind")?;
    if text(object, "/metadata/name").is_empty() && object.pointer("/metadata/generateName").is_some() {
        return Ok(Name::new(kind, text(object, "/metadata/generateName")));
    }
    Ok(Name::new(kind, must("/metadata/name", "metadata.name")?))
}

fn one(object: &Value, name: &Name, facts: &Facts<'_>) -> Vec<Why> {
    let mut whys: Vec<Why> = place(object, name, facts).into_iter().collect();
    if object.pointer("/metadata/generateName").is_some() {
        whys.push(Why::GenerateName);
    }
    whys.extend(server_set(object));
    whys.extend(annotated(object));
    whys.extend(match name.kind.as_str() {
        "Pod" | "ReplicaSet" | "ReplicationController" => Some(Why::Bare("Deployment")),
        "Secret" => secret(object, name, facts),
        "ConfigMap" => config_map(object),
        _ => None,
    });
    whys
}

fn place(object: &Value, name: &Name, facts: &Facts<'_>) -> Option<Why> {
    let wanted = facts.namespace.to_string();
    match text(object, "/metadata/namespace") {
        _ if scope::is_cluster(text(object, "/apiVersion"), &name.kind) => Some(Why::ClusterScoped),
        "" => Some(Why::NoNamespace(wanted)),
        found if found != wanted => Some(Why::OtherNamespace { found: found.into(), wanted }),
        _ => None,
    }
}

fn server_set(object: &Value) -> Vec<Why> {
    let status = object.get("status").filter(|s| !empty(s)).map(|_| Why::ServerSet("status".into()));
    let metadata = object.get("metadata");
    let set = SERVER_SET.iter().filter(|f| metadata.and_then(|m| m.get(**f)).is_some_and(|v| !empty(v)));
    status.into_iter().chain(set.map(|f| Why::ServerSet(format!("metadata.{f}")))).collect()
}

/// Generators write `status: {}` and `creationTimestamp: null`: nothing is said by them.
fn empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

fn annotated(object: &Value) -> Vec<Why> {
    let marks = ["annotations", "labels"].into_iter().filter_map(|m| object["metadata"].get(m)?.as_object());
    let keys: Vec<&String> = marks.flat_map(|marks| marks.keys()).collect();
    let hooks = HOOKS.iter().filter(|(hook, _)| keys.iter().any(|key| key == hook));
    let hooks = hooks.map(|(hook, next)| Why::Hook((*hook).into(), next));
    let ours = keys.iter().filter(|k| k.starts_with(names::PREFIX) && !names::PEOPLES.contains(&k.as_str()));
    hooks.chain(ours.map(|key| Why::Ours(String::clone(key)))).collect()
}

fn secret(object: &Value, name: &Name, facts: &Facts<'_>) -> Option<Why> {
    let values = |field: &&str| object.get(field).is_some_and(|v| !empty(v));
    match ["data", "stringData"].into_iter().find(values) {
        Some(field) => Some(Why::SecretValues { field, name: name.name.clone() }),
        None if facts.secrets.contains_key(&name.name) => None,
        None => Some(Why::SecretEmpty(name.name.clone())),
    }
}

/// `PORT: 8080` is a number to YAML and no configuration to the server.
fn config_map(object: &Value) -> Option<Why> {
    let data = object.get("data").and_then(Value::as_object);
    let wrong = data.into_iter().flatten().find(|(_, value)| !value.is_string());
    wrong.map(|(key, _)| Why::NoText(format!("data.{key}")))
}

fn twice(known: &[Raw]) -> Vec<Refused> {
    let mut counts: BTreeMap<Name, usize> = BTreeMap::new();
    for raw in known {
        *counts.entry(raw.name()).or_default() += 1;
    }
    let twice = counts.into_iter().filter(|(_, n)| *n > 1);
    twice.map(|(name, n)| refusal(&name, Why::Twice(n))).collect()
}

fn clean(object: Value) -> Value {
    let mut object = without_nulls(object);
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    object
}
