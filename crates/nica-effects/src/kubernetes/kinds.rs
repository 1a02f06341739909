//! From a component's name, `Kind/name`, to the resource that the API server keeps it under.
//!
//! Only what lives in a namespace: nothing else can belong to an anchor, so nothing else is a component.

use super::api::About;
use super::error::{ClusterError, Unanswered};
use super::{Cluster, object};
use kube::core::discovery::ApiResource;
use kube::discovery::{Discovery, Scope};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

const DISCOVERY_LIMIT: Duration = Duration::from_secs(20);

/// Whose kinds win where a name stands in several groups.
const GROUPS: [&str; 7] =
    ["", "apps", "batch", "autoscaling", "policy", "networking.k8s.io", "rbac.authorization.k8s.io"];

/// What releases consist of mostly. Ours are looked for under these at admission, whatever plan and baseline name.
pub(super) const USUAL: [&str; 15] = [
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
    "Job",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet",
];

pub(super) struct Kinds {
    namespaced: BTreeMap<String, ApiResource>,
    /// Of the whole cluster: known so that they can be refused by name.
    cluster: BTreeMap<String, ApiResource>,
}

pub(super) async fn discover(cluster: &Cluster) -> Result<Kinds, ClusterError> {
    let what = "ask for its kinds".to_string();
    let end = Instant::now() + super::api::PATIENCE;
    loop {
        let asked = Discovery::new(cluster.inner.client.clone()).run_aggregated();
        let why = match tokio::time::timeout(DISCOVERY_LIMIT, asked).await {
            Ok(Ok(discovery)) => return Ok(Kinds::of(&discovery)),
            Ok(Err(error)) => match Unanswered::from(error) {
                Unanswered::Said(status) => format!("it says {} {}", status.code, status.reason),
                Unanswered::NotSent(why) | Unanswered::Lost(why) => why,
            },
            Err(_) => format!("none came within {} s", DISCOVERY_LIMIT.as_secs()),
        };
        if Instant::now() > end {
            return Err(ClusterError::Unreachable { what, why });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

impl Kinds {
    fn of(discovery: &Discovery) -> Kinds {
        let mut kinds = Kinds { namespaced: BTreeMap::new(), cluster: BTreeMap::new() };
        let rank = |group: &str| GROUPS.iter().position(|g| *g == group).unwrap_or(GROUPS.len());
        let mut groups: Vec<_> = discovery.groups_alphabetical();
        groups.sort_by_key(|group| rank(group.name()));
        for (resource, capabilities) in groups.iter().flat_map(|group| group.recommended_resources()) {
            let map = match capabilities.scope {
                Scope::Namespaced => &mut kinds.namespaced,
                Scope::Cluster => &mut kinds.cluster,
            };
            map.entry(resource.kind.clone()).or_insert(resource);
        }
        kinds
    }

    pub(super) fn get(&self, kind: &str) -> Result<&ApiResource, ClusterError> {
        let why = match self.cluster.contains_key(kind) {
            true => {
                "it does not belong to a namespace, so no run can create or remove it; apply it by other means"
            }
            false => "there is none; install its definition first",
        };
        self.namespaced.get(kind).ok_or_else(|| ClusterError::Kind { kind: kind.to_string(), why })
    }

    pub(super) fn find(&self, kind: &str) -> Option<&ApiResource> {
        self.namespaced.get(kind)
    }

    /// Resource and name of a component.
    pub(super) fn component<'a>(&self, component: &'a str) -> Result<(&ApiResource, &'a str), ClusterError> {
        let why = "a component of this target is called Kind/name";
        let (kind, name) = component
            .split_once('/')
            .ok_or_else(|| ClusterError::Kind { kind: component.to_string(), why })?;
        Ok((self.get(kind)?, name))
    }

    /// The same, in the version that the configuration is written in.
    pub(super) fn of_configuration(
        &self,
        component: &str,
        configuration: &Value,
    ) -> Result<(ApiResource, About), ClusterError> {
        let (resource, name) = self.component(component)?;
        let unfit = |why: String| ClusterError::Configuration { object: component.to_string(), why };
        let api_version = object::text(configuration, "/apiVersion").unwrap_or_default();
        let (group, version) = object::group_version(api_version);
        let kind = object::text(configuration, "/kind").unwrap_or_default();
        if (kind, object::name(configuration)) != (&resource.kind, name) {
            return Err(unfit(format!("its configuration is of {kind}/{}", object::name(configuration))));
        }
        if group != resource.group {
            return Err(unfit(format!("{kind} means {} here, not {api_version}", resource.api_version)));
        }
        let mut resource = resource.clone();
        (resource.version, resource.api_version) = (version.to_string(), api_version.to_string());
        let about = About::new("write", &resource.kind, name);
        Ok((resource, about))
    }
}
