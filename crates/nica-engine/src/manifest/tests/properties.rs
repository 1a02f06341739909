//! What holds whatever the objects are: the order of the input means nothing, a changed value changes its users and
//! nobody else, and no document is a panic.

use super::*;
use proptest::prelude::*;

/// A set of objects: each workload uses the configurations whose bit is set.
fn set(uses: &[u8], levels: &[String]) -> Vec<Value> {
    let configs = levels.iter().enumerate().map(|(n, level)| config_map(&format!("c{n}"), level));
    let workloads = uses.iter().enumerate().map(|(n, bits)| {
        let used = (0..levels.len()).filter(|c| bits >> c & 1 == 1);
        let from: Vec<Value> = used.map(|c| json!({ "configMapRef": { "name": format!("c{c}") } })).collect();
        deployment(&format!("d{n}"), "backend", json!({ "envFrom": from }))
    });
    configs.chain(workloads).collect()
}

fn sets() -> impl Strategy<Value = (Vec<u8>, Vec<String>)> {
    (prop::collection::vec(0u8..8, 1..4), prop::collection::vec("[a-z]{1,3}", 3))
}

proptest! {
    #[test]
    fn rendering_does_not_depend_on_the_order((uses, levels) in sets(), seed in any::<u64>()) {
        let objects = set(&uses, &levels);
        let mut shuffled = objects.clone();
        shuffled.sort_by_cached_key(|o| Digest::of_value(&(seed, o)));
        let expected = rendered(&objects).unwrap();
        prop_assert_eq!(&rendered(&objects).unwrap(), &expected);
        prop_assert_eq!(&rendered(&shuffled).unwrap(), &expected);
    }

    /// Exactly one ConfigMap gets another name, exactly its users another configuration.
    #[test]
    fn a_changed_value_changes_its_users_alone((uses, levels) in sets(), at in 0usize..3) {
        let before = rendered(&set(&uses, &levels)).unwrap();
        let mut changed = levels.clone();
        changed[at].push('!');
        let after = rendered(&set(&uses, &changed)).unwrap();
        let is_used = uses.iter().any(|bits| bits >> at & 1 == 1);
        let lost = names(&before).iter().filter(|n| !names(&after).contains(n)).count();
        prop_assert_eq!(lost, usize::from(is_used));
        for (n, bits) in uses.iter().enumerate() {
            let of = |r: &Rendered| by(r, &format!("Deployment/d{n}")).applied.digest.clone();
            prop_assert_eq!(of(&before) != of(&after), bits >> at & 1 == 1);
        }
    }

    /// Whatever stands in a document, rendering ends with objects or refusals.
    #[test]
    fn nothing_in_a_document_is_a_panic(kind in "(Deployment|Job|DaemonSet|CronJob|Secret|ConfigMap|Ingress)",
                                        at in prop::sample::select(POINTERS), junk in junk()) {
        let spec = json!({ "template": { "metadata": {}, "spec": { "containers": [{ "image": "x" }], "volumes": [] } },
                           "jobTemplate": { "spec": { "template": { "spec": {} } } } });
        let mut object = object("v1", &kind, "o", json!({ "spec": spec, "data": {} }));
        if let Some(place) = object.pointer_mut(at) {
            *place = junk;
        }
        let _ = rendered(&[object]);
    }
}

const POINTERS: &[&str] = &[
    "",
    "/metadata",
    "/metadata/name",
    "/spec",
    "/data",
    "/spec/template",
    "/spec/template/metadata",
    "/spec/template/spec",
    "/spec/template/spec/containers",
    "/spec/template/spec/containers/0",
    "/spec/template/spec/containers/0/image",
    "/spec/template/spec/volumes",
    "/spec/jobTemplate",
    "/spec/jobTemplate/spec/template/spec",
];

fn junk() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(1),
        json!("text"),
        json!([]),
        json!([1]),
        json!({}),
        json!(true),
    ])
}
