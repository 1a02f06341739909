//! What the API server holds of an environment: every component, what of it is alive, and what a write needs to know.
//!
//! Every look reads anew and from storage: workloads first, then what they made, so that a pod which a workload had made
//! by then is seen. Until its controller has looked at a workload, what it was before counts as alive.

use super::admit::check_fence;
use super::anchor::{AnchorSeen, anchors};
use super::drift::lost;
use super::names::{ENVIRONMENT, PREVIOUS, ours};
use super::pods::{Pod, deployments};
use super::stamp::{live_replicas, replicas};
use super::{Cluster, ClusterError, Scope, managed, object, stamp};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kube::core::discovery::ApiResource;
use nica_engine::Digest;
use nica_engine::effect::Generation;
use nica_engine::world::{self, ComponentSeen};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One look at an environment.
#[derive(Debug, Default)]
pub struct Sighting {
    pub components: BTreeMap<String, ObjectSeen>,
    pub anchors: BTreeMap<String, AnchorSeen>,
    /// By the plural of their kind: where a watch begins.
    pub(super) versions: BTreeMap<String, Listed>,
    /// Components that will not come true.
    pub(super) failing: BTreeSet<String>,
}

/// A list, and up to which version it goes.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub resource: ApiResource,
    pub selector: Option<String>,
    pub version: String,
}

/// One component as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectSeen {
    pub seen: ComponentSeen,
    /// The applied configuration that it says it has.
    pub applied: Option<Digest>,
    /// It says of itself that it never changes.
    pub immutable: bool,
    /// What a write carries. None where only pods are left of it.
    pub kept: Option<Kept>,
    /// The log of what dooms it, oldest line first.
    pub last_words: Vec<String>,
}

/// What was read of an object, for the write that is decided on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub uid: String,
    pub resource_version: String,
    pub(super) generation: Option<Generation>,
    pub(super) previous: Option<String>,
    pub(super) fields: Vec<Value>,
    pub(super) live_replicas: Option<u32>,
    pub(super) owns_replicas: bool,
    /// Somebody took a field of its configuration.
    pub(super) drifted: bool,
    /// It is being deleted.
    pub going: bool,
}

/// Requests at once.
pub(super) const AT_ONCE: usize = 8;
/// Everything that one look read.
pub(super) struct Read {
    pub objects: BTreeMap<String, Value>,
    replica_sets: Vec<Value>,
    pub pods: Vec<Pod>,
    /// The uid of the open run's anchor.
    anchor: Option<String>,
    env_id: Option<String>,
}

impl Cluster {
    /// Everything of the scope as it is now; `applied` are the configurations of the records, by digest. A fence that is
    /// higher than ours on any of them ends us.
    pub async fn observe(
        &self,
        fence: Option<i64>,
        scope: &Scope,
        applied: &BTreeMap<Digest, Value>,
    ) -> Result<Sighting, ClusterError> {
        let mut sighting = Sighting::default();
        let objects = self.objects(scope, &mut sighting.versions).await?;
        for (title, object) in &objects {
            check_fence(title, object, fence)?;
        }
        sighting.anchors = anchors(&objects);
        let replica_sets =
            self.listed("ReplicaSet", Some(super::names::GENERATION), &mut sighting.versions).await?;
        let pods = self.listed("Pod", None, &mut sighting.versions).await?;
        let anchor =
            scope.anchor.as_ref().and_then(|run| sighting.anchors.get(run)).map(|seen| seen.uid.clone());
        let read = Read { objects, replica_sets, pods, anchor, env_id: self.owner().env_id.clone() };
        for name in read.components() {
            sighting.components.insert(name.clone(), read.component(&name, applied));
        }
        self.track(&mut sighting, &read, (fence, scope)).await?;
        Ok(sighting)
    }

    /// Every object of ours of the kinds that the scope needs, and those of the scope that lost our label.
    async fn objects(
        &self,
        scope: &Scope,
        versions: &mut BTreeMap<String, Listed>,
    ) -> Result<BTreeMap<String, Value>, ClusterError> {
        let kinds = self.kinds().await?;
        let mut wanted: BTreeSet<&str> = BTreeSet::from(["ConfigMap", "Secret"]);
        for component in &scope.components {
            wanted.insert(&kinds.component(component)?.0.kind);
        }
        let wanted: Vec<ApiResource> =
            wanted.into_iter().filter_map(|kind| kinds.find(kind).cloned()).collect();
        let lists = stream::iter(wanted).map(|resource| self.ours_of(resource, true));
        let lists: Vec<_> = lists.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut objects = BTreeMap::new();
        for (resource, list) in lists {
            versions.insert(
                resource.plural.clone(),
                Listed {
                    resource: resource.clone(),
                    selector: Some(ours(&self.owner().service)),
                    version: list.version,
                },
            );
            // Items of a list say no kind.
            let titled = list.items.into_iter().map(|mut item| {
                item["kind"] = Value::String(resource.kind.clone());
                (super::api::title(&resource, &item), item)
            });
            objects.extend(titled);
        }
        for component in
            scope.components.iter().filter(|name| !objects.contains_key(*name)).collect::<Vec<_>>()
        {
            let (resource, name) = kinds.component(component)?;
            if let Some(object) = self.get(resource, name).await? {
                objects.insert(component.clone(), object);
            }
        }
        Ok(objects)
    }

