//! The anchor: a ConfigMap that owns what a run creates.
//!
//! A create that arrives when the run has settled names an owner that is gone, and the collector takes it away. Going
//! forward the anchor leaves without what it owns; going back it takes that with it.

use super::api::{About, No};
use super::error::{ClusterError, Meaning};
use super::names::{ENVIRONMENT, FENCE, MANAGED_BY, MANAGER, RUN, SERVICE};
use super::write::Order;
use super::{Cluster, object};
use kube::core::discovery::ApiResource;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const KIND: &str = "ConfigMap";

/// An anchor that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorSeen {
    pub uid: String,
    pub resource_version: String,
    /// It is being deleted; what it owns goes or stays, as was asked.
    pub going: bool,
}

/// What becomes of what it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It stays.
    Orphan,
    /// It goes first.
    Foreground,
}

/// Which anchor, by its run.
#[derive(Clone, Copy, Debug)]
pub struct Anchor<'a> {
    pub run: &'a str,
    pub fence: i64,
}

/// The name of a run's anchor.
pub(super) fn name(run: &str) -> String {
    format!("nica-run-{run}")
}

pub(super) fn is_anchor(object: &Value) -> bool {
    object::annotation(object, RUN).is_some()
}

pub(super) fn anchors(objects: &BTreeMap<String, Value>) -> BTreeMap<String, AnchorSeen> {
    let anchors = objects.values().filter(|object| is_anchor(object));
    anchors
        .map(|object| (object::annotation(object, RUN).unwrap_or_default().to_string(), seen(object)))
        .collect()
}

impl Cluster {
    /// The anchor is there; one of this run that was there already counts.
    pub async fn create_anchor(&self, anchor: Anchor<'_>) -> Result<AnchorSeen, ClusterError> {
        let resource = self.kinds().await?.get(KIND)?;
        let name = name(anchor.run);
        let about = || About::new("create", KIND, &name);
        match self.post(resource, &name, &self.anchor_body(anchor, &name)).await {
            Ok(object) => Ok(seen(&object)),
            Err(No::Said(Meaning::AlreadyExists, _)) => match self.get(resource, &name).await? {
                Some(object) if object::is_going(&object) => {
                    Err(ClusterError::Vanished { object: about().what })
                }
                Some(object) if object::annotation(&object, RUN) == Some(anchor.run) => Ok(seen(&object)),
                Some(_) => {
                    let owner = "is no anchor of this run".to_string();
                    Err(ClusterError::Foreign { object: format!("{KIND}/{name}"), owner })
                }
                None => Err(ClusterError::Vanished { object: about().what }),
            },
            Err(No::Said(Meaning::Forbidden, status)) => {
                Err(self.forbidden(about(), "create", resource, &status).await)
            }
            Err(no) => Err(no.into_error(about())),
        }
    }

    fn anchor_body(&self, anchor: Anchor<'_>, name: &str) -> Value {
        let owner = self.owner();
        let mut body = json!({
            "apiVersion": "v1",
            "kind": KIND,
            "metadata": {
                "name": name,
                "labels": { MANAGED_BY: MANAGER, SERVICE: owner.service },
                "annotations": { RUN: anchor.run, FENCE: anchor.fence.to_string() },
            },
        });
        if let Some(env_id) = &owner.env_id {
            body["metadata"]["annotations"][ENVIRONMENT] = json!(env_id);
        }
        body
    }

    /// Asks for the anchor to go. It is gone when an observation no longer has it.
    pub async fn release_anchor(
        &self,
        run: &str,
        seen: &AnchorSeen,
        release: Release,
    ) -> Result<(), ClusterError> {
        let policy = match release {
            Release::Orphan => "Orphan",
            Release::Foreground => "Foreground",
        };
        let component = format!("{KIND}/{}", name(run));
        let order = Order { component: &component, uid: &seen.uid, resource_version: &seen.resource_version };
        self.delete(order, policy).await
    }

    /// Anchors of runs that are no longer open: they arrived late. What one of them should own after all stays.
    pub(super) async fn sweep_anchors(
        &self,
        objects: &[(ApiResource, Value)],
        open: Option<&str>,
    ) -> Result<(), ClusterError> {
        for (_, object) in objects.iter().filter(|(_, object)| is_anchor(object) && !object::is_going(object))
        {
            let run = object::annotation(object, RUN).unwrap_or_default();
            if Some(run) != open {
                tracing::info!(
                    run.id = run,
                    "an anchor that arrived after its run had settled is taken away"
                );
                match self.release_anchor(run, &seen(object), Release::Orphan).await {
                    Ok(()) | Err(ClusterError::Stale { .. } | ClusterError::Vanished { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

fn seen(object: &Value) -> AnchorSeen {
    AnchorSeen {
        uid: object::uid(object).to_string(),
        resource_version: object::version(object).to_string(),
        going: object::is_going(object),
    }
}
