//! Each refusal with its code and its whole text, so that a next step that is lost or a value that is shown turns
//! a test red.

use super::*;

/// The refusals' names and texts, all of them.
fn check(objects: &[Value], expected: &[(&str, &str)]) {
    let refused = rendered(objects).expect_err("these objects cannot be carried");
    let told: Vec<_> = refused.iter().map(|r| (r.why.code(), r.to_string())).collect();
    let told: Vec<_> = told.iter().map(|(code, text)| (*code, text.as_str())).collect();
    assert_eq!(told, expected);
}

fn metadata(mut object: Value, field: &str, value: Value) -> Value {
    object["metadata"][field] = value;
    object
}

#[test]
fn what_is_no_object_is_told_by_its_place() {
    check(
        &[json!({ "kind": "Service" }), json!("text"), json!({ "apiVersion": "v1", "kind": "Service" })],
        &[
            (
                "manifest/no-object",
                "object 1: is no Kubernetes object: `apiVersion` is missing; every document needs apiVersion, kind and metadata.name",
            ),
            (
                "manifest/no-object",
                "object 2: is no Kubernetes object: `apiVersion` is missing; every document needs apiVersion, kind and metadata.name",
            ),
            (
                "manifest/no-object",
                "object 3: is no Kubernetes object: `metadata.name` is missing; every document needs apiVersion, kind and metadata.name",
            ),
        ],
    );
}

#[test]
fn an_object_stands_in_the_environments_namespace() {
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "r" } });
    let nowhere = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "nowhere" } });
    let elsewhere = metadata(object("v1", "Service", "s", json!({})), "namespace", json!("other"));
    let of_others = json!({ "apiVersion": "example.org/v1", "kind": "Node", "metadata": { "name": "n" } });
    check(
        &[role, elsewhere, nowhere, of_others],
        &[
            (
                "manifest/cluster-scoped",
                "ClusterRole/r: belongs to the whole cluster, and a run could not take it back; apply it once by hand and take it out of the manifests",
            ),
            (
                "manifest/no-namespace",
                "Node/n: names no namespace; write `namespace: shop` into its metadata, or into kustomization.yaml",
            ),
            (
                "manifest/no-namespace",
                "Service/nowhere: names no namespace; write `namespace: shop` into its metadata, or into kustomization.yaml",
            ),
            (
                "manifest/other-namespace",
                "Service/s: is for namespace `other`, and this environment's is `shop`; leave it out or correct one of the two",
            ),
        ],
    );
}

#[test]
fn a_namespace_is_of_the_cluster_even_where_it_names_one() {
    let namespace = object("v1", "Namespace", "shop", json!({}));
    check(
        &[namespace],
        &[(
            "manifest/cluster-scoped",
            "Namespace/shop: belongs to the whole cluster, and a run could not take it back; apply it once by hand and take it out of the manifests",
        )],
    );
}

#[test]
fn one_name_is_one_object() {
    let other_group = object("extensions/v1", "Service", "s", json!({}));
    let service = object("v1", "Service", "s", json!({}));
    check(
        &[service.clone(), other_group, service],
        &[("manifest/twice", "Service/s: stands in the manifests 3 times; keep one of them")],
    );
}

#[test]
fn a_name_that_the_server_would_make_up_is_refused() {
    let mut job = object("batch/v1", "Job", "x", json!({}));
    job["metadata"] = json!({ "generateName": "load-", "namespace": "shop" });
    check(
        &[job],
        &[(
            "manifest/generate-name",
            "Job/load-: has `generateName`, so it would be another object each time; write `name`",
        )],
    );
}

#[test]
fn what_was_read_from_a_cluster_is_refused() {
    let service = object("v1", "Service", "s", json!({ "status": { "loadBalancer": {} } }));
    check(
        &[metadata(service, "resourceVersion", json!("17"))],
        &[
            (
                "manifest/server-set",
                "Service/s: was read from a cluster: `metadata.resourceVersion` is the server's to set; remove it",
            ),
            (
                "manifest/server-set",
                "Service/s: was read from a cluster: `status` is the server's to set; remove it",
            ),
        ],
    );
}

#[test]
fn hooks_are_refused_with_what_stands_in_their_place() {
    let job = object("batch/v1", "Job", "migrate", json!({}));
    check(
        &[metadata(job, "annotations", json!({ "helm.sh/hook": "pre-upgrade" }))],
        &[(
            "manifest/hook",
            "Job/migrate: is a hook (`helm.sh/hook`); NICA has no hooks: write migrations into the folder `migrations`, render with `helm template --no-hooks`, or remove the annotation to have it as a Job",
        )],
    );
}

#[test]
fn what_nobody_would_replace_is_refused() {
    check(
        &[object("v1", "Pod", "p", json!({}))],
        &[("manifest/bare", "Pod/p: is run by nobody who would replace it; write a Deployment instead")],
    );
}