    async fn listed<T: serde::de::DeserializeOwned>(
        &self,
        kind: &str,
        selector: Option<&str>,
        versions: &mut BTreeMap<String, Listed>,
    ) -> Result<Vec<T>, ClusterError> {
        let resource = self.kinds().await?.get(kind)?;
        let list = self.list::<T>(resource, selector).await?;
        versions.insert(
            resource.plural.clone(),
            Listed {
                resource: resource.clone(),
                selector: selector.map(str::to_string),
                version: list.version,
            },
        );
        Ok(list.items)
    }
}

impl Read {
    /// What is there, and what is only left as pods.
    fn components(&self) -> BTreeSet<String> {
        let deployments = deployments(&self.replica_sets);
        let of_pods =
            self.pods.iter().filter(|pod| pod.metadata.annotations.contains_key(super::names::COMPONENT));
        let left = of_pods.filter_map(|pod| pod.component(&deployments));
        let objects = self.objects.iter().filter(|(_, object)| !super::anchor::is_anchor(object));
        objects.map(|(title, _)| title.clone()).chain(left).collect()
    }

    fn component(&self, name: &str, applied: &BTreeMap<Digest, Value>) -> ObjectSeen {
        let deployments = deployments(&self.replica_sets);
        let pods: Vec<&Pod> = self
            .pods
            .iter()
            .filter(|pod| pod.is_alive() && pod.component(&deployments).as_deref() == Some(name))
            .collect();
        let sets: Vec<&Value> = self
            .replica_sets
            .iter()
            .filter(|set| deployments.get(object::name(set)).map(String::as_str) == Some(name))
            .collect();
        let mut alive: BTreeSet<Generation> = pods.iter().map(|pod| pod.generation()).collect();
        alive.extend(sets.iter().filter(|set| may_start(set)).filter_map(|set| label(set)));
        let Some(object) = self.objects.get(name) else {
            let seen = ComponentSeen { alive, ..ComponentSeen::default() };
            return ObjectSeen { seen, ..ObjectSeen::default() };
        };
        let kind = name.split('/').next().unwrap_or_default();
        if HAS_OBSERVED.contains(&kind) && !object::is_observed(object) {
            alive.extend(object::generation(object));
            alive.extend(object::annotation(object, PREVIOUS).map(|text| Generation(text.to_string())));
        }
        let wanted: Vec<&Pod> =
            pods.iter().copied().filter(|pod| Some(pod.generation()) == object::generation(object)).collect();
        let seen = ComponentSeen {
            generation: object::generation(object),
            replicas: replicas(object),
            drifted: is_drifted(object, applied),
            ready: ready(object, kind, &wanted),
            alive,
            doomed: None,
            owner: owner(object, (self.anchor.as_deref(), self.env_id.as_deref())),
            deleting: object::is_going(object),
            passive: stamp::template(kind).is_none(),
        };
        let digest = object::applied(object);
        let kept = Some(Kept { drifted: seen.drifted, ..Kept::of(object, kind) });
        let immutable = object.get("immutable") == Some(&Value::Bool(true));
        ObjectSeen { seen, applied: digest, immutable, kept, last_words: Vec::new() }
    }
}

/// Kinds whose status says which of their generations was looked at.
const HAS_OBSERVED: [&str; 3] = ["DaemonSet", "Deployment", "StatefulSet"];

/// A set that has pods, wants some, or whose controller has not seen that it no longer does.
fn may_start(set: &Value) -> bool {
    let some = |pointer| object::number(set, pointer).is_some_and(|n| n > 0);
    some("/spec/replicas") || some("/status/replicas") || !object::is_observed(set)
}

fn label(set: &Value) -> Option<Generation> {
    let label = set.pointer("/metadata/labels")?.get(super::names::GENERATION)?.as_str()?;
    Some(Generation(label.to_string()))
}

/// Somebody took a field of its configuration. What was asked for is asked for again.
fn is_drifted(object: &Value, applied: &BTreeMap<Digest, Value>) -> bool {
    let configuration = object::applied(object).and_then(|digest| applied.get(&digest));
    configuration.is_some_and(|configuration| !lost(configuration, object).is_empty())
}

