//! Admission: from here on every lower fence is refused.
//!
//! The fence stands on every object of the environment and is only ever raised, by compare-and-swap. Raising it moves the
//! object's version, and every write of ours names the version that it was decided on: so what a lower fence had read is
//! stale from then on, whenever its write arrives. An object that did not exist then belongs to an anchor.

use super::api::{About, List, No, body, title};
use super::error::{ClusterError, Meaning};
use super::kinds::USUAL;
use super::names::{ENVIRONMENT, FENCE, FENCE_MANAGER, ours};
use super::observe::AT_ONCE;
use super::{Cluster, Scope, object};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kube::core::discovery::ApiResource;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// How long an object that changes all the time is tried.
const RAISE_LIMIT: Duration = Duration::from_secs(20);

/// A higher fence on anything of ours ends us.
pub(super) fn check_fence(title: &str, value: &Value, fence: Option<i64>) -> Result<(), ClusterError> {
    match (object::fence(value), fence) {
        (Some(highest), Some(own)) if highest > own => {
            Err(ClusterError::Superseded { object: title.to_string(), highest })
        }
        _ => Ok(()),
    }
}

impl Cluster {
    /// Raise the fence on everything of ours and everything of the scope; take away anchors that arrived late.
    pub async fn admit(&self, fence: i64, scope: &Scope) -> Result<(), ClusterError> {
        let found = self.everything(scope).await?;
        for (resource, value) in &found {
            self.check_environment(resource, value)?;
            check_fence(&title(resource, value), value, Some(fence))?;
        }
        let raised = stream::iter(found).map(|(resource, value)| self.raise(resource, value, fence));
        let raised: Vec<Option<Value>> = raised.buffer_unordered(AT_ONCE).try_collect().await?;
        let kind = self.kinds().await?.get(super::anchor::KIND)?;
        let raised: Vec<_> = raised.into_iter().flatten().map(|object| (kind.clone(), object)).collect();
        self.sweep_anchors(&raised, scope.anchor.as_deref()).await
    }

    fn check_environment(&self, resource: &ApiResource, value: &Value) -> Result<(), ClusterError> {
        match (object::annotation(value, ENVIRONMENT), self.owner().env_id.as_deref()) {
            (Some(there), Some(own)) if there != own => {
                let (object, env_id) = (title(resource, value), there.to_string());
                Err(ClusterError::OtherEnvironment { object, env_id })
            }
            _ => Ok(()),
        }
    }

    /// By label under every usual kind and every kind of the scope; by name where the label is missing.
    async fn everything(&self, scope: &Scope) -> Result<Vec<(ApiResource, Value)>, ClusterError> {
        let kinds = self.kinds().await?;
        let mut needed = BTreeSet::from([super::anchor::KIND]);
        for component in &scope.components {
            needed.insert(kinds.component(component)?.0.kind.as_str());
        }
        let wanted: BTreeSet<&str> = USUAL.iter().copied().chain(needed.iter().copied()).collect();
        let wanted: Vec<(ApiResource, bool)> = wanted
            .into_iter()
            .filter_map(|kind| Some((kinds.find(kind)?.clone(), needed.contains(kind))))
            .collect();
        let lists = stream::iter(wanted).map(|(resource, needed)| self.ours_of(resource, needed));
        let lists: Vec<(ApiResource, List<Value>)> = lists.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut found = Vec::new();
        for (resource, list) in lists {
            found.extend(list.items.into_iter().map(|item| (resource.clone(), item)));
        }
        let there: BTreeSet<String> = found.iter().map(|(resource, item)| title(resource, item)).collect();
        for component in scope.components.difference(&there) {
            let (resource, name) = kinds.component(component)?;
            found.extend(self.get(resource, name).await?.map(|object| (resource.clone(), object)));
        }
        Ok(found)
    }

    /// Where nothing of ours is expected, an account that may not look has put nothing there either.
    pub(super) async fn ours_of(
        &self,
        resource: ApiResource,
        needed: bool,
    ) -> Result<(ApiResource, List<Value>), ClusterError> {
        let selector = ours(&self.owner().service);
        match self.list::<Value>(&resource, Some(&selector)).await {
            Err(ClusterError::Denied { .. }) if !needed => Ok((resource, List::empty())),
            list => list.map(|list| (resource, list)),
        }
    }

    /// Only ever upwards. None where it went meanwhile. An answer that did not come is looked up: raising is idempotent.
    async fn raise(
        &self,
        resource: ApiResource,
        mut value: Value,
        fence: i64,
    ) -> Result<Option<Value>, ClusterError> {
        let resource = &resource;
        let name = object::name(&value).to_string();
        let end = Instant::now() + RAISE_LIMIT;
        loop {
            check_fence(&title(resource, &value), &value, Some(fence))?;
            if object::fence(&value) == Some(fence) {
                return Ok(Some(value));
            }
            let failed = match self.patch_fence(resource, &value, fence).await {
                Ok(raised) => return Ok(Some(raised)),
                Err(No::Said(Meaning::NotFound, _)) => return Ok(None),
                Err(No::Said(Meaning::Conflict, _)) => {
                    ClusterError::Stale { object: title(resource, &value) }
                }
                Err(No::Failed(failed @ ClusterError::NoAnswer { .. })) => failed,
                Err(No::Said(Meaning::Forbidden, status)) => {
                    let about = About::new("raise the fence of", &resource.kind, &name);
                    return Err(self.forbidden(about, "patch", resource, &status).await);
                }
                Err(no) => {
                    return Err(no.into_error(About::new("raise the fence of", &resource.kind, &name)));
                }
            };
            if Instant::now() > end {
                let what = format!("raise the fence of {}/{name}", resource.kind);
                return Err(ClusterError::Unreachable { what, why: failed.to_string() });
            }
            match self.get(resource, &name).await? {
                Some(now) => value = now,
                None => return Ok(None),
            }
        }
    }

    async fn patch_fence(&self, resource: &ApiResource, value: &Value, fence: i64) -> Result<Value, No> {
        let about = About::new("raise the fence of", &resource.kind, object::name(value));
        let url = format!("{}/{}?fieldManager={FENCE_MANAGER}", self.path(resource), object::name(value));
        let patch = json!({ "metadata": {
            "uid": object::uid(value),
            "resourceVersion": object::version(value),
            "annotations": { FENCE: fence.to_string() },
        } });
        let make = || body(http::Request::patch(&url), "application/merge-patch+json", &patch);
        self.write(&about, &make).await
    }
}

impl<T> List<T> {
    fn empty() -> List<T> {
        List { items: Vec::new(), version: String::new() }
    }
}
