//! Reading a JSON object of the API: what is missing is none, never an error.

use nica_engine::Digest;
use nica_engine::effect::Generation;
use serde_json::Value;

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

pub(super) fn number(object: &Value, pointer: &str) -> Option<u64> {
    object.pointer(pointer)?.as_u64()
}

pub(super) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(name)?.as_str()
}

pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name").unwrap_or_default()
}

pub(super) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid").unwrap_or_default()
}

pub(super) fn version(object: &Value) -> &str {
    text(object, "/metadata/resourceVersion").unwrap_or_default()
}

pub(super) fn is_going(object: &Value) -> bool {
    text(object, "/metadata/deletionTimestamp").is_some()
}

pub(super) fn fence(object: &Value) -> Option<i64> {
    annotation(object, super::names::FENCE)?.parse().ok()
}

pub(super) fn generation(object: &Value) -> Option<Generation> {
    annotation(object, super::names::GENERATION).map(|text| Generation(text.to_string()))
}

/// The applied configuration that it says it has.
pub(super) fn applied(object: &Value) -> Option<Digest> {
    Digest::try_from(annotation(object, super::names::APPLIED)?.to_string()).ok()
}

/// The condition of this type, where it is `True`.
pub(super) fn is_true(object: &Value, condition: &str) -> bool {
    conditions(object).any(|c| text(c, "/type") == Some(condition) && text(c, "/status") == Some("True"))
}

pub(super) fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten()
}

/// Its controller has looked at what is asked for now.
pub(super) fn is_observed(object: &Value) -> bool {
    let asked = number(object, "/metadata/generation");
    number(object, "/status/observedGeneration").is_some_and(|seen| Some(seen) >= asked)
}

/// Group and version as `apiVersion` has them.
pub(super) fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}
