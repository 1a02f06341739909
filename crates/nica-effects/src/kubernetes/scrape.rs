//! What the pods counted themselves, asked through the API server, so that no network of the cluster has to be reached.
//!
//! A pod names its port as Prometheus is told it: `prometheus.io/port`, else a container's port called `metrics` or
//! `admin`. A pod that does not answer is a gap, never a zero.

use super::api::About;
use super::observe::AT_ONCE;
use super::pods::{Pod, deployments};
use super::{Cluster, ClusterError};
use crate::process::{Metrics, merge};
use futures_util::{StreamExt as _, stream};
use nica_engine::effect::Generation;
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

fn port(pod: &Pod) -> Option<u16> {
    if let Some(said) = pod.metadata.annotations.get("prometheus.io/port") {
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
