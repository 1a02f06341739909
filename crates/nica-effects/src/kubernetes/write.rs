//! Writes: each names the object that it was decided on, by uid and version, so that a late or doubled one is refused.
//!
//! Server-side apply would create what is not there; the uid in its body forbids that. What is new is created by POST and
//! belongs to the run's anchor.

use super::admit::check_fence;
use super::anchor::{Anchor, AnchorSeen, Release};
use super::api::{About, No, as_manager, body};
use super::error::{ClusterError, Meaning};
use super::managed::{Conflict, conflicts, converted};
use super::names::{FENCE, MANAGER};
use super::observe::{Kept, owner};
use super::stamp::{Stamp, stamped};
use super::{Cluster, object};
use kube::core::discovery::ApiResource;
use nica_engine::Desired;
use nica_engine::release::ComponentKind;
use nica_engine::world::Owner;
use serde_json::{Value, json};

/// An object as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// `Kind/name`
    pub component: &'a str,
    pub uid: &'a str,
    pub resource_version: &'a str,
}

/// What a component is asked to be, and who asks.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// `Kind/name`
    pub component: &'a str,
    pub desired: &'a Desired,
    /// The applied configuration that `desired` names by digest.
    pub configuration: &'a Value,
    pub fence: i64,
}

/// What a write left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub uid: String,
    pub resource_version: String,
    /// Fields that another manager owned and that are ours now.
    pub conflicts: Vec<Conflict>,
}

/// Which object and version a write is decided on.
#[derive(Clone, Copy)]
struct On<'a> {
    resource: &'a ApiResource,
    name: &'a str,
    uid: &'a str,
}

impl Cluster {
    /// Ask for a component in this state: server-side apply of its whole configuration, on what was read.
    pub async fn set(&self, wanted: Wanted<'_>, kept: &Kept) -> Result<Written, ClusterError> {
        let kinds = self.kinds().await?;
        let (resource, _) = kinds.of_configuration(wanted.component, wanted.configuration)?;
        let (_, name) = kinds.component(wanted.component)?;
        let on = On { resource: &resource, name, uid: &kept.uid };
        let version = match converted(&kept.fields) {
            Some(fields) => self.convert(on, &fields, &kept.resource_version).await?,
            None => kept.resource_version.clone(),
        };
        let mut body = self.stamped(wanted, Some(kept))?;
        body["metadata"]["uid"] = json!(kept.uid);
        body["metadata"]["resourceVersion"] = json!(version);
        let set = match self.take(on, &body).await {
            // An apply removes nothing that others added to a list, and then it may not fit beside ours any more.
            Err(No::Said(Meaning::Refused, _)) if kept.drifted => self.put_back(on, &body).await,
            set => set,
        };
        match set {
            Ok(written) => Ok(written),
            Err(no) => Err(self.sort("apply", on, no).await),
        }
    }

    /// Apply; where others own a field of it, take it, and tell.
    async fn take(&self, on: On<'_>, body: &Value) -> Result<Written, No> {
        let (object, conflicts) = match self.apply(on, body, false).await {
            Err(No::Said(Meaning::FieldConflict, status)) => {
                (self.apply(on, body, true).await?, conflicts(&status))
            }
            applied => (applied?, Vec::new()),
        };
        Ok(Written { conflicts, ..Written::of(&object) })
    }

    /// A merge patch puts whole lists in the place of what somebody made of them; its fields are taken over like a
    /// create's.
    async fn put_back(&self, on: On<'_>, value: &Value) -> Result<Written, No> {
        let about = About::new("put back", &on.resource.kind, on.name);
        let url = format!("{}/{}?fieldManager={MANAGER}", self.path(on.resource), on.name);
        let make = || body(http::Request::patch(&url), "application/merge-patch+json", value);
        let object = self.write(&about, &make).await?;
        Ok(self.adopt_fields(on.resource, on.name, &object).await?)
    }

