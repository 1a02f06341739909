//! Each reason alone, and what is no reason.

use super::*;
use serde_json::json;

fn node() -> Node {
    Node::of(&json!({
        "metadata": { "name": "one", "labels": {
            "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "disk": "ssd", "generation": "7",
        } },
        "spec": { "taints": [{ "key": "only", "value": "batch", "effect": "NoSchedule" },
                             { "key": "slow", "effect": "PreferNoSchedule" }] },
        "status": { "allocatable": { "cpu": "2", "memory": "1Gi", "pods": "110" } },
    }))
}

/// A pod that fits, with these fields of its spec changed.
fn check(change: Value, expected: &[&str]) {
    let tolerations =
        json!([{ "key": "only", "operator": "Equal", "value": "batch", "effect": "NoSchedule" }]);
    let mut spec = json!({ "tolerations": tolerations, "containers": [{ "name": "a" }] });
    let fields = change.as_object().expect("fields of a spec");
    fields.iter().for_each(|(key, value)| spec[key] = value.clone());
    assert_eq!(against(&spec, &node()), expected, "{change}");
}

#[test]
fn labels_names_and_taints() {
    check(json!({}), &[]);
    check(json!({ "nodeSelector": { "disk": "ssd" } }), &[]);
    check(json!({ "nodeSelector": { "disk": "hdd" } }), &["it has no label disk=hdd"]);
    check(json!({ "nodeName": "two" }), &["the pod names node two"]);
    check(json!({ "tolerations": [] }), &["its taint only=batch:NoSchedule is not tolerated"]);
    check(json!({ "tolerations": [{ "operator": "Exists" }] }), &[]);
    check(json!({ "tolerations": [{ "key": "only", "operator": "Exists", "effect": "NoSchedule" }] }), &[]);
    let other = json!({ "tolerations": [{ "key": "only", "value": "web" }] });
    check(other, &["its taint only=batch:NoSchedule is not tolerated"]);
    let other = json!({ "tolerations": [{ "key": "only", "value": "batch", "effect": "NoExecute" }] });
    check(other, &["its taint only=batch:NoSchedule is not tolerated"]);
    let mut cordoned = node();
    cordoned.cordoned = true;
    assert_eq!(against(&json!({ "tolerations": [{ "operator": "Exists" }] }), &cordoned), ["it is cordoned"]);
}

#[test]
fn required_affinity() {
    let with = |terms: Value| {
        let required = json!({ "nodeSelectorTerms": terms });
        json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": required } } })
    };
    let one = |key: &str, operator: &str, values: Value| json!([{ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] }]);
    let no = "the pod's required node affinity does not match it";
    let check =
        |terms: Value, fits: bool| check(with(terms), if fits { &[] } else { std::slice::from_ref(&no) });
    check(one("disk", "In", json!(["ssd", "nvme"])), true);
    check(one("disk", "In", json!(["nvme"])), false);
    check(one("disk", "NotIn", json!(["ssd"])), false);
    check(one("zone", "NotIn", json!(["a"])), true);
    check(one("zone", "Exists", json!([])), false);
    check(one("zone", "DoesNotExist", json!([])), true);
    check(one("generation", "Gt", json!(["6"])), true);
    check(one("generation", "Gt", json!(["7"])), false);
    check(one("generation", "Lt", json!(["8"])), true);
    check(one("disk", "Unheard", json!(["ssd"])), false);
    check(json!([{}]), false);
    check(
        json!([{ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": ["one"] }] }]),
        true,
    );
    // One term is enough; in a term all must hold.
    let two = json!([{ "matchExpressions": [{ "key": "disk", "operator": "In", "values": ["ssd"] },
                                            { "key": "zone", "operator": "Exists" }] },
                     { "matchExpressions": [{ "key": "disk", "operator": "Exists" }] }]);
    check(two.clone(), true);
    check(json!([two[0]]), false);
}

#[test]
fn size_is_what_the_pod_takes_at_its_largest() {
    let container =
        |cpu: &str, memory: &str| json!({ "resources": { "requests": { "cpu": cpu, "memory": memory } } });
    check(json!({ "containers": [container("1", "512Mi"), container("1000m", "512Mi")] }), &[]);
    let says = "it has 2 of cpu, the pod asks for 2100m";
    check(json!({ "containers": [container("1", "1Mi"), container("1100m", "1Mi")] }), &[says]);
    check(
        json!({ "containers": [container("1", "1025Mi")] }),
        &["it has 1073741824 of memory, the pod asks for 1074790400"],
    );
    // Init containers run alone, sidecars beside all that come after them.
    check(json!({ "initContainers": [container("2", "1Mi")], "containers": [container("2", "1Mi")] }), &[]);
    let mut sidecar = container("500m", "1Mi");
    sidecar["restartPolicy"] = json!("Always");
    let pod = json!({ "initContainers": [sidecar, container("1600m", "1Mi")], "containers": [container("1", "1Mi")] });
    check(pod, &[says]);
    let limit = json!({ "containers": [{ "resources": { "limits": { "cpu": "3" } } }] });
    check(limit, &["it has 2 of cpu, the pod asks for 3"]);
    let device = json!({ "containers": [{ "resources": { "limits": { "vendor.example/gpu": 1 } } }] });
    check(device, &["it has 0 of vendor.example/gpu, the pod asks for 1"]);
    check(json!({ "overhead": { "cpu": "1500m" }, "containers": [container("600m", "1Mi")] }), &[says]);
}

#[test]
fn a_node_says_its_platform() {
    assert_eq!(node().platform().as_deref(), Some("linux/amd64"));
    assert_eq!(Node::default().platform(), None);
}