/// By the uid, so that an anchor of the same name that came later is another one; without an owner, by our mark.
pub(super) fn owner(object: &Value, (anchor, env_id): (Option<&str>, Option<&str>)) -> world::Owner {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let uids: Vec<Option<&str>> = owners.into_iter().flatten().map(|owner| owner["uid"].as_str()).collect();
    match anchor {
        _ if uids.is_empty() && is_marked(object, env_id) => world::Owner::Nobody,
        _ if uids.is_empty() => world::Owner::Stranger,
        Some(anchor) if uids.contains(&Some(anchor)) => world::Owner::Anchor,
        _ => world::Owner::Other,
    }
}

/// A run of this environment wrote it: every create and every apply carries the environment's uuid, and leaving the anchor
/// does not take it away. A copy that somebody made of such an object has the annotation too; but the fields say who wrote
/// it, where they say anything.
fn is_marked(object: &Value, env_id: Option<&str>) -> bool {
    let marked = object::annotation(object, ENVIRONMENT);
    let fields = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let path = ["f:metadata", "f:annotations", &format!("f:{ENVIRONMENT}")];
    let written = fields.is_none_or(|fields| fields.is_empty() || managed::owns(fields, &path));
    marked.is_some() && env_id.is_none_or(|env_id| marked == Some(env_id)) && written
}

fn ready(object: &Value, kind: &str, wanted: &[&Pod]) -> u32 {
    let count = |pointer| object::number(object, pointer).unwrap_or(0);
    match kind {
        "DaemonSet" => {
            let all = count("/status/desiredNumberScheduled");
            let is = object::is_observed(object)
                && count("/status/updatedNumberScheduled") >= all
                && count("/status/numberReady") >= all;
            u32::from(is)
        }
        "Job" => u32::from(object::is_true(object, "Complete")),
        "CronJob" => replicas(object),
        _ => u32::try_from(wanted.iter().filter(|pod| pod.is_ready()).count()).unwrap_or(u32::MAX),
    }
}

impl Kept {
    pub(super) fn of(object: &Value, kind: &str) -> Kept {
        let fields =
            object.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
        Kept {
            uid: object::uid(object).to_string(),
            resource_version: object::version(object).to_string(),
            generation: object::generation(object),
            previous: object::annotation(object, PREVIOUS).map(str::to_string),
            owns_replicas: managed::owns(&fields, &["f:spec", "f:replicas"]),
            live_replicas: matches!(kind, "Deployment" | "StatefulSet").then(|| live_replicas(object)),
            drifted: false,
            going: object::is_going(object),
            fields,
        }
    }

    /// Somebody took a field of its configuration.
    pub fn is_drifted(&self) -> bool {
        self.drifted
    }

    /// What an object that becomes `generation` was before.
    pub(super) fn before(&self, generation: &str) -> Option<String> {
        match &self.generation {
            Some(now) if now.0 != generation => Some(now.0.clone()),
            _ => self.previous.clone(),
        }
    }
}

impl Sighting {
    /// Up to which version that kind was seen. Versions are numbers that only rise (KEP-5504 makes that a promise); one
    /// that is none counts as unseen.
    pub(super) fn version(&self, plural: &str) -> Option<u64> {
        self.versions.get(plural)?.version.parse().ok()
    }

    /// As if it had been taken before everything that the server remembers: for tests of what a watch does then.
    pub fn forget(&mut self) {
        for listed in self.versions.values_mut() {
            listed.version = "1".to_string();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_the_environments_when_a_run_of_it_wrote_the_mark() {
        let check = |env_id: &str, manager: &str, expected: world::Owner| {
            let fields = json!({ "f:metadata": { "f:annotations": { "f:nica/environment": {} } } });
            let entry = json!({ "manager": manager, "operation": "Apply", "fieldsV1": fields });
            let object = json!({ "metadata": {
                "annotations": { "nica/environment": env_id, "nica/generation": "x" }, "managedFields": [entry],
            } });
            assert_eq!(owner(&object, (None, Some("e"))), expected, "{object}");
        };
        check("e", "nica", world::Owner::Nobody);
        check("e", "kubectl", world::Owner::Stranger);
        check("f", "nica", world::Owner::Stranger);
        assert_eq!(owner(&json!({}), (None, Some("e"))), world::Owner::Stranger);
        let owned = json!({ "metadata": { "ownerReferences": [{ "uid": "u" }] } });
        assert_eq!(owner(&owned, (Some("u"), Some("e"))), world::Owner::Anchor);
        assert_eq!(owner(&owned, (Some("v"), Some("e"))), world::Owner::Other);
    }
}
