//! Could a node ever take this pod? What a node is made for is asked, not what is free there at this moment.
//!
//! The rules of the scheduler's filters that no waiting changes: cordoned, selector, required affinity, taints, platform
//! and size. What depends on other pods (free room, spread, affinity to pods) is left to the rollout itself.

mod affinity;

use super::quantity::milli;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    /// Nobody schedules there.
    pub cordoned: bool,
    /// Amounts in thousandths, by the name of what is counted.
    pub allocatable: BTreeMap<String, i128>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    pub key: String,
    pub value: String,
    pub effect: String,
}

impl Node {
    /// From the object that the API server has; a field that is not as it should be counts as not there.
    pub fn of(object: &Value) -> Node {
        let text =
            |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string();
        let labels = pairs(object.pointer("/metadata/labels"));
        let taint = |taint: &Value| {
            let field = |key: &str| taint.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
            Taint { key: field("key"), value: field("value"), effect: field("effect") }
        };
        let taints = object.pointer("/spec/taints").and_then(Value::as_array).into_iter().flatten();
        let amounts = object.pointer("/status/allocatable");
        let amounts = pairs(amounts).into_iter().filter_map(|(name, text)| Some((name, milli(&text)?)));
        Node {
            name: text("/metadata/name"),
            labels,
            taints: taints.map(taint).collect(),
            cordoned: object.pointer("/spec/unschedulable") == Some(&Value::Bool(true)),
            allocatable: amounts.collect(),
        }
    }

    /// `linux/amd64`, as images say it.
    pub fn platform(&self) -> Option<String> {
        let label = |key: &str| self.labels.get(key);
        Some(format!("{}/{}", label("kubernetes.io/os")?, label("kubernetes.io/arch")?))
    }
}

/// Every reason why this node can never take the pod; none where it can.
pub fn against(spec: &Value, node: &Node) -> Vec<String> {
    let mut reasons = Vec::new();
    if node.cordoned {
        reasons.push("it is cordoned".to_string());
    }
    let named = spec.get("nodeName").and_then(Value::as_str).filter(|name| !name.is_empty());
    reasons.extend(named.filter(|name| **name != node.name).map(|name| format!("the pod names node {name}")));
    for (key, value) in pairs(spec.get("nodeSelector")) {
        if node.labels.get(&key) != Some(&value) {
            reasons.push(format!("it has no label {key}={value}"));
        }
    }
    reasons.extend(affinity::against(spec, node));
    reasons.extend(node.taints.iter().filter(|taint| !tolerated(spec, taint)).map(|taint| {
        let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
        format!("its taint {}{value}:{} is not tolerated", taint.key, taint.effect)
    }));
    reasons.extend(too_small(spec, node));
    reasons
}

fn tolerated(spec: &Value, taint: &Taint) -> bool {
    if !matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute") {
        return true;
    }
    let tolerates = |toleration: &Value| {
        let field = |key: &str| toleration.get(key).and_then(Value::as_str).unwrap_or_default();
        let effect = field("effect").is_empty() || field("effect") == taint.effect;
        let exists = field("operator") == "Exists";
        let key = field("key") == taint.key || (field("key").is_empty() && exists);
        effect && key && (exists || field("value") == taint.value)
    };
    spec.get("tolerations").and_then(Value::as_array).into_iter().flatten().any(tolerates)
}

fn too_small(spec: &Value, node: &Node) -> Vec<String> {
    let small = |(name, asked): (String, i128)| {
        let has = node.allocatable.get(&name).copied().unwrap_or(0);
        (asked > has).then(|| format!("it has {} of {name}, the pod asks for {}", shown(has), shown(asked)))
    };
    requests(spec).into_iter().filter_map(small).collect()
}

/// What a pod takes at its largest: its containers with the sidecars together, or one init container with the sidecars
/// that were started before it.
pub fn requests(spec: &Value) -> BTreeMap<String, i128> {
    let containers = |key: &str| spec.get(key).and_then(Value::as_array).into_iter().flatten();
    let mut sidecars = BTreeMap::new();
    let mut starting = BTreeMap::new();
    for container in containers("initContainers") {
        let asked = asked(container);
        let stays = container.get("restartPolicy").and_then(Value::as_str) == Some("Always");
        let mut now = sidecars.clone();
        add(&mut now, &asked);
        if stays {
            sidecars = now.clone();
        }
        now.into_iter().for_each(|(name, amount)| most(&mut starting, name, amount));
    }
    let mut running = sidecars;
    containers("containers").for_each(|container| add(&mut running, &asked(container)));
    starting.into_iter().for_each(|(name, amount)| most(&mut running, name, amount));
    add(&mut running, &amounts(spec.get("overhead")));
    running
}

/// Where only a limit is written it is the request too.
fn asked(container: &Value) -> BTreeMap<String, i128> {
    let mut asked = amounts(container.pointer("/resources/limits"));
    asked.extend(amounts(container.pointer("/resources/requests")));
    asked
}

fn amounts(value: Option<&Value>) -> BTreeMap<String, i128> {
    pairs(value).into_iter().filter_map(|(name, text)| Some((name, milli(&text)?))).collect()
}

fn add(sum: &mut BTreeMap<String, i128>, more: &BTreeMap<String, i128>) {
    more.iter().for_each(|(name, amount)| *sum.entry(name.clone()).or_default() += amount);
}

fn most(all: &mut BTreeMap<String, i128>, name: String, amount: i128) {
    let entry = all.entry(name).or_insert(amount);
    *entry = amount.max(*entry);
}

/// Whole units where they are whole, else thousandths.
fn shown(milli: i128) -> String {
    if milli % 1_000 == 0 { (milli / 1_000).to_string() } else { format!("{milli}m") }
}

/// Text and numbers of a map, as text.
fn pairs(value: Option<&Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let map = value.and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

#[cfg(test)]
mod tests;