    /// Create a component that is new in this run, owned by the run's anchor; a workload's configuration is the
    /// inert one. One that this very run made before counts.
    pub async fn create(
        &self,
        wanted: Wanted<'_>,
        anchor: (&str, &AnchorSeen),
    ) -> Result<Written, ClusterError> {
        let kinds = self.kinds().await?;
        let (resource, _) = kinds.of_configuration(wanted.component, wanted.configuration)?;
        let (_, name) = kinds.component(wanted.component)?;
        let mut body = self.stamped(wanted, None)?;
        body["metadata"]["annotations"][FENCE] = json!(wanted.fence.to_string());
        body["metadata"]["ownerReferences"] = belongs_to(anchor);
        match self.post(&resource, name, &body).await {
            Ok(object) => return self.adopt_fields(&resource, name, &object).await,
            Err(No::Said(Meaning::AlreadyExists, _)) => {}
            Err(no) => return Err(self.sort("create", On { resource: &resource, name, uid: "" }, no).await),
        }
        let stale = || ClusterError::Stale { object: wanted.component.to_string() };
        let there = self.get(&resource, name).await?.ok_or_else(stale)?;
        check_fence(wanted.component, &there, Some(wanted.fence))?;
        match owner(&there, (Some(&anchor.1.uid), self.owner().env_id.as_deref())) {
            // Collected soon: the next look waits for it.
            _ if object::is_going(&there) => Err(stale()),
            Owner::Other => Err(stale()),
            Owner::Anchor => self.adopt_fields(&resource, name, &there).await,
            Owner::Nobody | Owner::Stranger if is_content(&there, wanted.desired) => Ok(Written::of(&there)),
            Owner::Nobody | Owner::Stranger => {
                let owner = "was made by no run".to_string();
                Err(ClusterError::Foreign { object: wanted.component.to_string(), owner })
            }
        }
    }

    /// Put back a component that somebody deleted. It must not go with the run's anchor, being the baseline's, and must
    /// not come late: so it belongs to an anchor of its own until it is there. Whoever is admitted next takes away an
    /// anchor that was left, and leaves what it owns; a create that comes after that is collected.
    pub async fn restore(&self, wanted: Wanted<'_>, run: &str) -> Result<Written, ClusterError> {
        let run = &format!("{run}-back");
        let anchor = self.create_anchor(Anchor { run, fence: wanted.fence }).await?;
        let written = self.restored(wanted, (run, &anchor)).await?;
        // Whatever else it owns was freed before by name; waiting is the next admission's, too.
        match self.release_anchor(run, &anchor, Release::Orphan).await {
            Ok(()) | Err(ClusterError::Stale { .. } | ClusterError::Vanished { .. }) => Ok(written),
            Err(error) => Err(error),
        }
    }

    async fn restored(
        &self,
        wanted: Wanted<'_>,
        anchor: (&str, &AnchorSeen),
    ) -> Result<Written, ClusterError> {
        let kinds = self.kinds().await?;
        let (resource, _) = kinds.of_configuration(wanted.component, wanted.configuration)?;
        let (_, name) = kinds.component(wanted.component)?;
        let mut body = self.stamped(wanted, None)?;
        body["metadata"]["annotations"][FENCE] = json!(wanted.fence.to_string());
        body["metadata"]["ownerReferences"] = belongs_to(anchor);
        match self.post(&resource, name, &body).await {
            Ok(object) => {
                let freed = self.free(&resource, name, &object).await?;
                self.adopt_fields(&resource, name, &freed).await
            }
            // It is back already, or another stands there: the next look decides.
            Err(No::Said(Meaning::AlreadyExists, _)) => {
                Err(ClusterError::Stale { object: wanted.component.to_string() })
            }
            Err(no) => Err(self.sort("create", On { resource: &resource, name, uid: "" }, no).await),
        }
    }

    /// Take its owner from what was just created. The collector would do it when the anchor goes, if it knew of the object
    /// by then: its own watch may be behind.
    async fn free(&self, resource: &ApiResource, name: &str, there: &Value) -> Result<Value, ClusterError> {
        let about = About::new("free", &resource.kind, name);
        let url = format!("{}/{name}?fieldManager={MANAGER}", self.path(resource));
        let patch = json!([
            { "op": "test", "path": "/metadata/uid", "value": object::uid(there) },
            { "op": "remove", "path": "/metadata/ownerReferences" },
        ]);
        let make = || body(http::Request::patch(&url), "application/json-patch+json", &patch);
        match self.write(&about, &make).await {
            Ok(freed) => Ok(freed),
            Err(no) => Err(self.sort("free", On { resource, name, uid: object::uid(there) }, no).await),
        }
    }

    /// Take a component away. One that is gone already is done.
    pub async fn remove(&self, order: Order<'_>) -> Result<(), ClusterError> {
        self.delete(order, "Foreground").await
    }

    fn stamped(&self, wanted: Wanted<'_>, kept: Option<&Kept>) -> Result<Value, ClusterError> {
        let namespace = object::text(wanted.configuration, "/metadata/namespace");
        if namespace.is_some_and(|namespace| namespace != self.namespace()) {
            let why = format!("it names another namespace than {}", self.namespace());
            return Err(ClusterError::Configuration { object: wanted.component.to_string(), why });
        }
        let stamp = Stamp { component: wanted.component, desired: wanted.desired, owner: self.owner() };
        Ok(stamped(wanted.configuration, stamp, kept))
    }

