//! What the cases put into a cluster.

use crate::cluster::image;
use serde_json::{Value, json};

pub(crate) const NODE_PORT: u16 = 30080;
pub(crate) const SIMULATED: u8 = 20;

/// Two pods that may not share a node, with a Service before them.
pub(crate) fn web() -> Value {
    let labels = json!({"app": "web"});
    let container = json!({
        "name": "web", "image": image::GUEST, "args": ["serve", ":8080"],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
        },
    });
    let apart = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"},
    ]}});
    let pod = json!({
        "containers": [container], "affinity": apart,
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {
            "type": "NodePort", "selector": labels,
            "ports": [{"port": 80, "targetPort": 8080, "nodePort": NODE_PORT}],
        },
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [deployment("web", 2, &pod), service]})
}

pub(crate) fn simulated() -> Value {
    let pod = json!({
        "nodeSelector": {"type": "kwok"}, "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "any", "image": "nica.invalid/any:1"}],
    });
    deployment("simulated", SIMULATED, &pod)
}

fn deployment(name: &str, replicas: u8, pod: &Value) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    })
}
