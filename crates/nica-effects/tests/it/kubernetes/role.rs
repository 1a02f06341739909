//! `infra/k8s/access/role.yaml`: a whole deploy with that Role and nothing else, and none with less.

use super::run::{Environment, Manifests, cron, ended, service, settings};
use super::world::{World, deployment, title};
use nica_effects::carry::Carried;
use nica_effects::kubernetes::Tried;
use nica_engine::next::Ending;
use nica_engine::preflight::Said;
use nica_engine::release::ComponentKind;
use nica_migrate::scratch::ScratchCluster;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ROLE: &str = include_str!("../../../../../infra/k8s/access/role.yaml");

/// The file's own form, a line each: whatever else stands there is not understood, and said.
fn rules() -> Vec<Value> {
    let role = ROLE.split("---").next().expect("the Role comes first");
    let (_, rules) = role.split_once("rules:\n").expect("it has rules");
    let mut read: Vec<Value> = Vec::new();
    for line in rules.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (key, words) = line.trim_start_matches("- ").split_once(": ").expect("a key and a list");
        let words = words.strip_prefix('[').and_then(|words| words.strip_suffix(']')).expect("a list");
        let words: Vec<&str> = words.split(", ").map(|word| word.trim_matches('"')).collect();
        match key {
            "apiGroups" => read.push(json!({ "apiGroups": words })),
            "resources" | "verbs" => read.last_mut().expect("a rule began")[key] = json!(words),
            other => panic!("{other} is not understood"),
        }
    }
    read
}

/// Without this verb on this resource.
fn without(resource: &str, verb: &str) -> Vec<Value> {
    let mut left = Vec::new();
    for rule in rules() {
        let list = |key: &str| rule[key].as_array().expect("a list").clone();
        let (taken, kept): (Vec<Value>, Vec<Value>) =
            list("resources").into_iter().partition(|name| *name == resource);
        for (resources, is_taken) in [(taken, true), (kept, false)] {
            let verbs: Vec<Value> =
                list("verbs").into_iter().filter(|name| !(is_taken && *name == verb)).collect();
            if !resources.is_empty() && !verbs.is_empty() {
                left.push(json!({ "apiGroups": rule["apiGroups"], "resources": resources, "verbs": verbs }));
            }
        }
    }
    assert_ne!(left, rules(), "{verb} {resource} is in the Role");
    left
}

async fn granted(world: &World, rules: Vec<Value>) {
    let name = json!({ "name": "nica-deployer" });
    let group = "rbac.authorization.k8s.io";
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": name });
    let role =
        json!({ "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": name, "rules": rules });
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": name,
        "roleRef": { "apiGroup": group, "kind": "Role", "name": "nica-deployer" },
        "subjects": [{ "kind": "ServiceAccount", "name": "nica-deployer" }],
    });
    let rbac = format!("/apis/{group}/v1/namespaces/{}", world.namespace);
    let core = format!("/api/v1/namespaces/{}/serviceaccounts", world.namespace);
    for (path, body) in
        [(core, account), (format!("{rbac}/roles"), role), (format!("{rbac}/rolebindings"), binding)]
    {
        world.ask("POST", &path, Some(&body)).await.expect("it is granted");
    }
}

fn passive(api_version: &str, kind: &str, spec: Value) -> (ComponentKind, Value, u32) {
    let mut made = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "web" } });
    if !spec.is_null() {
        made["spec"] = spec;
    }
    (ComponentKind::Passive, made, 0)
}

/// One of each kind that releases consist of.
fn everything(args: &[&str]) -> Manifests {
    let mut web = deployment("web", "nica.invalid/guest:1", Some(1));
    let pod = &mut web["spec"]["template"]["spec"];
    (pod["nodeSelector"], pod["tolerations"]) = (json!({}), json!([]));
    pod["containers"][0]["args"] = json!(args);
    pod["containers"][0]["readinessProbe"] = json!({ "tcpSocket": { "port": 8080 }, "periodSeconds": 1 });
    let selector = json!({ "matchLabels": { "app": "web" } });
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "elsewhere" });
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys-a" }, "immutable": true, "data": { "a": "YQ==" },
    });
    Manifests(vec![
        settings("settings-a"),
        (ComponentKind::Immutable, secret, 0),
        service(80),
        passive("v1", "ServiceAccount", Value::Null),
        passive("policy/v1", "PodDisruptionBudget", json!({ "maxUnavailable": 1, "selector": selector })),
        passive(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            json!({ "maxReplicas": 2, "scaleTargetRef": target }),
        ),
        passive("networking.k8s.io/v1", "NetworkPolicy", json!({ "podSelector": {} })),
        passive("networking.k8s.io/v1", "Ingress", json!({ "defaultBackend": backend })),
        cron("tick@1"),
        (ComponentKind::Workload, web, 1),
    ])
}

