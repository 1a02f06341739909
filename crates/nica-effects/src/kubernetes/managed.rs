//! Who owns which field, as `metadata.managedFields` tells it.
//!
//! A create leaves its fields owned by an *update* of ours; a later apply would then neither take them over nor remove
//! them. So they are converted: the same entry, called an *apply* (what client-go's `csaupgrade` does).

use super::error::field_conflicts;
use super::names::MANAGER;
use kube::core::Status;
use serde_json::{Map, Value, json};

/// A field that we set although another manager owned it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// `.spec.replicas`
    pub field: String,
    /// As the API server names it: who, with which request, at which version.
    pub owner: String,
}

/// The message reads `conflict with "kubectl" with subresource "scale" using apps/v1`; the manager's name stands nowhere
/// else in the answer. It is shown, and nothing is decided on it.
pub(super) fn conflicts(status: &Status) -> Vec<Conflict> {
    let conflict = |(field, message): (&str, &str)| Conflict {
        field: field.to_string(),
        owner: message.strip_prefix("conflict with ").unwrap_or(message).to_string(),
    };
    field_conflicts(status).map(conflict).collect()
}

/// The managed fields with our update turned into an apply; none where there is nothing to turn.
pub(super) fn converted(fields: &[Value]) -> Option<Vec<Value>> {
    let update = fields.iter().find(|entry| is_our("Update", entry))?;
    let mut entry = update.clone();
    entry["operation"] = json!("Apply");
    if let Some(apply) = fields.iter().find(|entry| is_our("Apply", entry)) {
        merge(&mut entry["fieldsV1"], &apply["fieldsV1"]);
    }
    // The fence is raised by admission and belongs to no apply.
    if let Some(annotations) =
        entry.pointer_mut("/fieldsV1/f:metadata/f:annotations").and_then(Value::as_object_mut)
    {
        annotations.remove("f:nica/fence");
    }
    // The owner is the anchor's to give and the collector's to take.
    if let Some(metadata) = entry.pointer_mut("/fieldsV1/f:metadata").and_then(Value::as_object_mut) {
        metadata.remove("f:ownerReferences");
    }
    let others = fields.iter().filter(|entry| !is_our("Update", entry) && !is_our("Apply", entry));
    Some(others.cloned().chain([entry]).collect())
}

/// An apply of ours owns this field.
pub(super) fn owns(fields: &[Value], path: &[&str]) -> bool {
    fields
        .iter()
        .filter(|entry| is_ours(entry))
        .any(|entry| path.iter().try_fold(&entry["fieldsV1"], |at, key| at.get(*key)).is_some())
}

/// A create or an apply of ours left it; not a status.
pub(super) fn is_ours(entry: &Value) -> bool {
    entry["manager"] == MANAGER && entry.get("subresource").is_none()
}

fn is_our(operation: &str, entry: &Value) -> bool {
    is_ours(entry) && entry["operation"] == operation
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert_with(|| Value::Object(Map::new())), value);
            }
        }
        (into, from) if into.is_null() => *into = from.clone(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({ "manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields })
    }

    #[test]
    fn our_update_becomes_an_apply_without_the_fence() {
        let created = json!({ "f:data": { "f:a": {} }, "f:metadata": { "f:annotations": { "f:nica/fence": {}, "f:x": {} } } });
        let there = vec![entry("kubectl", "Update", json!({})), entry("nica", "Update", created)];
        let expected = json!({ "f:data": { "f:a": {} }, "f:metadata": { "f:annotations": { "f:x": {} } } });
        let turned = converted(&there).expect("there is one to turn");
        assert_eq!(turned, vec![there[0].clone(), entry("nica", "Apply", expected)]);
        assert_eq!(converted(&turned), None, "once is enough");
    }

    #[test]
    fn an_apply_that_is_there_already_keeps_what_it_owns() {
        let there = vec![
            entry("nica", "Apply", json!({ "f:data": { "f:b": {} } })),
            entry("nica", "Update", json!({ "f:data": { "f:a": {} } })),
        ];
        let both = json!({ "f:data": { "f:a": {}, "f:b": {} } });
        assert_eq!(converted(&there), Some(vec![entry("nica", "Apply", both)]));
    }

    #[test]
    fn a_status_is_nobodys_business() {
        let mut status = entry("nica", "Update", json!({}));
        status["subresource"] = json!("status");
        assert_eq!(converted(&[status]), None);
    }
}
