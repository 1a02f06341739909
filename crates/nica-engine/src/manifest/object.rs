//! One object: its name, and where its pods are described.

use serde_json::{Map, Value};
use std::fmt;

/// `Kind/name`: what an object is called as a component. One namespace, so nothing else is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub kind: String,
    pub name: String,
}

impl Name {
    pub(super) fn new(kind: &str, name: &str) -> Name {
        Name { kind: kind.into(), name: name.into() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// An object that was checked: it has kind and name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Raw(pub(super) Value);

impl Raw {
    pub(super) fn name(&self) -> Name {
        Name::new(text(&self.0, "/kind"), text(&self.0, "/metadata/name"))
    }

    pub(super) fn kind(&self) -> &str {
        text(&self.0, "/kind")
    }
}

/// The text at a JSON pointer, empty when there is none.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The specification of an object's pods.
pub(super) fn pods(value: &mut Value) -> Option<&mut Value> {
    match text(value, "/kind") {
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => value.pointer_mut("/spec/template/spec"),
        "CronJob" => value.pointer_mut("/spec/jobTemplate/spec/template/spec"),
        _ => None,
    }
}

/// All containers of a pod specification, those that run before included.
pub(super) fn containers(pods: &mut Value) -> Vec<&mut Value> {
    let Some(pods) = pods.as_object_mut() else { return Vec::new() };
    let lists = pods.iter_mut().filter(|(key, _)| matches!(key.as_str(), "initContainers" | "containers"));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten().collect()
}

/// The table under a key, made when it is missing. None when something else stands there.
pub(super) fn table<'v>(value: &'v mut Value, key: &str) -> Option<&'v mut Map<String, Value>> {
    value.as_object_mut()?.entry(key).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}

/// Objects one by one: the items of lists, without empty documents.
pub fn flatten(documents: Vec<Value>) -> Vec<Value> {
    let one = |document: Value| match document {
        Value::Null => Vec::new(),
        Value::Object(mut list) if is_list(&list) => match list.remove("items") {
            Some(Value::Array(items)) => flatten(items),
            _ => Vec::new(),
        },
        other => vec![other],
    };
    documents.into_iter().flat_map(one).collect()
}

/// `List` and its typed forms are no objects; a kind that merely ends so has no items at its top.
fn is_list(object: &Map<String, Value>) -> bool {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    kind.ends_with("List") && object.get("items").is_some_and(|items| items.is_array() || items.is_null())
}

/// Fields without a value mean the same as fields that are not there, and are not applied.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, v)| !v.is_null());
            Value::Object(kept.map(|(k, v)| (k, without_nulls(v))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}
