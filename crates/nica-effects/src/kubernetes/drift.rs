//! Which fields of an applied configuration are no longer ours.
//!
//! Asked of `managedFields` and not of values: whoever changes or removes a field takes it from us, and what the API server
//! or an admission made of our own value (quantities, image names, defaults) stays ours. So nothing has to be known of any
//! kind, and a rewritten value is no alarm.

use super::managed::is_ours;
use serde_json::{Map, Value};

/// Paths of the configuration that no apply or create of ours owns in the object now, the first few.
pub(super) fn lost(configuration: &Value, object: &Value) -> Vec<String> {
    let fields = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let (ours, others): (Vec<&Value>, Vec<&Value>) =
        fields.into_iter().flatten().partition(|entry| is_ours(entry));
    let at = At { live: Some(object), ours: step(&ours, "fieldsV1"), others: step(&others, "fieldsV1") };
    let mut found = Vec::new();
    for (key, wanted) in configuration.as_object().into_iter().flatten() {
        match key.as_str() {
            // The server takes `stringData` apart on the way in.
            "apiVersion" | "kind" | "status" | "stringData" => {}
            "metadata" => {
                for part in ["labels", "annotations"] {
                    walk(wanted.get(part), &at.field("metadata").field(part), part, &mut found);
                }
            }
            _ => walk(Some(wanted), &at.field(key), key, &mut found),
        }
    }
    found.truncate(FOUND_MAX);
    found
}

const FOUND_MAX: usize = 5;

/// One place in the object: what stands there, and what each entry says of it.
struct At<'a> {
    live: Option<&'a Value>,
    ours: Vec<&'a Value>,
    others: Vec<&'a Value>,
}

fn walk(wanted: Option<&Value>, at: &At<'_>, path: &str, found: &mut Vec<String>) {
    let Some(wanted) = wanted.filter(|wanted| !is_empty(wanted)) else { return };
    if at.ours.is_empty() || at.is_hollow(wanted) {
        return found.push(path.to_string());
    }
    if at.ours.iter().any(|fields| is_leaf(fields)) {
        return;
    }
    match wanted {
        Value::Object(map) => {
            for (key, value) in map {
                walk(Some(value), &at.field(key), &format!("{path}.{key}"), found);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                walk(Some(item), &at.item(item), &format!("{path}[{n}]"), found);
            }
        }
        _ => {}
    }
}

impl<'a> At<'a> {
    fn field(&self, key: &str) -> At<'a> {
        let name = format!("f:{key}");
        let live = self.live.and_then(|live| live.get(key));
        At { live, ours: step(&self.ours, &name), others: step(&self.others, &name) }
    }

    /// Where it stands among the items is not known, and nothing below asks.
    fn item(&self, item: &Value) -> At<'a> {
        At { live: None, ours: of_item(&self.ours, item), others: of_item(&self.others, item) }
    }

    /// A map or list without anything below is owned as one, or it is all that is left of what we owned in it: then somebody
    /// else owns something in it, or something is missing.
    fn is_hollow(&self, wanted: &Value) -> bool {
        let missing = |live: &Value| match wanted {
            Value::Object(map) => map.iter().any(|(key, value)| !is_empty(value) && live.get(key).is_none()),
            Value::Array(items) => live.as_array().is_none_or(|there| there.len() < items.len()),
            _ => false,
        };
        self.ours.iter().all(|fields| is_leaf(fields))
            && (wanted.is_object() || wanted.is_array())
            && (self.others.iter().any(|fields| !is_leaf(fields)) || self.live.is_some_and(missing))
    }
}

fn step<'a>(at: &[&'a Value], key: &str) -> Vec<&'a Value> {
    at.iter().filter_map(|fields| fields.get(key)).collect()
}

fn is_leaf(fields: &Value) -> bool {
    fields.as_object().is_none_or(Map::is_empty)
}

/// Items are named by their keys, `k:{"containerPort":80,"protocol":"TCP"}`, where defaults are filled in; members of a
/// set by their value, `v:"x"`.
fn of_item<'a>(at: &[&'a Value], item: &Value) -> Vec<&'a Value> {
    let all = at.iter().filter_map(|fields| fields.as_object()).flatten();
    let fits = |name: &str| match (name.strip_prefix("k:"), name.strip_prefix("v:")) {
        (Some(keys), _) => serde_json::from_str::<Map<String, Value>>(keys)
            .is_ok_and(|keys| keys.iter().all(|(key, value)| item.get(key).is_none_or(|own| own == value))),
        (_, Some(value)) => serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item),
        _ => false,
    };
    all.filter(|(name, _)| fits(name)).map(|(_, fields)| fields).collect()
}

/// What is empty is left out by the API server.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(configuration: Value, fields: Value, expected: &[&str]) {
        check_with(configuration.clone(), configuration, (fields, json!({})), expected);
    }

    fn check_with(configuration: Value, live: Value, (ours, theirs): (Value, Value), expected: &[&str]) {
        let mut object = live;
        object["metadata"]["managedFields"] = json!([
            { "manager": "nica", "operation": "Apply", "fieldsV1": ours },
            { "manager": "kubectl", "operation": "Update", "fieldsV1": theirs },
        ]);
        assert_eq!(lost(&configuration, &object), expected, "{configuration} against {object}");
    }

    #[test]
    fn a_map_that_is_owned_as_one_is_told_from_what_is_left_of_it() {
        let data = |data: Value| json!({ "data": data });
        let wanted = data(json!({ "a": "1" }));
        let left = || json!({ "f:data": {} });
        check_with(wanted.clone(), wanted.clone(), (left(), json!({})), &[]);
        check_with(wanted.clone(), wanted.clone(), (left(), json!({ "f:data": { "f:a": {} } })), &["data"]);
        check_with(wanted, data(json!({})), (left(), json!({})), &["data"]);
    }

    #[test]
    fn what_another_took_is_lost() {
        let wanted = json!({ "data": { "a": "1", "b": "2" } });
        check(wanted.clone(), json!({ "f:data": { "f:a": {}, "f:b": {} } }), &[]);
        check(wanted.clone(), json!({ "f:data": { "f:a": {} } }), &["data.b"]);
        check(wanted, json!({}), &["data"]);
        let labels = json!({ "metadata": { "name": "x", "labels": { "a": "b" } } });
        check(labels, json!({ "f:metadata": { "f:labels": { "f:c": {} } } }), &["labels.a"]);
    }

    #[test]
    fn items_are_found_by_their_keys_and_what_is_owned_whole_is_owned() {
        let wanted = json!({ "spec": { "ports": [{ "port": 80, "name": "http" }], "args": ["x", "y"] } });
        let port = |fields: Value| json!({ "f:spec": { "f:args": {}, "f:ports": { "k:{\"port\":80,\"protocol\":\"TCP\"}": fields } } });
        check(wanted.clone(), port(json!({ ".": {}, "f:port": {}, "f:name": {} })), &[]);
        check(wanted.clone(), port(json!({ ".": {}, "f:port": {} })), &["spec.ports[0].name"]);
        check(
            wanted,
            json!({ "f:spec": { "f:args": {}, "f:ports": { "k:{\"port\":81}": {} } } }),
            &["spec.ports[0]"],
        );
    }

    #[test]
    fn what_is_empty_is_nobodys() {
        check(
            json!({ "spec": { "volumes": [], "selector": {}, "x": null } }),
            json!({ "f:spec": { "f:y": {} } }),
            &[],
        );
    }
}
