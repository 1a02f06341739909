//! What would be refused later is refused before the first write: each reason made real at the API server.

use super::world::{World, config_map, deployment, title};
use nica_effects::kubernetes::{ClusterError, Tried, pods_of};
use nica_engine::preflight::fit::against;
use nica_engine::preflight::{DryRun, Said};
use serde_json::{Value, json};

/// Object, code and reason of everything that is refused.
async fn refused(world: &World, configurations: &[Value]) -> Vec<(String, u16, String)> {
    let titles: Vec<String> = configurations.iter().map(title).collect();
    let tried: Vec<Tried<'_>> = titles.iter().zip(configurations).map(tried).collect();
    let runs = world.deployer().await.dry_run(&tried).await.expect("the API server answers");
    assert!(runs.len() >= configurations.len(), "{runs:?}");
    let refused = |run: DryRun| match run.said {
        Said::Accepted => None,
        Said::Refused { code, reason, .. } => Some((run.object, code, reason)),
    };
    runs.into_iter().filter_map(refused).collect()
}

fn tried<'a>((component, configuration): (&'a String, &'a Value)) -> Tried<'a> {
    Tried { component, configuration, immutable: false }
}

fn said(object: &str, code: u16, reason: &str) -> (String, u16, String) {
    (object.to_string(), code, reason.to_string())
}

