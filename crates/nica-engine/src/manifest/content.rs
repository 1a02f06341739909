//! Configuration under a name of its content.
//!
//! A ConfigMap or Secret that pods refer to is never changed: another content is another object, and everything that
//! refers to it follows. A Job is named so too, because the server lets nobody change its pods. What nobody refers
//! to keeps its name: whoever reads it asks for it by that. A Secret whose values the deployer brings is named so in any
//! case: nobody could go back to values that were overwritten.

use super::Facts;
use super::check::refusal;
use super::names::KEEP_NAME;
use super::object::{Name, Raw, text};
use super::reference::{self, Keys};
use super::refusal::{Refused, Why};
use crate::canonical::Digest;
use crate::effect::SecretName;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Digits of the content in a name: chance meets at a million versions of one configuration.
const DIGITS: usize = 10;
/// A Job's name becomes a label of its pods.
const JOB_NAME_MAX: usize = 63;
const NAME_MAX: usize = 253;

/// What was named by its content.
#[derive(Default)]
pub(super) struct Renamed {
    /// By their new names.
    pub(super) names: BTreeSet<Name>,
    /// Of Secrets, by their new names.
    pub(super) secrets: BTreeMap<Name, BTreeMap<String, SecretName>>,
}

/// Secrets whose values nica.toml names need no object in the manifests.
pub(super) fn add_secrets(raw: &mut Vec<Raw>, facts: &Facts<'_>) {
    let declared: BTreeSet<Name> = raw.iter().map(Raw::name).collect();
    let missing = facts.secrets.keys().filter(|name| !declared.contains(&Name::new("Secret", name)));
    raw.extend(missing.map(|name| {
        Raw(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "name": name, "namespace": facts.namespace },
        }))
    }));
}

/// Gives new names, and writes them wherever the old ones stood.
pub(super) fn rename(raw: &mut [Raw], facts: &Facts<'_>) -> (Renamed, Vec<Refused>) {
    let mut refused = unknown_keys(raw, facts);
    let brought = |raw: &Raw| raw.kind() == "Secret" && facts.secrets.contains_key(&raw.name().name);
    let kept = raw.iter().filter(|o| brought(o) && keeps_name(o));
    refused.extend(kept.map(|o| refusal(&o.name(), Why::SecretKept(o.name().name))));
    let used = used(raw);
    let mut renamed = Renamed::default();
    let mut names = BTreeMap::new();
    let config = |raw: &Raw| (used.contains(&raw.name()) || brought(raw)) && !keeps_name(raw);
    for object in raw.iter_mut().filter(|o| config(o)) {
        refused.extend(rename_one(object, facts, &mut renamed, &mut names));
    }
    for object in raw.iter_mut() {
        reference::each(&mut object.0, &mut |r| {
            if let Some(new) = names.get(&r.of()) {
                *r.name = String::clone(new);
            }
        });
    }
    // A Job's content holds the names of the configuration that it uses, so it comes last.
    for object in raw.iter_mut().filter(|o| o.kind() == "Job") {
        refused.extend(rename_one(object, facts, &mut renamed, &mut names));
    }
    (renamed, refused)
}

fn rename_one(
    object: &mut Raw,
    facts: &Facts<'_>,
    renamed: &mut Renamed,
    names: &mut BTreeMap<Name, String>,
) -> Option<Refused> {
    let old = object.name();
    let none = BTreeMap::new();
    let values = if old.kind == "Secret" { facts.secrets.get(&old.name).unwrap_or(&none) } else { &none };
    let content = Digest::of_value(&(&object.0, values));
    let new = format!("{}-{}", old.name, &content.as_str()[..DIGITS]);
    let max = if old.kind == "Job" { JOB_NAME_MAX } else { NAME_MAX };
    let long = new.len() > max;
    object.0["metadata"]["name"] = Value::String(new.clone());
    renamed.names.insert(object.name());
    if old.kind == "Secret" {
        renamed.secrets.insert(object.name(), values.clone());
    }
    names.insert(old.clone(), new);
    long.then(|| refusal(&old, Why::LongName(max - DIGITS - 1)))
}

fn keeps_name(raw: &Raw) -> bool {
    raw.0.pointer("/metadata/annotations").and_then(|a| a.get(KEEP_NAME)).is_some()
}

/// ConfigMaps and Secrets that something refers to.
fn used(raw: &mut [Raw]) -> BTreeSet<Name> {
    let mut used = BTreeSet::new();
    for object in raw.iter_mut() {
        reference::each(&mut object.0, &mut |r| {
            used.insert(r.of());
        });
    }
    used
}

/// References to keys that the set's own configuration does not have.
fn unknown_keys(raw: &mut [Raw], facts: &Facts<'_>) -> Vec<Refused> {
    let keys: Keys = raw.iter().filter_map(|r| Some((r.name(), keys(r, facts)?))).collect();
    let mut refused = Vec::new();
    for object in raw.iter_mut() {
        let name = object.name();
        reference::each(&mut object.0, &mut |r| {
            let (of, Some(key)) = (r.of(), &r.key) else { return };
            if !r.optional && keys.get(&of).is_some_and(|keys| !keys.contains(key)) {
                refused.push(refusal(&name, Why::NoKey { of, key: key.clone() }));
            }
        });
    }
    refused
}

fn keys(raw: &Raw, facts: &Facts<'_>) -> Option<BTreeSet<String>> {
    let fields =
        |field: &str| raw.0.get(field).and_then(Value::as_object).into_iter().flat_map(|m| m.keys().cloned());
    match raw.kind() {
        "ConfigMap" => Some(fields("data").chain(fields("binaryData")).collect()),
        "Secret" => facts.secrets.get(text(&raw.0, "/metadata/name")).map(|s| s.keys().cloned().collect()),
        _ => None,
    }
}
