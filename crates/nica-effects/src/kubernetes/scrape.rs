//! What the pods counted themselves, asked through the API server, so that no network of the cluster has to be reached.
//!
//! A pod names its port as Prometheus is told it: `prometheus.io/port`, else a container's port called `metrics` or
//! `admin`. A pod that does not answer is a gap, never a zero. A workload whose pods name none is not asked, nor is a Job:
//! its pods end before they could be asked twice.

use super::api::About;
use super::observe::AT_ONCE;
use super::pods::{Pod, deployments};
use super::{Cluster, ClusterError, stamp};
use crate::process::{Metrics, merge};
use futures_util::{StreamExt as _, stream};
use nica_engine::effect::Generation;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

/// A pod that takes longer is as good as silent.
const SCRAPE_LIMIT: Duration = Duration::from_secs(2);
/// A pod that says more is no pod of ours, and must not fill our memory.
const BODY_BYTES_MAX: u64 = 8 * 1024 * 1024;
const PORTS: [&str; 2] = ["metrics", "admin"];

/// By component and generation.
pub(crate) type Scrapes = BTreeMap<String, BTreeMap<Generation, Metrics>>;

impl Cluster {
    pub(crate) async fn scrape(&self) -> Result<Scrapes, ClusterError> {
        let kinds = self.kinds().await?;
        let sets = self.list(kinds.get("ReplicaSet")?, Some(super::names::GENERATION)).await?;
        let deployments = deployments(&sets.items);
        let pods = self.list::<Pod>(kinds.get("Pod")?, None).await?.items;
        let alive = pods.into_iter().filter(Pod::is_alive);
        let named: Vec<(String, Pod)> =
            alive.filter_map(|pod| Some((pod.component(&deployments)?, pod))).collect();
        let asked = stream::iter(named).map(|(component, pod)| self.scrape_pod(component, pod));
        let mut scrapes = Scrapes::new();
        let asked = asked.buffer_unordered(AT_ONCE).filter_map(std::future::ready);
        for (component, generation, replica, text) in asked.collect::<Vec<_>>().await {
            scrapes.entry(component).or_default().entry(generation).or_default().living.insert(replica, text);
        }
        for metrics in scrapes.values_mut().flat_map(|by| by.values_mut()) {
            metrics.total = merge(metrics.living.values().map(|text| (text.as_str(), true)));
        }
        Ok(scrapes)
    }

    async fn scrape_pod(&self, component: String, pod: Pod) -> Option<(String, Generation, u32, String)> {
        let port = port(&pod)?;
        let path = pod.metadata.annotations.get("prometheus.io/path").map_or("/metrics", String::as_str);
        let resource = self.kinds().await.ok()?.find("Pod")?;
        let url = format!("{}/{}:{port}/proxy{path}", self.path(resource), pod.metadata.name);
        let request = http::Request::get(&url).body(Vec::new()).ok()?;
        let about = About::new("scrape", "Pod", &pod.metadata.name);
        match tokio::time::timeout(SCRAPE_LIMIT, self.send_bounded(request, BODY_BYTES_MAX)).await {
            Ok(Ok(text)) => Some((component, pod.generation(), replica(&pod.metadata.name), text)),
            _ => {
                tracing::debug!(pod.name = pod.metadata.name, "no answer to {}", about.what);
                None
            }
        }
    }
}

/// Of an applied configuration: whether its pods say where their metrics are read, whether or not they can be.
pub(crate) fn declares_metrics(configuration: &Value) -> bool {
    let kind = configuration["kind"].as_str().unwrap_or_default();
    let Some(template) = stamp::template(kind).filter(|_| SERVES.contains(&kind)) else { return false };
    let at = |last: &str| configuration.pointer(&format!("/{}/{last}", template.join("/")));
    let said = at("metadata/annotations");
    let annotated = |name: &str| said.and_then(|said| said.get(name)?.as_str());
    match annotated(SCRAPED) {
        Some(scraped) => scraped == "true",
        None => annotated(PORT).is_some() || at("spec/containers").is_some_and(names_a_port),
    }
}

/// Kinds whose pods stay.
const SERVES: [&str; 3] = ["DaemonSet", "Deployment", "StatefulSet"];
const SCRAPED: &str = "prometheus.io/scrape";
const PORT: &str = "prometheus.io/port";

fn names_a_port(containers: &Value) -> bool {
    let all = containers.as_array().into_iter().flatten();
    let mut ports = all.filter_map(|container| container["ports"].as_array()).flatten();
    ports.any(|port| PORTS.iter().any(|name| port["name"] == *name))
}

fn port(pod: &Pod) -> Option<u16> {
    if let Some(said) = pod.metadata.annotations.get(PORT) {
        return said.parse().ok();
    }
    let ports = || pod.spec.containers.iter().flat_map(|container| &container.ports);
    PORTS.iter().find_map(|name| ports().find(|port| port.name == *name)).map(|port| port.container_port)
}

/// A number that stays the pod's for as long as it lives; names are random, so no two share one in practice.
fn replica(name: &str) -> u32 {
    let hash = Sha256::digest(name.as_bytes());
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(kind: &str, template: Value, expected: bool) {
        let mut configuration = json!({ "kind": kind, "spec": { "template": template } });
        if kind == "CronJob" {
            configuration =
                json!({ "kind": kind, "spec": { "jobTemplate": { "spec": configuration["spec"] } } });
        }
        assert_eq!(declares_metrics(&configuration), expected, "{configuration}");
    }

    fn ports(names: &[&str]) -> Value {
        let ports: Vec<Value> =
            names.iter().map(|name| json!({ "name": name, "containerPort": 1 })).collect();
        json!({ "spec": { "containers": [{ "name": "sidecar" }, { "name": "main", "ports": ports }] } })
    }

    #[test]
    fn metrics_are_asked_of_what_serves_and_says_where() {
        check("Deployment", ports(&["http", "admin"]), true);
        check("StatefulSet", ports(&["metrics"]), true);
        check("Deployment", ports(&["http"]), false);
        check("Deployment", json!({}), false);
        check("Job", ports(&["metrics"]), false);
        check("CronJob", ports(&["metrics"]), false);
        check("Service", ports(&["metrics"]), false);
    }

    #[test]
    fn an_annotation_says_it_too_and_may_say_no() {
        let with = |annotations: Value, names: &[&str]| {
            let mut template = ports(names);
            template["metadata"]["annotations"] = annotations;
            template
        };
        check("DaemonSet", with(json!({ "prometheus.io/port": "9100" }), &[]), true);
        check("Deployment", with(json!({ "prometheus.io/scrape": "true" }), &[]), true);
        check("Deployment", with(json!({ "prometheus.io/scrape": "false" }), &["metrics"]), false);
    }
}