/// A workload that Pod Security "restricted" takes.
fn modest() -> Value {
    let mut made = deployment("web", "web@1", Some(1));
    let pod = &mut made["spec"]["template"]["spec"];
    pod["securityContext"] =
        json!({ "runAsNonRoot": true, "runAsUser": 10001, "seccompProfile": { "type": "RuntimeDefault" } });
    pod["containers"][0]["securityContext"] =
        json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    made
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_finds_what_the_api_server_would_refuse_and_leaves_nothing() {
    let world = World::new("a dry run").await;
    let restricted =
        json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    let namespace = format!("/api/v1/namespaces/{}", world.namespace);
    world.ask("PATCH", &namespace, Some(&restricted)).await.expect("a rule");
    assert_eq!(refused(&world, &[modest(), config_map("settings", "one")]).await, []);

    let unknown_field = {
        let mut made = modest();
        made["spec"]["replicass"] = json!(3);
        made
    };
    assert_eq!(refused(&world, &[unknown_field]).await, [said("Deployment/web", 500, "")]);
    let wrong_value = {
        let mut made = modest();
        made["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{ "containerPort": 70_000 }]);
        made
    };
    let invalid = [said("Deployment/web", 422, "Invalid"), said("a pod of Deployment/web", 422, "Invalid")];
    assert_eq!(refused(&world, &[wrong_value]).await, invalid);
    // The Deployment itself is taken; only its pods would not be.
    let root = deployment("web", "web@1", Some(1));
    assert_eq!(refused(&world, &[root]).await, [said("a pod of Deployment/web", 403, "Forbidden")]);
    assert!(world.object("Deployment/web").await.is_none(), "nothing was written");
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_quota_and_an_immutable_field_show_before_the_first_write() {
    let world = World::new("a quota").await;
    let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "small" },
                        "spec": { "hard": { "requests.cpu": "5m" } } });
    let path = |plural: &str| format!("/api/v1/namespaces/{}/{plural}", world.namespace);
    world.ask("POST", &path("resourcequotas"), Some(&quota)).await.expect("a quota");
    let counted = async || {
        let found = world.ask("GET", &format!("{}/small", path("resourcequotas")), None).await;
        found.is_ok_and(|quota| quota["status"]["hard"].is_object())
    };
    super::world::until("the quota is counted", super::world::SOON, counted).await;
    let wanted = deployment("web", "web@1", Some(1));
    assert_eq!(refused(&world, &[wanted]).await, [said("a pod of Deployment/web", 403, "Forbidden")]);

    let there = deployment("other", "web@1", Some(0));
    let deployments = format!("/apis/apps/v1/namespaces/{}/deployments", world.namespace);
    world.ask("POST", &deployments, Some(&there)).await.expect("it is made");
    let mut changed = deployment("other", "web@1", Some(0));
    for pointer in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
        *changed.pointer_mut(pointer).expect("it has labels") = json!({ "app": "renamed" });
    }
    let found = refused(&world, &[changed]).await;
    assert!(found.contains(&said("Deployment/other", 422, "Invalid")), "{found:?}");
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_by_its_content_and_there_is_not_tried_again() {
    let world = World::new("content that is there").await;
    let map = |value: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c" }, "immutable": true, "data": { "a": value } });
    let path = format!("/api/v1/namespaces/{}/configmaps", world.namespace);
    world.ask("POST", &path, Some(&map("there"))).await.expect("it is made");
    let (other, cluster) = (map("other"), world.deployer().await);
    let said = async |immutable| {
        let tried = Tried { component: "ConfigMap/c", configuration: &other, immutable };
        cluster.dry_run(&[tried]).await.expect("the API server answers").remove(0).said
    };
    assert_eq!(said(true).await, Said::Accepted);
    assert!(
        matches!(said(false).await, Said::Refused { code: 422, .. }),
        "what is immutable cannot be applied to"
    );
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_and_a_kind_that_are_not_there_are_named() {
    let mut world = World::new("what is not there").await;
    let widget = json!({ "apiVersion": "example.org/v1", "kind": "Widget", "metadata": { "name": "w" } });
    assert_eq!(refused(&world, &[widget]).await, [said("Widget/w", 404, "NotFound")]);
    let namespace = std::mem::replace(&mut world.namespace, "nica-it-nowhere".to_string());
    assert_eq!(refused(&world, &[config_map("a", "b")]).await, [said("ConfigMap/a", 404, "NotFound")]);
    world.namespace = namespace;
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn rights_and_nodes_are_what_the_api_server_says() {
    let world = World::new("rights and nodes").await;
    let cluster = world.deployer().await;
    let nowhere = Tried { component: "Widget/w", configuration: &Value::Null, immutable: false };
    let asked = cluster.rights(&[nowhere]).await;
    assert!(asked.is_ok(), "a kind that is not there hides no right: {asked:?}");
    let (web, settings) = (deployment("web", "web@1", Some(1)), config_map("settings", "one"));
    let tried = [("Deployment/web", &web), ("ConfigMap/settings", &settings)];
    let tried = tried.map(|(component, configuration)| Tried { component, configuration, immutable: false });
    let rights = cluster.rights(&tried).await.expect("the API server answers");
    assert!(rights.iter().all(|right| right.allowed), "{rights:?}");
    let asked = |resource: &str| rights.iter().filter(|right| right.resource == resource).count();
    assert_eq!((asked("deployments.apps"), asked("configmaps"), asked("pods")), (6, 6, 3), "{rights:?}");

    let nodes = cluster.nodes().await.expect("nodes are listed");
    assert!(!nodes.is_empty());
    let [pods] = pods_of(&tried).try_into().expect("one workload");
    assert!(nodes.iter().any(|node| against(&pods.spec, node).is_empty()), "{nodes:?}");
    let mut picky = pods.spec.clone();
    picky["nodeSelector"] = json!({ "disk": "none-has-it" });
    assert!(nodes.iter().all(|node| !against(&picky, node).is_empty()));
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_refused_is_told_without_its_value() {
    let world = World::new("a refused secret").await;
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": { "a/b": "c4nary" } });
    let (component, cluster) = (title(&secret), world.deployer().await);
    let runs =
        cluster.dry_run(&[Tried { component: &component, configuration: &secret, immutable: false }]).await;
    let told = format!("{runs:?}");
    assert!(told.contains("422") && !told.contains("c4nary"), "{told}");
    assert!(!matches!(runs, Err(ClusterError::Denied { .. })));
    world.end().await;
}
