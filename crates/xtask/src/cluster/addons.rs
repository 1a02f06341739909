//! What runs on top of a bare cluster: CoreDNS on the real nodes, and kwok with its simulated ones.

use super::image;
use super::names::Range;
use super::obtain::Tools;
use super::plane::Program;
use serde_json::{Value, json};
use std::path::Path;

/// Not 53, so that it needs no privilege.
const DNS_PORT: u16 = 1053;

const COREFILE: &str = ".:1053 {
  errors
  health :8081
  ready :8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
  }
  cache 5
}
";

pub(crate) fn coredns(range: Range) -> Value {
    let named = json!({"name": "coredns", "namespace": "kube-system"});
    let labels = json!({"k8s-app": "kube-dns"});
    let rules = json!([
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]);
    let container = json!({
        "name": "coredns", "image": image::COREDNS, "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
    });
    let pod = json!({
        "serviceAccountName": "coredns", "dnsPolicy": "Default", "containers": [container],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    });
    let port = |name: &str, protocol: &str| json!({"name": name, "port": 53, "targetPort": DNS_PORT, "protocol": protocol});
    list(vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named}),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "coredns"}, "rules": rules,
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "coredns"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "coredns"},
            "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
        }),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": {"Corefile": COREFILE}}),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system"},
            "spec": {
                "clusterIP": range.dns(), "selector": labels,
                "ports": [port("dns", "UDP"), port("dns-tcp", "TCP")],
            },
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": named,
            "spec": {
                "replicas": 1, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }),
    ])
}

/// Simulates the nodes that carry its annotation, and their pods.
pub(crate) fn kwok(tools: &Tools, pki: &Path, range: Range) -> Program {
    let file = |ending: &str| pki.join(format!("kwok.{ending}")).display().to_string();
    let gateway = range.gateway();
    let args = vec![
        format!("--kubeconfig={}", file("kubeconfig")),
        format!("--config={}", tools.program("stages.yaml").display()),
        format!("--manage-nodes-with-annotation-selector={KWOK_NODE}=fake"),
        // Pods of simulated nodes are reached by nobody; their addresses only have to look like some.
        "--cidr=10.245.0.0/16".to_string(),
        format!("--node-ip={gateway}"),
        "--node-port=10247".to_string(),
        format!("--server-address={gateway}:10247"),
        format!("--tls-cert-file={}", file("crt")),
        format!("--tls-private-key-file={}", file("key")),
        "--node-lease-duration-seconds=40".to_string(),
    ];
    Program { name: "kwok".into(), path: tools.program("kwok"), args }
}

const KWOK_NODE: &str = "kwok.x-k8s.io/node";

/// Tainted: what does not ask for a simulated node gets a real one.
pub(crate) fn kwok_nodes(count: u16) -> Value {
    let size = json!({"cpu": "64", "memory": "256Gi", "pods": "1000"});
    let node = |number| {
        let name = format!("kwok-{number}");
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": {KWOK_NODE: "fake", "node.alpha.kubernetes.io/ttl": "0"},
                "labels": {"type": "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "kwok"},
            },
            "spec": {"taints": [{"key": KWOK_NODE, "value": "fake", "effect": "NoSchedule"}]},
            "status": {"allocatable": size, "capacity": size},
        })
    };
    list((0..count).map(node).collect())
}

fn list(items: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}
