//! What the API server says before anything is written: nodes, rights, and dry runs of all objects.
//!
//! Nothing here is a write: a dry run goes through admission and validation and is thrown away. A pod of each workload is
//! tried too, because much is refused only where a pod is made: Pod Security, limit ranges, quotas.

use super::api::{About, PATIENCE, as_manager, body};
use super::error::{ClusterError, Meaning, Unanswered, detail, meaning, refusal};
use super::names::MANAGER;
use super::stamp::template;
use super::{Cluster, object};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kube::core::Status;
use kube::core::discovery::ApiResource;
use nica_engine::preflight::{DryRun, Pods, Right, Said, fit::Node};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// An object that the plan asks for.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// `Kind/name`
    pub component: &'a str,
    pub configuration: &'a Value,
    /// Named by its content: it is created where it is not there, and never applied to what is.
    pub immutable: bool,
}

/// Verbs on what a release consists of; deletions are those after commit and of the way back.
const WRITES: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];
/// What is only read, a trial's right to a pod, and the anchor's to wait for what it owns.
const READS: [(&str, &str, &[&str]); 7] = [
    ("", "pods", &["create", "list", "watch"]),
    ("", "events", &["list", "watch"]),
    ("", "persistentvolumeclaims", &["list", "watch"]),
    ("", "pods/log", &["get"]),
    ("", "pods/proxy", &["get"]),
    ("", "configmaps/finalizers", &["update"]),
    ("apps", "replicasets", &["list", "watch"]),
];
/// Rights were asked before: the server is past the moment in which it says no to everybody.
const FORBIDDEN_PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(150);
/// Requests at a time: an API server takes many, and has others to serve.
const AT_ONCE: usize = 8;
/// A name that no component has.
const TRIAL: &str = "nica-preflight";

impl Cluster {
    pub async fn nodes(&self) -> Result<Vec<Node>, ClusterError> {
        let about = About { what: "list nodes".to_string(), is_secret: false };
        let make = || http::Request::get("/api/v1/nodes").body(Vec::new()).expect("a path of ours is a URL");
        let text = match self.read(&about, &make).await? {
            Ok(text) => text,
            Err((_, status)) => return Err(refusal(about.what, &status, false)),
        };
        let list: Value = serde_json::from_str(&text)
            .map_err(|_| ClusterError::Answer { what: "list nodes".to_string() })?;
        let items = list.get("items").and_then(Value::as_array);
        Ok(items.into_iter().flatten().map(Node::of).collect())
    }