const SERVES: [&str; 2] = ["serve", ":8080"];

#[ignore = "needs an API server with real nodes: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn the_role_suffices_for_a_release_the_way_back_and_the_end() {
    let mut world = World::new("the role suffices").await;
    granted(&world, rules()).await;
    let _account = world.act_as("nica-deployer").await;
    let database = ScratchCluster::start().await.expect("a scratch cluster starts");
    let env = Environment::new(world, database.create_database("records").await.expect("a database"));
    let begun = Instant::now();
    let carried = env.deploy("1.0.0", &everything(&SERVES)).await;
    assert_eq!(ended(&carried), Some(Ending::Live), "{carried:?}");
    println!("live after {:?}", begun.elapsed());
    let begun = Instant::now();
    let carried = env.deploy("2.0.0", &everything(&["nonsense"])).await;
    assert_eq!(ended(&carried), Some(Ending::Back), "{carried:?}");
    println!("back after {:?}", begun.elapsed());
    let (reason, log) = env.turned.lock().expect("nobody panics here").pop().expect("it went back");
    assert!(reason.starts_with("crash loop: "), "{reason}");
    assert!(log.iter().any(|line| line.contains("guest pause | serve")), "{log:?}");
    // What is dropped is deleted; nothing asks for what the account may not, so no refusal is waited for.
    let begun = Instant::now();
    let carried = env.deploy("3.0.0", &Manifests(vec![settings("settings-b")])).await;
    assert_eq!(ended(&carried), Some(Ending::Live), "{carried:?}");
    println!("emptied after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(15));
    env.world.end().await;
}

/// What is said of a deploy without it, which does not go live.
async fn less(resource: &str, verb: &str) -> String {
    let mut world = World::new(&format!("no {verb} of {resource}")).await;
    granted(&world, without(resource, verb)).await;
    let _account = world.act_as("nica-deployer").await;
    let database = ScratchCluster::start().await.expect("a scratch cluster starts");
    let env = Environment::new(world, database.create_database("records").await.expect("a database"));
    let carried = env.attempt("1.0.0", &everything(&SERVES)).await;
    println!("without {verb} of {resource}: {carried:?}");
    env.world.end().await;
    match carried {
        Ok(Carried::Settled { ending: Ending::Absent, reason, .. }) => reason.expect("it says why"),
        Ok(other) => panic!("without {verb} of {resource}: {other:?}"),
        Err(failure) => failure.to_string(),
    }
}

#[ignore = "needs an API server with real nodes: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_role_with_one_verb_less_is_named_and_nothing_goes_live() {
    let cases = [
        ("deployments", "patch", "this account may not"),
        ("configmaps", "create", "this account may not"),
        ("replicasets", "list", "this account may not"),
        // An admission says it, and only where it is on.
        ("configmaps/finalizers", "update", "blockOwnerDeletion"),
    ];
    for (resource, verb, expected) in cases {
        let why = less(resource, verb).await;
        assert!(why.contains(expected), "without {verb} of {resource}: {why}");
    }
}

fn tried<'a>((component, made): (&'a String, &'a (ComponentKind, Value, u32))) -> Tried<'a> {
    Tried { component, configuration: &made.1, immutable: made.0 == ComponentKind::Immutable }
}

#[ignore = "needs an API server with real nodes: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_before_the_first_write_is_granted_by_the_role_too() {
    let lacks = async |rules: Vec<Value>| {
        let mut world = World::new("what is asked before").await;
        granted(&world, rules).await;
        let account = world.act_as("nica-deployer").await;
        let Manifests(all) = everything(&SERVES);
        let titles: Vec<String> = all.iter().map(|(_, configuration, _)| title(configuration)).collect();
        let tried: Vec<Tried<'_>> = titles.iter().zip(&all).map(tried).collect();
        let cluster = world.deployer().await;
        let rights = cluster.rights(&tried).await.expect("everybody may ask what they may");
        let runs = cluster.dry_run(&tried).await.expect("the API server answers");
        drop(account);
        world.end().await;
        let refused = runs.iter().filter(|run| run.said != Said::Accepted).count();
        let lacks = rights.into_iter().filter(|right| !right.allowed);
        (lacks.map(|right| format!("{} {}", right.verb, right.resource)).collect::<Vec<_>>(), refused)
    };
    assert_eq!(lacks(rules()).await, (vec![], 0));
    let (rights, refused) = lacks(without("pods", "create")).await;
    assert_eq!((rights, refused > 0), (vec!["create pods".to_string()], true));
}
