//! `requiredDuringSchedulingIgnoredDuringExecution` of a node affinity: one of the terms is enough, all of its
//! expressions must hold.

use super::Node;
use serde_json::Value;

const REQUIRED: &str =
    "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";

pub(super) fn against(spec: &Value, node: &Node) -> Option<String> {
    let terms = spec.pointer(REQUIRED)?.as_array()?;
    let fits = terms.iter().any(|term| fits(term, node));
    (!fits).then(|| "the pod's required node affinity does not match it".to_string())
}

/// A term without any expression matches nothing.
fn fits(term: &Value, node: &Node) -> bool {
    let all = |key: &str| term.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let (labels, fields) = (all("matchExpressions"), all("matchFields"));
    let label = |one: &Value| holds(one, node.labels.get(key(one)).map(String::as_str));
    let field = |one: &Value| holds(one, (key(one) == "metadata.name").then_some(node.name.as_str()));
    !(labels.is_empty() && fields.is_empty()) && labels.iter().all(label) && fields.iter().all(field)
}

fn key(expression: &Value) -> &str {
    expression.get("key").and_then(Value::as_str).unwrap_or_default()
}

fn holds(expression: &Value, found: Option<&str>) -> bool {
    let values: Vec<&str> = expression
        .get("values")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let number = |text: &str| text.parse::<i64>().ok();
    let bound = || values.first().and_then(|text| number(text));
    let compared = |holds: fn(i64, i64) -> bool| {
        found.and_then(number).zip(bound()).is_some_and(|(found, bound)| holds(found, bound))
    };
    match expression.get("operator").and_then(Value::as_str).unwrap_or_default() {
        "In" => found.is_some_and(|found| values.contains(&found)),
        "NotIn" => found.is_none_or(|found| !values.contains(&found)),
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        "Gt" => compared(|found, bound| found > bound),
        "Lt" => compared(|found, bound| found < bound),
        // What the scheduler would not know either matches nothing.
        _ => false,
    }
}
