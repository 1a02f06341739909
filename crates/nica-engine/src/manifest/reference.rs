//! Which object refers to which ConfigMap, Secret or account, and by which field.
//!
//! One walk serves both questions: what is needed, and where a name is to be rewritten.

use super::object::{Name, Raw, containers, pods, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Something that the objects use and do not bring: it must be in the namespace before anything is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// `Secret/nica-secrets`.
    pub of: Name,
    /// One key of it; none means that it must be there at all.
    pub key: Option<String>,
}

/// One field that names another object.
pub(super) struct Reference<'v> {
    pub(super) kind: &'static str,
    pub(super) name: &'v mut String,
    pub(super) key: Option<String>,
    pub(super) optional: bool,
}

impl Reference<'_> {
    pub(super) fn of(&self) -> Name {
        Name::new(self.kind, self.name)
    }
}

/// Shows every reference of an object to `see`, which may write another name.
pub(super) fn each(object: &mut Value, see: &mut dyn FnMut(Reference<'_>)) {
    match text(object, "/kind") {
        "Ingress" => {
            for tls in list(object, "/spec/tls") {
                name(tls, "Secret", "secretName", see);
            }
        }
        "ServiceAccount" => {
            for pointer in ["/secrets", "/imagePullSecrets"] {
                list(object, pointer).for_each(|item| name(item, "Secret", "name", see));
            }
        }
        _ => {}
    }
    if let Some(pods) = pods(object) {
        of_pods(pods, see);
    }
}

fn of_pods(pods: &mut Value, see: &mut dyn FnMut(Reference<'_>)) {
    list(pods, "/imagePullSecrets").for_each(|item| name(item, "Secret", "name", see));
    for volume in list(pods, "/volumes") {
        of_volume(volume, see);
        list(volume, "/projected/sources").for_each(|source| of_volume(source, see));
    }
    for container in containers(pods) {
        for source in list(container, "/envFrom") {
            from(source, "ConfigMap", "configMapRef", see);
            from(source, "Secret", "secretRef", see);
        }
        for variable in list(container, "/env") {
            keyed(variable, "ConfigMap", "/valueFrom/configMapKeyRef", see);
            keyed(variable, "Secret", "/valueFrom/secretKeyRef", see);
        }
    }
}

/// A volume calls a Secret `secretName`, a projected source calls it `name`.
fn of_volume(volume: &mut Value, see: &mut dyn FnMut(Reference<'_>)) {
    for (kind, field, called) in
        [("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName"), ("Secret", "secret", "name")]
    {
        let Some(source) = volume.get_mut(field) else { continue };
        let optional = is_optional(source);
        let items = source.get("items").and_then(Value::as_array);
        let keys: Vec<String> =
            items.into_iter().flatten().map(|item| text(item, "/key").to_string()).collect();
        match keys.is_empty() {
            true => one(source.get_mut(called), kind, None, optional, see),
            false => {
                for key in keys {
                    one(source.get_mut(called), kind, Some(key), optional, see);
                }
            }
        }
    }
}

fn from(source: &mut Value, kind: &'static str, field: &str, see: &mut dyn FnMut(Reference<'_>)) {
    let Some(source) = source.get_mut(field) else { return };
    let optional = is_optional(source);
    one(source.get_mut("name"), kind, None, optional, see);
}

fn keyed(variable: &mut Value, kind: &'static str, pointer: &str, see: &mut dyn FnMut(Reference<'_>)) {
    let Some(source) = variable.pointer_mut(pointer) else { return };
    let (key, optional) = (text(source, "/key").to_string(), is_optional(source));
    one(source.get_mut("name"), kind, Some(key), optional, see);
}

/// Certificates of an Ingress come when it is there, and a pull secret that is missing stops no pod: neither must be there
/// before.
fn name(item: &mut Value, kind: &'static str, field: &str, see: &mut dyn FnMut(Reference<'_>)) {
    one(item.get_mut(field), kind, None, true, see);
}

fn one(
    name: Option<&mut Value>,
    kind: &'static str,
    key: Option<String>,
    optional: bool,
    see: &mut dyn FnMut(Reference<'_>),
) {
    if let Some(Value::String(name)) = name {
        see(Reference { kind, name, key, optional });
    }
}

fn is_optional(source: &Value) -> bool {
    source.get("optional").and_then(Value::as_bool).unwrap_or(false)
}

fn list<'v>(value: &'v mut Value, pointer: &str) -> std::slice::IterMut<'v, Value> {
    value.pointer_mut(pointer).and_then(Value::as_array_mut).map(|a| a.iter_mut()).unwrap_or_default()
}

/// Keys that each ConfigMap and Secret of the set has.
pub(super) type Keys = BTreeMap<Name, BTreeSet<String>>;

/// What is referred to, must be there, and is not in the set.
pub(super) fn needs(raw: &mut [Raw]) -> BTreeSet<Need> {
    let own: BTreeSet<Name> = raw.iter().map(Raw::name).collect();
    let mut needs = BTreeSet::new();
    for object in raw {
        each(&mut object.0, &mut |r| {
            if !r.optional && !own.contains(&r.of()) {
                needs.insert(Need { of: r.of(), key: r.key.clone() });
            }
        });
    }
    needs
}
