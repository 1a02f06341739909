//! Objects beside what is made of them, field by field: images, names of sessions, references, replicas, order.
//! What must be refused stands in `refusals`.

use super::*;

fn configuration(object: &Object) -> &Value {
    &object.applied.configuration
}

#[test]
fn a_deployment_gets_its_image_by_digest_and_the_name_of_its_sessions() {
    let deployment = deployment("nica-backend", "backend", json!({ "env": [{ "name": "A", "value": "1" }] }));
    let rendered = rendered(&[deployment]).unwrap();
    let backend = by(&rendered, "Deployment/nica-backend");
    assert_eq!((backend.kind, backend.applied.replicas, backend.waits), (ComponentKind::Workload, 3, true));
    let expected = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "nica-backend",
            "namespace": "shop",
        },
        "spec": {
            "replicas": 3,
            "selector": { "matchLabels": { "app": "nica-backend" } },
            "template": {
                "metadata": { "labels": { "app": "nica-backend" } },
                "spec": { "containers": [{
                    "name": "main",
                    "image": format!("registry.example/nica-backend@sha256:{}", digest(2).as_str()),
                    "env": [
                        { "name": "NICA_GENERATION",
                          "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['nica/generation']" } } },
                        { "name": "PGAPPNAME", "value": "nica/nica-backend/$(NICA_GENERATION)" },
                        { "name": "A", "value": "1" },
                    ],
                }] },
            },
        },
    });
    assert_eq!(*configuration(backend), expected);
    assert_eq!(backend.applied.digest, Digest::of_value(&expected));
}

#[test]
fn every_kind_that_has_pods_is_reached() {
    let spec = json!({ "containers": [{ "name": "c", "image": "registry.example/nica-backend" }] });
    let cron = json!({ "jobTemplate": { "spec": { "template": { "spec": spec } } } });
    let plain = json!({ "template": { "spec": spec } });
    for (api, kind, spec, pointer) in [
        ("apps/v1", "Deployment", &plain, "/spec/template/spec"),
        ("apps/v1", "StatefulSet", &plain, "/spec/template/spec"),
        ("apps/v1", "DaemonSet", &plain, "/spec/template/spec"),
        ("batch/v1", "Job", &plain, "/spec/template/spec"),
        ("batch/v1", "CronJob", &cron, "/spec/jobTemplate/spec/template/spec"),
    ] {
        let rendered = rendered(&[object(api, kind, "w", json!({ "spec": spec }))]).unwrap();
        let pods = configuration(by(&rendered, kind)).pointer(pointer).unwrap();
        assert!(pods["containers"][0]["image"].as_str().unwrap().contains("@sha256:"), "{kind}");
        assert_eq!(pods["containers"][0]["env"][1]["value"], "nica/w/$(NICA_GENERATION)", "{kind}");
    }
}

#[test]
fn what_is_asked_for_and_waited_for() {
    let check = |api: &str, kind: &str, spec: Value, replicas: u32, waits: bool| {
        let rendered = rendered(&[object(api, kind, "w", json!({ "spec": spec }))]).unwrap();
        let made = by(&rendered, kind);
        assert_eq!((made.applied.replicas, made.waits), (replicas, waits), "{kind} {spec}");
        let inert = made.inert.as_ref().expect("a workload is born inert");
        assert_eq!(inert.replicas, 0);
        assert_eq!(inert.configuration["metadata"]["annotations"]["nica/inert"], "true");
        let runs_nothing = match kind {
            "Deployment" | "StatefulSet" => inert.configuration["spec"]["replicas"] == 0,
            "DaemonSet" => {
                inert.configuration["spec"]["template"]["spec"]["nodeSelector"]["nica/inert"] == "true"
            }
            _ => inert.configuration["spec"]["suspend"] == true,
        };
        assert!(runs_nothing, "{kind}: {}", inert.configuration);
        assert_ne!(inert.digest, made.applied.digest, "the inert {kind} is another configuration");
    };
    check("apps/v1", "Deployment", json!({}), 1, true);
    check("apps/v1", "StatefulSet", json!({ "replicas": 4 }), 4, true);
    check("apps/v1", "Deployment", json!({ "replicas": 0 }), 0, false);
    check("apps/v1", "DaemonSet", json!({ "template": { "spec": {} } }), 1, true);
    check("batch/v1", "Job", json!({}), 1, true);
    check("batch/v1", "Job", json!({ "suspend": true }), 0, false);
    check("batch/v1", "CronJob", json!({}), 1, false);
    check("batch/v1", "CronJob", json!({ "suspend": true }), 0, false);
    let plain = rendered(&[object("apps/v1", "Deployment", "w", json!({ "spec": {} }))]).unwrap();
    assert_eq!(configuration(&plain.objects[0])["spec"]["replicas"], 1);
}