    /// Right after a create, so that later applies own its fields. One that is lost is made up for by the next `set`.
    async fn adopt_fields(
        &self,
        resource: &ApiResource,
        name: &str,
        there: &Value,
    ) -> Result<Written, ClusterError> {
        let kept = Kept::of(there, &resource.kind);
        let Some(fields) = converted(&kept.fields) else { return Ok(Written::of(there)) };
        let on = On { resource, name, uid: &kept.uid };
        match self.convert(on, &fields, &kept.resource_version).await {
            Ok(resource_version) => Ok(Written { resource_version, ..Written::of(there) }),
            // A controller wrote its status meanwhile. What was asked for is there.
            Err(ClusterError::Stale { .. }) => Ok(Written::of(there)),
            Err(error) => Err(error),
        }
    }

    async fn convert(&self, on: On<'_>, fields: &[Value], version: &str) -> Result<String, ClusterError> {
        let about = About::new("take over the fields of", &on.resource.kind, on.name);
        let url = format!("{}/{}?fieldManager={MANAGER}", self.path(on.resource), on.name);
        let patch = json!([
            { "op": "replace", "path": "/metadata/uid", "value": on.uid },
            { "op": "replace", "path": "/metadata/resourceVersion", "value": version },
            { "op": "replace", "path": "/metadata/managedFields", "value": fields },
        ]);
        let make = || body(http::Request::patch(&url), "application/json-patch+json", &patch);
        match self.write(&about, &make).await {
            Ok(object) => Ok(object::version(&object).to_string()),
            Err(no) => Err(self.sort("take over the fields of", on, no).await),
        }
    }

    async fn apply(&self, on: On<'_>, value: &Value, force: bool) -> Result<Value, No> {
        let about = About::new("apply", &on.resource.kind, on.name);
        let url = format!("{}/{}?{}", self.path(on.resource), on.name, as_manager(force));
        let make = || body(http::Request::patch(&url), "application/apply-patch+yaml", value);
        self.write(&about, &make).await
    }

    pub(super) async fn post(&self, resource: &ApiResource, name: &str, value: &Value) -> Result<Value, No> {
        let about = About::new("create", &resource.kind, name);
        let url = format!("{}?fieldManager={MANAGER}&fieldValidation=Strict", self.path(resource));
        let make = || body(http::Request::post(&url), "application/json", value);
        self.write(&about, &make).await
    }

    pub(super) async fn delete(&self, order: Order<'_>, propagation: &str) -> Result<(), ClusterError> {
        let (resource, name) = self.kinds().await?.component(order.component)?;
        let about = About::new("delete", &resource.kind, name);
        let url = format!("{}/{name}", self.path(resource));
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": { "uid": order.uid, "resourceVersion": order.resource_version },
        });
        let make = || body(http::Request::delete(&url), "application/json", &options);
        match self.write(&about, &make).await {
            Ok(_) | Err(No::Said(Meaning::NotFound, _)) => Ok(()),
            Err(no) => Err(self.sort("delete", On { resource, name, uid: order.uid }, no).await),
        }
    }

    /// A conflict has one code for two things: another version of the object, or another object.
    async fn sort(&self, verb: &str, on: On<'_>, no: No) -> ClusterError {
        let object = format!("{}/{}", on.resource.kind, on.name);
        let about = About::new(verb, &on.resource.kind, on.name);
        match no {
            No::Said(Meaning::Conflict | Meaning::NotFound, _) if !on.uid.is_empty() => {
                match self.get(on.resource, on.name).await {
                    Ok(Some(there)) if object::uid(&there) == on.uid => ClusterError::Stale { object },
                    Ok(_) => ClusterError::Vanished { object },
                    Err(error) => error,
                }
            }
            // Of a create: a quota was counted by two at once.
            No::Said(Meaning::Conflict, _) => ClusterError::Stale { object },
            No::Said(Meaning::Forbidden, status) => {
                let may = if verb == "create" || verb == "delete" { verb } else { "patch" };
                self.forbidden(about, may, on.resource, &status).await
            }
            no => no.into_error(about),
        }
    }
}

fn belongs_to((run, anchor): (&str, &AnchorSeen)) -> Value {
    json!([{
        "apiVersion": "v1",
        "kind": super::anchor::KIND,
        "name": super::anchor::name(run),
        "uid": anchor.uid,
        "blockOwnerDeletion": true,
    }])
}

impl Written {
    fn of(object: &Value) -> Written {
        let (uid, resource_version) = (object::uid(object).to_string(), object::version(object).to_string());
        Written { uid, resource_version, conflicts: Vec::new() }
    }
}

/// Immutable and the very same applied configuration: its name is its content, whoever made it.
fn is_content(there: &Value, desired: &Desired) -> bool {
    desired.kind == ComponentKind::Immutable && object::applied(there).as_ref() == Some(&desired.digest)
}
