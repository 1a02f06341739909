//! Golden renders and every refusal; what holds whatever the input stands in `properties`.

mod golden;
mod properties;
mod refusals;

use super::*;
use serde_json::json;

pub(super) fn digest(n: u8) -> Digest {
    Digest::of(&[n])
}

pub(super) fn images() -> Vec<Image> {
    let image = |component: &str, n| Image {
        component: component.into(),
        repository: format!("registry.example/nica-{component}"),
        digest: digest(n),
    };
    vec![image("frontend", 1), image("backend", 2)]
}

/// Renders with one secret whose values nica.toml names.
pub(super) fn with_secret(objects: &[Value], value: &str) -> Result<Rendered, Vec<Refused>> {
    let keys = BTreeMap::from([("database_url".to_string(), SecretName(value.into()))]);
    let secrets = BTreeMap::from([("nica-secrets".to_string(), keys)]);
    let facts = Facts { service: "nica", namespace: "shop", images: &images(), secrets: &secrets };
    render(objects, &facts)
}

pub(super) fn rendered(objects: &[Value]) -> Result<Rendered, Vec<Refused>> {
    let facts = Facts { service: "nica", namespace: "shop", images: &images(), secrets: &BTreeMap::new() };
    render(objects, &facts)
}

pub(super) fn object(api: &str, kind: &str, name: &str, rest: Value) -> Value {
    let mut object =
        json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name, "namespace": "shop" } });
    for (key, value) in rest.as_object().expect("a table is given") {
        object[key] = value.clone();
    }
    object
}

pub(super) fn config_map(name: &str, level: &str) -> Value {
    object("v1", "ConfigMap", name, json!({ "data": { "LOG_LEVEL": level } }))
}

/// A Deployment of one container with this environment and these volumes.
pub(super) fn deployment(name: &str, component: &str, container: Value) -> Value {
    let mut c = json!({ "name": "main", "image": format!("registry.example/nica-{component}:dev") });
    for (key, value) in container.as_object().expect("a table is given") {
        c[key] = value.clone();
    }
    let labels = json!({ "app": name });
    let template = json!({ "metadata": { "labels": labels }, "spec": { "containers": [c] } });
    let spec = json!({ "replicas": 3, "selector": { "matchLabels": labels }, "template": template });
    object("apps/v1", "Deployment", name, json!({ "spec": spec }))
}

pub(super) fn by<'r>(rendered: &'r Rendered, begin: &str) -> &'r Object {
    let found = rendered.objects.iter().find(|o| o.component.starts_with(begin));
    found.unwrap_or_else(|| panic!("{begin} is among {:?}", names(rendered)))
}

pub(super) fn names(rendered: &Rendered) -> Vec<&str> {
    rendered.objects.iter().map(|o| o.component.as_str()).collect()
}