    /// Every verb that a later step needs, whatever this account was granted.
    pub async fn rights(&self, tried: &[Tried<'_>]) -> Result<Vec<Right>, ClusterError> {
        let kinds = self.kinds().await?;
        let mut wanted: Vec<(String, String, &str)> = Vec::new();
        let mut want =
            |group: &str, plural: &str, verb| wanted.push((group.to_string(), plural.to_string(), verb));
        for one in tried {
            // A kind that is not there is told by its dry run.
            let Ok((resource, _)) = kinds.component(one.component) else { continue };
            WRITES.iter().for_each(|verb| want(&resource.group, &resource.plural, verb));
        }
        // The anchor of a run.
        WRITES.iter().for_each(|verb| want("", "configmaps", verb));
        for (group, plural, verbs) in READS {
            verbs.iter().for_each(|verb| want(group, plural, verb));
        }
        wanted.sort();
        wanted.dedup();
        let ask = async |(group, plural, verb): (String, String, &str)| {
            let resource = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
            let allowed = self.may(&group, &plural, verb).await?;
            Ok::<_, ClusterError>(Right { verb: verb.to_string(), resource, allowed })
        };
        stream::iter(wanted).map(ask).buffered(AT_ONCE).try_collect().await
    }

    /// Each object, and a pod of each workload, tried and thrown away.
    pub async fn dry_run(&self, tried: &[Tried<'_>]) -> Result<Vec<DryRun>, ClusterError> {
        let both = async |one: &Tried<'_>| {
            let mut runs =
                vec![DryRun { object: one.component.to_string(), said: self.try_apply(*one).await? }];
            if let Some(pod) = pod(one.configuration) {
                let object = format!("a pod of {}", one.component);
                runs.push(DryRun { object, said: self.try_pod(&pod).await? });
            }
            Ok::<_, ClusterError>(runs)
        };
        let runs: Vec<_> = stream::iter(tried).map(both).buffered(AT_ONCE).try_collect().await?;
        Ok(runs.concat())
    }

    /// As the real write would: apply, with every conflict of fields taken.
    async fn try_apply(&self, tried: Tried<'_>) -> Result<Said, ClusterError> {
        let kinds = self.kinds().await?;
        let (resource, about) = match kinds.of_configuration(tried.component, tried.configuration) {
            Ok(found) => found,
            Err(ClusterError::Kind { kind, why }) => {
                let (code, reason) = (404, "NotFound".to_string());
                return Ok(Said::Refused { code, reason, detail: format!("kind {kind}: {why}") });
            }
            Err(error) => return Err(error),
        };
        if tried.immutable {
            return self.try_create(&resource, &about, tried.configuration).await;
        }
        let name = object::name(tried.configuration);
        let url = format!("{}/{name}?{}&dryRun=All", self.path(&resource), as_manager(true));
        let make = || body(http::Request::patch(&url), "application/apply-patch+yaml", tried.configuration);
        let applied = self.trial(&about, &make).await?;
        if !matches!(applied, Said::Refused { code: 422, .. }) {
            return Ok(applied);
        }
        // What somebody added to a list stays with an apply, and may not fit beside ours. The real write puts whole lists
        // in the place of what is there then.
        let url = format!("{}/{name}?fieldManager={MANAGER}&dryRun=All", self.path(&resource));
        let make = || body(http::Request::patch(&url), "application/merge-patch+json", tried.configuration);
        match self.trial(&about, &make).await? {
            Said::Accepted => Ok(Said::Accepted),
            Said::Refused { .. } => Ok(applied),
        }
    }

    /// What is there under the name of this content is this content.
    async fn try_create(
        &self,
        resource: &ApiResource,
        about: &About,
        value: &Value,
    ) -> Result<Said, ClusterError> {
        let url = format!("{}?fieldValidation=Strict&dryRun=All", self.path(resource));
        let make = || body(http::Request::post(&url), "application/json", value);
        match self.trial(about, &make).await? {
            Said::Refused { code: 409, reason, .. } if reason == "AlreadyExists" => Ok(Said::Accepted),
            said => Ok(said),
        }
    }

    async fn try_pod(&self, pod: &Value) -> Result<Said, ClusterError> {
        let url = format!("/api/v1/namespaces/{}/pods?fieldValidation=Strict&dryRun=All", self.namespace());
        let about = About::new("try", "Pod", TRIAL);
        let make = || body(http::Request::post(&url), "application/json", pod);
        self.trial(&about, &make).await
    }

    /// Nothing is lost with a trial's answer, so it is asked again until there is one that counts.
    async fn trial(
        &self,
        about: &About,
        make: &(dyn Fn() -> http::Request<Vec<u8>> + Sync),
    ) -> Result<Said, ClusterError> {
        let begun = Instant::now();
        loop {
            let why = match self.send(make()).await {
                Ok(_) => return Ok(Said::Accepted),
                Err(Unanswered::Said(status)) if counts(&status, begun.elapsed()) => {
                    return Ok(refused(&status, about.is_secret));
                }
                Err(Unanswered::Said(status)) => format!("it says {} {}", status.code, status.reason),
                Err(Unanswered::NotSent(why) | Unanswered::Lost(why)) => why,
            };
            if begun.elapsed() >= PATIENCE {
                return Err(ClusterError::Unreachable { what: about.what.clone(), why });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// An apply with a field that the schema does not have is answered with 500 and no reason, for ever; a server that fails
/// says which way. A 403 is believed once it stays.
fn counts(status: &Status, since: Duration) -> bool {
    match meaning(status) {
        Meaning::Busy => false,
        Meaning::Broken => status.code == 500 && status.reason.is_empty(),
        Meaning::Forbidden => since >= FORBIDDEN_PATIENCE,
        _ => true,
    }
}

fn refused(status: &Status, is_secret: bool) -> Said {
    let (code, reason) = (status.code, status.reason.clone());
    let detail = detail(status, is_secret).trim_start_matches([':', ';', ' ']).to_string();
    Said::Refused { code, reason, detail }
}

/// What each workload would have pods of.
pub fn pods(tried: &[Tried<'_>]) -> Vec<Pods> {
    let pods = |one: &Tried<'_>| {
        let spec = pod(one.configuration)?.get("spec")?.clone();
        Some(Pods { component: one.component.to_string(), spec })
    };
    tried.iter().filter_map(pods).collect()
}

/// The workload's template as a pod of its own. Its service account may be one that this very release brings, which a
/// trial would not find; volumes that a StatefulSet claims are there in its pods.
fn pod(configuration: &Value) -> Option<Value> {
    let path = template(object::text(configuration, "/kind")?)?;
    let template = path.iter().try_fold(configuration, |value, key| value.get(key))?;
    let mut spec = template.get("spec")?.as_object()?.clone();
    ["serviceAccountName", "serviceAccount"].into_iter().for_each(|key| drop(spec.remove(key)));
    spec.insert("automountServiceAccountToken".to_string(), json!(false));
    let mut volumes = spec.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    let claims = configuration.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    let names = claims.into_iter().flatten().map(object::name);
    volumes.extend(names.map(|name| json!({ "name": name, "emptyDir": {} })));
    spec.insert("volumes".to_string(), json!(volumes));
    let labels = template.pointer("/metadata/labels");
    let annotations = template.pointer("/metadata/annotations");
    let metadata = json!({ "name": TRIAL, "labels": labels, "annotations": annotations });
    Some(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_pod_is_what_the_workload_would_make() {
        let template = json!({ "metadata": { "labels": { "app": "a" } }, "spec": {
            "serviceAccountName": "brought-along", "volumes": [{ "name": "own" }], "containers": [{ "name": "main" }],
        } });
        let claims = json!([{ "metadata": { "name": "data" } }]);
        let set = json!({ "kind": "StatefulSet", "spec": { "template": template, "volumeClaimTemplates": claims } });
        let pod = pod(&set).expect("it has pods");
        assert_eq!(pod["metadata"]["labels"], json!({ "app": "a" }));
        assert_eq!(pod["spec"]["volumes"], json!([{ "name": "own" }, { "name": "data", "emptyDir": {} }]));
        assert_eq!(
            (&pod["spec"]["serviceAccountName"], &pod["spec"]["containers"][0]["name"]),
            (&Value::Null, &json!("main"))
        );
        let cron =
            json!({ "kind": "CronJob", "spec": { "jobTemplate": { "spec": { "template": template } } } });
        assert!(super::pod(&cron).is_some());
        assert!(super::pod(&json!({ "kind": "Service", "spec": {} })).is_none());
    }
}