#[test]
fn a_secret_in_the_manifests_brings_no_values_and_its_refusal_shows_none() {
    let plain = object("v1", "Secret", "plain", json!({ "stringData": { "password": "hunter2" } }));
    let coded = object("v1", "Secret", "coded", json!({ "data": { "password": "aHVudGVyMg==" } }));
    check(
        &[plain, coded, object("v1", "Secret", "none", json!({}))],
        &[
            (
                "manifest/secret-values",
                "Secret/coded: its values would enter the release file; remove `data` and write `[env.….secret.coded]` in nica.toml",
            ),
            (
                "manifest/secret-empty",
                "Secret/none: has no values; write `[env.….secret.none]` in nica.toml, or take it out and create it by hand",
            ),
            (
                "manifest/secret-values",
                "Secret/plain: its values would enter the release file; remove `stringData` and write `[env.….secret.plain]` in nica.toml",
            ),
        ],
    );
}

#[test]
fn a_secret_of_ours_cannot_keep_its_name() {
    let secret = metadata(
        object("v1", "Secret", "nica-secrets", json!({})),
        "annotations",
        json!({ "nica/keep-name": "true" }),
    );
    let told: Vec<_> = with_secret(&[secret], "k1").unwrap_err();
    let told: Vec<_> = told.iter().map(|r| (r.why.code(), r.to_string())).collect();
    let says = "Secret/nica-secrets: keeps its name, and NICA brings its values under names of their content only; \
                remove the annotation, or the table `[env.….secret.nica-secrets]` and create it by hand";
    assert_eq!(told, [("manifest/secret-kept", says.to_string())]);
}

#[test]
fn values_that_yaml_took_for_something_else_are_refused() {
    let config = object("v1", "ConfigMap", "c", json!({ "data": { "PORT": 8080 } }));
    let env = json!({ "env": [{ "name": "DEBUG", "value": true }] });
    check(&[config], &[("manifest/no-text", "ConfigMap/c: `data.PORT` is no text; write it in quotes")]);
    check(
        &[deployment("d", "backend", env)],
        &[("manifest/no-text", "Deployment/d: `env.DEBUG` is no text; write it in quotes")],
    );
}

#[test]
fn an_image_that_can_change_is_refused() {
    let image = |image: &str| deployment("d", "backend", json!({ "image": image }));
    let by_tag = |image: &str| {
        format!(
            "Deployment/d: container main runs `{image}`, whose content can change; write it with @sha256:…, or name its repository in a [[component]]"
        )
    };
    for tagged in
        ["postgres:15", "registry.example:5000/nica-backend", "registry.example/nica-backend-tools:1", ""]
    {
        check(&[image(tagged)], &[("manifest/image-by-tag", &by_tag(tagged))]);
    }
    let other = format!("registry.example/nica-backend@sha256:{}", digest(9).as_str());
    check(
        &[image(&other)],
        &[(
            "manifest/other-digest",
            "Deployment/d: container main asks for another digest of `registry.example/nica-backend` than the release has; write the image without a digest",
        )],
    );
}

#[test]
fn what_nica_sets_is_set_by_nobody_else() {
    let env = json!({ "env": [{ "name": "PGAPPNAME", "value": "mine" }] });
    let annotations = json!({ "nica/fence": "99", "nica/keep-name": "true" });
    check(
        &[metadata(deployment("d", "backend", env), "annotations", annotations)],
        &[
            (
                "manifest/reserved",
                "Deployment/d: container main sets `PGAPPNAME`, which NICA sets; remove it",
            ),
            ("manifest/ours", "Deployment/d: carries `nica/fence`, which NICA sets; remove it"),
        ],
    );
}

#[test]
fn a_key_that_is_not_there_is_refused_unless_it_may_be_missing() {
    let key = |optional: bool| {
        let from = json!({ "configMapKeyRef": { "name": "c", "key": "LOG_LEVLE", "optional": optional } });
        deployment("d", "backend", json!({ "env": [{ "name": "L", "valueFrom": from }] }))
    };
    let config = config_map("c", "info");
    check(
        &[config.clone(), key(false)],
        &[(
            "manifest/no-key",
            "Deployment/d: refers to key `LOG_LEVLE` of ConfigMap/c, which has no such key; correct the name or add the key",
        )],
    );
    assert!(rendered(&[config, key(true)]).is_ok());
}

#[test]
fn a_job_leaves_room_for_the_digits_of_its_content() {
    let job = |length: usize| object("batch/v1", "Job", &"j".repeat(length), json!({}));
    let name = "j".repeat(53);
    check(
        &[job(53)],
        &[(
            "manifest/long-name",
            &format!(
                "Job/{name}: its name is too long for the digits of its content: at most 52 characters fit; shorten it"
            ),
        )],
    );
    assert!(rendered(&[job(52)]).is_ok());
}
