//! `node-fit`: is there a node that could ever take the pods of each workload?

use super::{Gate, GateInput};
use crate::finding::Finding;
use crate::preflight::Pods;
use crate::preflight::fit::{Node, against};

pub(super) const GATE: Gate = Gate {
    id: "node-fit",
    codes: &["nowhere", "unreadable"],
    applies: |input| input.preflight.as_ref().is_some_and(|p| !p.pods.is_empty()),
    judge,
};

/// Nodes whose reasons are told; a large cluster has many alike.
const SHOWN: usize = 5;

fn judge(input: &GateInput) -> Vec<Finding> {
    let Some(preflight) = &input.preflight else { return Vec::new() };
    match &preflight.nodes {
        Ok(nodes) => preflight.pods.iter().filter_map(|pods| nowhere(pods, nodes)).collect(),
        Err(cause) => {
            let finding =
                Finding::inconclusive("node-fit/unreadable", "nodes", "nobody could look at the nodes");
            vec![finding.cause(cause).next("let the account of the kubeconfig list nodes, or waive node-fit")]
        }
    }
}

fn nowhere(pods: &Pods, nodes: &[Node]) -> Option<Finding> {
    let reasons: Vec<(&Node, Vec<String>)> =
        nodes.iter().map(|node| (node, against(&pods.spec, node))).collect();
    if reasons.iter().any(|(_, reasons)| reasons.is_empty()) {
        return None;
    }
    let says = match nodes.len() {
        0 => format!("there is no node for pods of {}", pods.component),
        1 => format!("the one node there is can never take a pod of {}", pods.component),
        n => format!("none of {n} nodes can ever take a pod of {}", pods.component),
    };
    let mut finding = Finding::refuse("node-fit/nowhere", pods.component.as_str(), says);
    for (node, reasons) in reasons.iter().take(SHOWN) {
        finding = finding.evidence(format!("{}: {}", node.name, reasons.join("; ")));
    }
    if reasons.len() > SHOWN {
        finding = finding.evidence(format!("and {} more", reasons.len() - SHOWN));
    }
    Some(
        finding.next(
            "change what the pod asks for, bring a node, or waive node-fit where an autoscaler brings one",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, node, preflight};
    use super::*;
    use crate::preflight::Preflight;
    use serde_json::json;

    fn with(disk: &str, nodes: Result<Vec<Node>, String>) -> impl FnOnce(&mut GateInput) + use<> {
        let component = "Deployment/backend".to_string();
        let pods = vec![Pods { component, spec: json!({ "nodeSelector": { "disk": disk } }) }];
        move |input: &mut GateInput| input.preflight = Some(Preflight { pods, nodes, ..preflight() })
    }

    const NEXT: &str = "= next: change what the pod asks for, bring a node, or waive node-fit where an autoscaler brings one";

    #[test]
    fn node_fit() {
        let on = |disk: &str| {
            let mut node = node("amd64");
            (node.name, node.labels) = (disk.into(), [("disk".to_string(), disk.to_string())].into());
            node
        };
        check("node-fit", |_| {}, &[]);
        check("node-fit", with("ssd", Ok(vec![on("hdd"), on("ssd")])), &[]);
        let one = format!(
            "refuse[node-fit/nowhere]: the one node there is can never take a pod of Deployment/backend \
             = evidence: hdd: it has no label disk=ssd {NEXT}"
        );
        check("node-fit", with("ssd", Ok(vec![on("hdd")])), &[&one]);
        let none =
            format!("refuse[node-fit/nowhere]: there is no node for pods of Deployment/backend {NEXT}");
        check("node-fit", with("ssd", Ok(vec![])), &[&none]);
        check(
            "node-fit",
            with("ssd", Err("403 Forbidden".into())),
            &["inconclusive[node-fit/unreadable]: nobody could look at the nodes = cause: 403 Forbidden \
               = next: let the account of the kubeconfig list nodes, or waive node-fit"],
        );
    }
}