#[test]
fn where_an_autoscaler_rules_replicas_are_not_applied_and_its_minimum_is_waited_for() {
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" });
    let scaler =
        |spec: Value| object("autoscaling/v2", "HorizontalPodAutoscaler", "h", json!({ "spec": spec }));
    for (spec, minimum) in [
        (json!({ "scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 8 }), 2),
        (json!({ "scaleTargetRef": target, "maxReplicas": 8 }), 1),
    ] {
        let rendered = rendered(&[deployment("d", "backend", json!({})), scaler(spec)]).unwrap();
        let ruled = by(&rendered, "Deployment/d");
        assert_eq!(ruled.applied.replicas, minimum);
        assert_eq!(configuration(ruled)["spec"].get("replicas"), None);
    }
    let another = json!({ "scaleTargetRef": { "kind": "StatefulSet", "name": "d" } });
    let rendered = rendered(&[deployment("d", "backend", json!({})), scaler(another)]).unwrap();
    assert_eq!(by(&rendered, "Deployment/d").applied.replicas, 3);
}

#[test]
fn every_reference_follows_the_new_name() {
    let key = |kind: &str, name: &str, key: &str| json!({ "name": "V", "valueFrom": { kind: { "name": name, "key": key } } });
    let container = json!({
        "env": [key("configMapKeyRef", "c", "LOG_LEVEL"), key("secretKeyRef", "nica-secrets", "database_url")],
        "envFrom": [{ "configMapRef": { "name": "c" } }, { "secretRef": { "name": "nica-secrets" } }],
    });
    let mut deployment = deployment("d", "backend", container.clone());
    let pods = &mut deployment["spec"]["template"]["spec"];
    pods["initContainers"] = json!([{ "name": "before", "image": "registry.example/nica-backend",
        "envFrom": container["envFrom"] }]);
    pods["imagePullSecrets"] = json!([{ "name": "pull" }, { "name": "nica-secrets" }]);
    pods["volumes"] = json!([
        { "name": "a", "configMap": { "name": "c" } },
        { "name": "b", "secret": { "secretName": "nica-secrets" } },
        { "name": "p", "projected": { "sources": [
            { "configMap": { "name": "c", "items": [{ "key": "LOG_LEVEL", "path": "l" }] } },
            { "secret": { "name": "nica-secrets" } },
            { "secret": { "name": "theirs" } } ] } },
    ]);
    let rendered = with_secret(&[config_map("c", "info"), deployment], "s1").unwrap();
    let (config, secret) = (
        &by(&rendered, "ConfigMap/c-").component[10..],
        &by(&rendered, "Secret/nica-secrets-").component[7..],
    );
    let pods = &configuration(by(&rendered, "Deployment/d"))["spec"]["template"]["spec"];
    let main = &pods["containers"][0];
    assert_eq!(main["env"][2]["valueFrom"]["configMapKeyRef"]["name"], config);
    assert_eq!(main["env"][3]["valueFrom"]["secretKeyRef"]["name"], secret);
    for container in [main, &pods["initContainers"][0]] {
        assert_eq!(
            container["envFrom"],
            json!([{ "configMapRef": { "name": config } }, { "secretRef": { "name": secret } }])
        );
    }
    assert_eq!(pods["imagePullSecrets"], json!([{ "name": "pull" }, { "name": secret }]));
    assert_eq!(pods["volumes"][0]["configMap"]["name"], config);
    assert_eq!(pods["volumes"][1]["secret"]["secretName"], secret);
    let projected = &pods["volumes"][2]["projected"]["sources"];
    assert_eq!(projected[0]["configMap"]["name"], config);
    assert_eq!(
        (&projected[1]["secret"]["name"], &projected[2]["secret"]["name"]),
        (&json!(secret), &json!("theirs"))
    );
    let needs: Vec<_> = rendered.needs.iter().map(|n| n.of.to_string()).collect();
    assert_eq!(needs, ["Secret/theirs"]);
}

#[test]
fn a_secret_names_its_values_and_holds_none() {
    let use_it = json!({ "envFrom": [{ "secretRef": { "name": "nica-secrets" } }] });
    let objects = [deployment("d", "backend", use_it)];
    let (one, two) = (with_secret(&objects, "k1").unwrap(), with_secret(&objects, "k2").unwrap());
    let secret = by(&one, "Secret/");
    assert_eq!(secret.kind, ComponentKind::Immutable);
    assert_eq!(secret.applied.secrets["database_url"], SecretName("k1".into()));
    assert_eq!(configuration(secret)["immutable"], true);
    assert_eq!(configuration(secret).get("data"), None);
    assert_ne!(secret.component, by(&two, "Secret/").component);
    assert_ne!(by(&one, "Deployment/d").applied.digest, by(&two, "Deployment/d").applied.digest);
}

#[test]
fn a_secret_that_nobody_refers_to_is_named_by_its_values_too() {
    let named = |value| names(&with_secret(&[], value).unwrap())[0].to_string();
    assert!(named("k1").starts_with("Secret/nica-secrets-"), "{}", named("k1"));
    assert_ne!(named("k1"), named("k2"));
}

#[test]
fn configuration_that_is_asked_for_by_name_keeps_it() {
    let unused = config_map("unused", "info");
    let mut kept = config_map("kept", "info");
    kept["metadata"]["annotations"] = json!({ "nica/keep-name": "true" });
    let mount = json!({ "envFrom": [{ "configMapRef": { "name": "kept" } }] });
    let rendered = rendered(&[unused, kept, deployment("d", "backend", mount)]).unwrap();
    assert_eq!(names(&rendered), ["ConfigMap/kept", "ConfigMap/unused", "Deployment/d"]);
    for o in &rendered.objects[..2] {
        assert_eq!((o.kind, configuration(o).get("immutable")), (ComponentKind::Passive, None));
    }
}

#[test]
fn a_job_with_another_image_is_another_job() {
    let job = |tag: &str| {
        let pods = json!({ "containers": [{ "name": "c", "image": "registry.example/nica-backend", "args": [tag] }] });
        object("batch/v1", "Job", "load", json!({ "spec": { "template": { "spec": pods } } }))
    };
    let (one, two) = (rendered(&[job("a")]).unwrap(), rendered(&[job("b")]).unwrap());
    assert!(one.objects[0].component.starts_with("Job/load-"));
    assert_ne!(one.objects[0].component, two.objects[0].component);
    assert_eq!((one.objects[0].kind, one.objects[0].waits), (ComponentKind::Workload, true));
}

#[test]
fn objects_come_in_the_order_in_which_they_are_created() {
    let use_it = json!({ "envFrom": [{ "configMapRef": { "name": "c" } }] });
    let rendered = rendered(&[
        deployment("a-worker", "backend", json!({})),
        deployment("z-site", "frontend", use_it),
        object("autoscaling/v2", "HorizontalPodAutoscaler", "h", json!({})),
        object("v1", "Service", "s", json!({})),
        object("v1", "ServiceAccount", "z", json!({})),
        config_map("c", "info"),
        object("batch/v1", "CronJob", "later", json!({ "spec": {} })),
    ])
    .unwrap();
    let config = by(&rendered, "ConfigMap/c-").component.as_str();
    let expected = [
        config,
        "ServiceAccount/z",
        "Service/s",
        "HorizontalPodAutoscaler/h",
        "Deployment/z-site",
        "Deployment/a-worker",
        "CronJob/later",
    ];
    assert_eq!(names(&rendered), expected);
    assert_eq!(rendered.objects.last().map(|o| o.waits), Some(false));
}

#[test]
fn sessions_fit_into_what_postgres_keeps() {
    let name = "n".repeat(60);
    let rendered = rendered(&[deployment(&name, "backend", json!({}))]).unwrap();
    let env = &configuration(&rendered.objects[0])["spec"]["template"]["spec"]["containers"][0]["env"];
    let session = env[1]["value"].as_str().unwrap().replace("$(NICA_GENERATION)", "0123456789ab");
    assert_eq!(session.len(), 63);
    assert!(session.starts_with("nica/nnn") && session.ends_with("/0123456789ab"), "{session}");
}

#[test]
fn lists_are_their_items_and_empty_documents_nothing() {
    let service = |name: &str| object("v1", "Service", name, json!({}));
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [service("a"), service("b")] });
    let typed = json!({ "apiVersion": "v1", "kind": "ServiceList", "items": null });
    let wish_list = object("shop.example.org/v1", "WishList", "w", json!({ "spec": {} }));
    let flat = flatten(vec![Value::Null, list, typed, wish_list.clone()]);
    assert_eq!(flat, [service("a"), service("b"), wish_list]);
}

#[test]
fn fields_without_a_value_are_not_applied() {
    let mut service = object("v1", "Service", "s", json!({ "spec": { "clusterIP": null }, "status": {} }));
    service["metadata"]["creationTimestamp"] = Value::Null;
    let rendered = rendered(&[service]).unwrap();
    let applied = configuration(&rendered.objects[0]);
    assert_eq!(applied["spec"], json!({}));
    assert_eq!((applied.get("status"), applied["metadata"].get("creationTimestamp")), (None, None));
}

#[test]
fn a_plan_takes_what_was_rendered_and_the_records_keep_it() {
    let rendered = rendered(&[config_map("c", "info"), deployment("d", "backend", json!({}))]).unwrap();
    let planned = rendered.planned();
    let kept = rendered.configurations();
    let kinds: Vec<_> = planned.iter().map(|o| (o.component.as_str(), o.desired.kind)).collect();
    let expected = [("ConfigMap/c", ComponentKind::Passive), ("Deployment/d", ComponentKind::Workload)];
    assert_eq!(kinds, expected);
    let inert = planned[1].inert.as_ref().unwrap();
    assert_eq!((planned[1].desired.replicas, inert.replicas), (3, 0));
    assert_ne!(planned[1].desired.generation(), inert.generation());
    for desired in [&planned[0].desired, &planned[1].desired, inert] {
        assert_eq!(Digest::of_value(kept[&desired.digest]), desired.digest);
    }
}

#[test]
fn a_port_is_no_tag() {
    let repository = "localhost:5000/nica-backend";
    let images = [Image { component: "backend".into(), repository: repository.into(), digest: digest(7) }];
    let facts = Facts { service: "nica", namespace: "shop", images: &images, secrets: &BTreeMap::new() };
    let by_digest = format!("{repository}@sha256:{}", digest(7).as_str());
    for image in [repository, "localhost:5000/nica-backend:2026.11.3", by_digest.as_str()] {
        let rendered = render(&[deployment("d", "backend", json!({ "image": image }))], &facts).unwrap();
        let pods = &configuration(&rendered.objects[0])["spec"]["template"]["spec"];
        assert_eq!(pods["containers"][0]["image"], by_digest, "{image}");
    }
}
