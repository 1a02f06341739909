//! From Kubernetes objects as people write them to what a target is asked for.
//!
//! Input are plain objects, parsed elsewhere; output is one component per object, `Kind/name`, with the configuration
//! that is applied. Images stand in it by digest, configuration under a name of its content, so that a changed value
//! is another object and going back is asking for the older one. Every refusal is told at once. What stands on an
//! object only because of its own hash (its generation) is added by whoever sends it.

mod check;
mod content;
mod names;
mod object;
mod reference;
mod refusal;
mod scope;
mod workload;

use crate::canonical::Digest;
use crate::effect::{Desired, SecretName};
use crate::plan;
use crate::release::ComponentKind;
use content::Renamed;
use object::Raw;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub use names::{APPLIED, COMPONENT, FENCE, GENERATION, INERT, KEEP_NAME};
pub use object::{Name, flatten};
pub use reference::Need;
pub use refusal::{Refused, Why};

/// Where the objects go and what they are made with.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub service: &'a str,
    pub namespace: &'a str,
    /// In the order in which components roll.
    pub images: &'a [Image],
    /// Secret → key → content name of the value that the deployer holds.
    pub secrets: &'a BTreeMap<String, BTreeMap<String, SecretName>>,
}

/// What a component's containers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub component: String,
    /// `registry.example/nica-backend`, without tag and digest.
    pub repository: String,
    pub digest: Digest,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// `Deployment/nica-backend`.
    pub component: String,
    /// Workload, passive or immutable.
    pub kind: ComponentKind,
    pub applied: Applied,
    /// A new workload is created like this: it runs nothing.
    pub inert: Option<Applied>,
    /// There is something to wait for once it was asked for.
    pub waits: bool,
}

/// The configuration that is applied: all that was written, and nothing that follows from its hash.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    pub configuration: Value,
    /// Of the configuration's canonical JSON; what the records keep it under.
    pub digest: Digest,
    /// Replicas that are asked for: an autoscaler's minimum where one rules (then the configuration names none), 1 where
    /// the kind counts otherwise (DaemonSet, Job, CronJob), 0 for what runs nothing.
    pub replicas: u32,
    /// Of a Secret: its keys, with the content name of each value. Values stand nowhere.
    pub secrets: BTreeMap<String, SecretName>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Immutable, then passive, then workloads.
    pub objects: Vec<Object>,
    /// What the objects refer to and do not bring.
    pub needs: BTreeSet<Need>,
}

impl Rendered {
    /// As a plan takes them.
    pub fn planned(&self) -> Vec<plan::Object> {
        let planned = |o: &Object| plan::Object {
            component: o.component.clone(),
            desired: o.applied.desired(o.kind),
            inert: o.inert.as_ref().map(|inert| inert.desired(o.kind)),
            waits: o.waits,
        };
        self.objects.iter().map(planned).collect()
    }

    /// Every configuration that a run of these objects may apply, by its digest.
    pub fn configurations(&self) -> BTreeMap<&Digest, &Value> {
        let all = self.objects.iter().flat_map(|o| [Some(&o.applied), o.inert.as_ref()]);
        all.flatten().map(|a| (&a.digest, &a.configuration)).collect()
    }
}

impl Applied {
    /// The digest says everything else.
    fn desired(&self, kind: ComponentKind) -> Desired {
        Desired {
            kind,
            digest: self.digest.clone(),
            args: Vec::new(),
            config: BTreeMap::new(),
            secrets: self.secrets.clone(),
            replicas: self.replicas,
            listen: String::new(),
        }
    }
}

/// What is asked of the target for these objects. Their order does not matter.
///
/// # Errors
/// Everything that cannot be carried, in the order of the objects' names.
pub fn render(objects: &[Value], facts: &Facts<'_>) -> Result<Rendered, Vec<Refused>> {
    let (mut raw, mut refused) = check::all(objects, facts);
    content::add_secrets(&mut raw, facts);
    refused.extend(workload::prepare(&mut raw, facts));
    let (renamed, more) = content::rename(&mut raw, facts);
    refused.extend(more);
    if !refused.is_empty() {
        refused.sort();
        return Err(refused);
    }
    let ruled = workload::ruled(&raw);
    let needs = reference::needs(&mut raw);
    let mut rendered: Vec<Object> = raw.into_iter().map(|raw| object(raw, &renamed, &ruled)).collect();
    rendered.sort_by_cached_key(|o| (order(o.kind), rank(o, facts), o.component.clone()));
    Ok(Rendered { objects: rendered, needs })
}

fn object(raw: Raw, renamed: &Renamed, ruled: &BTreeMap<Name, u32>) -> Object {
    let name = raw.name();
    let (kind, component) = (kind(&name, renamed), name.to_string());
    let secrets = renamed.secrets.get(&name).cloned().unwrap_or_default();
    let mut value = raw.0;
    if kind == ComponentKind::Immutable {
        value["immutable"] = true.into();
    }
    if kind != ComponentKind::Workload {
        return Object { component, kind, applied: applied(value, 0, secrets), inert: None, waits: false };
    }
    let replicas = workload::replicas(&mut value, &name, ruled.get(&name).copied());
    let inert = Some(applied(workload::inert(&value), 0, BTreeMap::new()));
    let waits = replicas > 0 && name.kind != "CronJob";
    Object { component, kind, applied: applied(value, replicas, secrets), inert, waits }
}

fn applied(configuration: Value, replicas: u32, secrets: BTreeMap<String, SecretName>) -> Applied {
    Applied { digest: Digest::of_value(&configuration), configuration, replicas, secrets }
}

/// A Job is named by its content, because its pods cannot be changed, but it runs: it is a workload.
fn kind(name: &Name, renamed: &Renamed) -> ComponentKind {
    match name.kind.as_str() {
        kind if workload::KINDS.contains(&kind) => ComponentKind::Workload,
        _ if renamed.names.contains(name) => ComponentKind::Immutable,
        _ => ComponentKind::Passive,
    }
}

/// In which they are created.
fn order(kind: ComponentKind) -> usize {
    match kind {
        ComponentKind::Immutable => 0,
        ComponentKind::Passive => 1,
        ComponentKind::Workload | ComponentKind::Executable | ComponentKind::Image => 2,
    }
}

/// Workloads in the order of the components whose image they run, others by kind: accounts before what uses them.
fn rank(object: &Object, facts: &Facts<'_>) -> usize {
    const FIRST: [&str; 7] = [
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "PersistentVolumeClaim",
        "NetworkPolicy",
        "Service",
        "PodDisruptionBudget",
    ];
    let kind = object.component.split('/').next().unwrap_or_default();
    match object.kind {
        ComponentKind::Workload => workload::component(&object.applied.configuration, facts),
        _ => FIRST.iter().position(|k| *k == kind).unwrap_or(FIRST.len()),
    }
}

#[cfg(test)]
mod tests;
