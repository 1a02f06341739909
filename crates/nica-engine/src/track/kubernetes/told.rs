//! What a watch delivers, read once: a change of one object, or the whole list with which a watch starts again.

use super::object::{Claim, Event, Meta, Pod, Workload, without_nulls};
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Is(Box<Object>),
    Gone(Box<Object>),
    /// The complete list of one kind: what is not in it does not exist any more.
    List(Kind, Vec<Object>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    Workload(Kind, Workload),
    Pod(Pod),
    Claim(Claim),
    Event(Event),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    Pod,
    Claim,
    Event,
}

#[derive(Debug, thiserror::Error)]
#[error("read a {kind} from its watch: {source}; its API version may be newer than this program")]
pub struct Unreadable {
    pub kind: String,
    source: serde_json::Error,
}

impl Kind {
    pub fn of(name: &str) -> Option<Kind> {
        Some(match name {
            "Deployment" => Kind::Deployment,
            "ReplicaSet" => Kind::ReplicaSet,
            "StatefulSet" => Kind::StatefulSet,
            "DaemonSet" => Kind::DaemonSet,
            "Job" => Kind::Job,
            "Pod" => Kind::Pod,
            "PersistentVolumeClaim" => Kind::Claim,
            "Event" => Kind::Event,
            _ => return None,
        })
    }

    /// As it is written in a line.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Deployment => "deployment",
            Kind::ReplicaSet => "replicaset",
            Kind::StatefulSet => "statefulset",
            Kind::DaemonSet => "daemonset",
            Kind::Job => "job",
            Kind::Pod => "pod",
            Kind::Claim => "claim",
            Kind::Event => "event",
        }
    }
}

impl Told {
    /// One line of a watch. None for bookmarks and for kinds that nobody judges.
    pub fn read(change: &str, object: &Value) -> Result<Option<Told>, Unreadable> {
        let Some(object) = Object::read(object)? else { return Ok(None) };
        Ok(match change {
            "ADDED" | "MODIFIED" => Some(Told::Is(Box::new(object))),
            "DELETED" => Some(Told::Gone(Box::new(object))),
            _ => None,
        })
    }

    pub fn list(kind: Kind, objects: &[Value]) -> Result<Told, Unreadable> {
        let read: Result<Vec<_>, _> = objects.iter().map(Object::read).collect();
        Ok(Told::List(kind, read?.into_iter().flatten().filter(|object| object.kind() == kind).collect()))
    }
}

impl Object {
    pub fn read(object: &Value) -> Result<Option<Object>, Unreadable> {
        let name = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let Some(kind) = Kind::of(name) else { return Ok(None) };
        Ok(Some(match kind {
            Kind::Pod => Object::Pod(parse(name, object)?),
            Kind::Claim => Object::Claim(parse(name, object)?),
            Kind::Event => Object::Event(parse(name, object)?),
            _ => Object::Workload(kind, parse(name, object)?),
        }))
    }

    pub fn kind(&self) -> Kind {
        match self {
            Object::Workload(kind, _) => *kind,
            Object::Pod(_) => Kind::Pod,
            Object::Claim(_) => Kind::Claim,
            Object::Event(_) => Kind::Event,
        }
    }

    pub fn meta(&self) -> &Meta {
        match self {
            Object::Workload(_, workload) => &workload.metadata,
            Object::Pod(pod) => &pod.metadata,
            Object::Claim(claim) => &claim.metadata,
            Object::Event(event) => &event.metadata,
        }
    }
}

fn parse<T: DeserializeOwned>(kind: &str, object: &Value) -> Result<T, Unreadable> {
    serde_json::from_value(without_nulls(object)).map_err(|source| Unreadable { kind: kind.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bookmarks_and_kinds_that_nobody_judges_are_nothing() {
        assert_eq!(Told::read("BOOKMARK", &json!({"kind": "Pod"})).unwrap(), None);
        assert_eq!(Told::read("ADDED", &json!({"kind": "Lease"})).unwrap(), None);
        assert!(Told::read("ADDED", &json!({"kind": "Pod"})).unwrap().is_some());
    }

    #[test]
    fn an_object_of_another_shape_is_refused_by_its_kind() {
        let refused = Told::read("ADDED", &json!({"kind": "Pod", "status": 3})).unwrap_err().to_string();
        assert!(refused.starts_with("read a Pod from its watch: "), "{refused}");
    }
}
