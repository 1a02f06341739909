//! What the hands make of a rollout: the tracker's verdict, its evidence, and that nothing is forgotten between two looks.
//!
//! Where no kubelet is needed, the test plays it by writing the status of pods that no node takes. The rest runs on real
//! nodes.

use super::world::{SOON, World, deployment, until};
use nica_effects::kubernetes::{Anchor, AnchorSeen, Cluster, ObjectSeen, Scope};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const WEB: &str = "Deployment/web";
const ROLLOUT_MS: u64 = 40_000;

async fn anchor(cluster: &Cluster) -> (String, AnchorSeen) {
    let seen = cluster.create_anchor(Anchor { run: "r", fence: 1 }).await.expect("an anchor");
    ("r".to_string(), seen)
}

/// Asked for by an open run that waits this long for it.
async fn begun(world: &mut World, cluster: &Cluster, configuration: &Value, limit_ms: u64) -> Scope {
    let anchor = anchor(cluster).await;
    let desired = world.bring(cluster, 1, (&anchor, configuration, 1)).await;
    let mut scope = super::world::scope([WEB]);
    scope.limits_ms.insert((WEB.to_string(), desired.generation()), limit_ms);
    scope
}

async fn web(world: &World, cluster: &Cluster, scope: &Scope) -> ObjectSeen {
    let sighting = world.see(cluster, 1, scope).await.expect("a look");
    sighting.components.get(WEB).cloned().expect("it is there")
}

/// Looks and waits as the loop does, until it is doomed; how long that took.
async fn doomed(world: &World, cluster: &Cluster, scope: &Scope) -> (ObjectSeen, Duration) {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(60) {
        let sighting = world.see(cluster, 1, scope).await.expect("a look");
        let seen = sighting.components.get(WEB).cloned().expect("it is there");
        if let Some(why) = &seen.seen.doomed {
            println!("after {:?}: {why}\n  {}", since.elapsed(), seen.last_words.join("\n  "));
            return (seen, since.elapsed());
        }
        cluster.watch(&sighting, Duration::from_secs(1)).await.expect("a wait");
    }
    panic!("nothing dooms it");
}

/// A deployment whose pods no node takes.
fn homeless() -> Value {
    let mut made = deployment("web", "web@1", Some(1));
    made["spec"]["template"]["spec"]["nodeSelector"] = json!({ "nowhere": "here" });
    made
}

/// One on the real nodes; `container` is merged into its only one.
fn real(container: Value) -> Value {
    let mut made = deployment("web", "nica.invalid/guest:1", Some(1));
    let spec = &mut made["spec"]["template"]["spec"];
    (spec["nodeSelector"], spec["tolerations"]) = (json!({}), json!([]));
    spec["containers"][0]["readinessProbe"] = json!(null);
    for (key, value) in container.as_object().expect("fields") {
        spec["containers"][0][key] = value.clone();
    }
    made
}

async fn pod(world: &World) -> Option<String> {
    let path = format!("/api/v1/namespaces/{}/pods", world.namespace);
    let pods = world.ask("GET", &path, None).await.ok()?;
    Some(pods.pointer("/items/0/metadata/name")?.as_str()?.to_string())
}

/// As a kubelet does.
async fn report(world: &World, pod: &str, restarts: u32, (state, last): (Value, Value)) {
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/status", world.namespace);
    let status = json!({
        "name": "main", "image": "web@1", "imageID": "", "ready": false, "restartCount": restarts,
        "state": state, "lastState": last,
    });
    let patch = json!({ "status": { "phase": "Running", "containerStatuses": [status] } });
    world.ask("PATCH", &path, Some(&patch)).await.expect("a status");
}

fn ended(id: &str) -> Value {
    json!({ "terminated": { "exitCode": 3, "reason": "Error", "containerID": id } })
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn exits_that_no_status_shows_together_are_a_loop_all_the_same() {
    let mut world = World::new("exits that no status shows together").await;
    let cluster = world.deployer().await;
    let scope = begun(&mut world, &cluster, &homeless(), ROLLOUT_MS).await;
    assert_eq!(web(&world, &cluster, &scope).await.seen.doomed, None);
    until("there is a pod", SOON, async || pod(&world).await.is_some()).await;
    let name = pod(&world).await.expect("there is one");
    let runs = || json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } });
    report(&world, &name, 1, (runs(), ended("containerd://one"))).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(web(&world, &cluster, &scope).await.seen.doomed, None, "the first is forgiven");
    report(&world, &name, 2, (runs(), ended("containerd://two"))).await;
    let (seen, took) = doomed(&world, &cluster, &scope).await;
    let why = seen.seen.doomed.expect("it is doomed");
    assert!(
        why.starts_with("crash loop: container main of pod web-") && why.contains("code 3, 2 times"),
        "{why}"
    );
    assert!(why.contains("; next: read the log lines"), "{why}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    // Whoever comes now knows of one exit only.
    let other = world.deployer().await;
    assert_eq!(web(&world, &other, &scope).await.seen.doomed, None, "one exit is forgiven to him too");
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_an_event_alone_tells_ends_the_wait() {
    let mut world = World::new("what an event alone tells").await;
    let cluster = world.deployer().await;
    let scope = begun(&mut world, &cluster, &homeless(), ROLLOUT_MS).await;
    until("there is a pod", SOON, async || pod(&world).await.is_some()).await;
    let name = pod(&world).await.expect("there is one");
    let path = format!("/api/v1/namespaces/{}/pods/{name}", world.namespace);
    let uid = world.ask("GET", &path, None).await.expect("the pod")["metadata"]["uid"].clone();
    let sighting = world.see(&cluster, 1, &scope).await.expect("a look");
    // Creating the pod and looking at it makes news of its own; after that it is quiet.
    let _ = cluster.watch(&sighting, Duration::from_secs(2)).await;
    let sighting = world.see(&cluster, 1, &scope).await.expect("a look");
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": "lost", "namespace": world.namespace },
        "involvedObject": { "kind": "Pod", "namespace": world.namespace, "name": name, "uid": uid },
        "reason": "FailedMount", "type": "Warning", "count": 1,
        "message": "MountVolume.SetUp failed for volume \"a\" : secret \"absent\" not found",
    });
    let tell = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let path = format!("/api/v1/namespaces/{}/events", world.namespace);
        world.ask("POST", &path, Some(&event)).await.expect("an event");
        Instant::now()
    };
    let (differs, told) = tokio::join!(cluster.watch(&sighting, SOON), tell);
    println!("the wait ends {:?} after the event", told.elapsed());
    assert!(differs.expect("a wait") && told.elapsed() < Duration::from_secs(1));
    let why = web(&world, &cluster, &scope).await.seen.doomed.expect("it is doomed");
    assert!(why.starts_with("volume missing: ") && why.contains("absent"), "{why}");
    world.end().await;
}

#[ignore = "needs an API server with real nodes: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_ends_at_once_is_a_crash_loop_with_its_own_last_words() {
    let mut world = World::new("a program that ends at once").await;
    let cluster = world.deployer().await;
    let scope = begun(&mut world, &cluster, &real(json!({ "args": ["nonsense"] })), ROLLOUT_MS).await;
    let (seen, took) = doomed(&world, &cluster, &scope).await;
    let why = seen.seen.doomed.expect("it is doomed");
    assert!(
        why.starts_with("crash loop: container main of pod web-") && why.contains("code 1, 2 times"),
        "{why}"
    );
    assert!(seen.last_words.iter().any(|line| line.contains("guest pause | serve")), "{:?}", seen.last_words);
    assert!(took < Duration::from_secs(20), "{took:?}");
    world.end().await;
}

#[ignore = "needs an API server with real nodes: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_secret_lacks_is_named_without_its_value() {
    let mut world = World::new("a key that a secret lacks").await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "there" }, "stringData": { "other": "hunter2" },
    });
    let path = format!("/api/v1/namespaces/{}/secrets", world.namespace);
    world.ask("POST", &path, Some(&secret)).await.expect("a secret");
    let cluster = world.deployer().await;
    let key = json!({ "secretKeyRef": { "name": "there", "key": "lacking" } });
    let env = json!([{ "name": "A", "valueFrom": key }]);
    let configuration = real(json!({ "args": ["pause"], "env": env }));
    let scope = begun(&mut world, &cluster, &configuration, ROLLOUT_MS).await;
    let (seen, took) = doomed(&world, &cluster, &scope).await;
    let why = seen.seen.doomed.expect("it is doomed");
    assert!(why.starts_with("configuration missing: ") && why.contains("couldn't find key lacking"), "{why}");
    assert!(!why.contains("hunter2") && took < Duration::from_secs(15), "{why} {took:?}");
    world.end().await;
}

#[ignore = "needs an API server with real nodes: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_its_registry_does_not_have_is_told_at_the_first_try() {
    let mut world = World::new("an image that its registry does not have").await;
    let address = world.machine();
    let registry = TcpListener::bind(&address).await.expect("the machine's registry port is free");
    let answers = tokio::spawn(knows_nothing(registry));
    let cluster = world.deployer().await;
    let configuration = real(json!({ "image": format!("{address}/absent:1") }));
    let scope = begun(&mut world, &cluster, &configuration, ROLLOUT_MS).await;
    let (seen, took) = doomed(&world, &cluster, &scope).await;
    let why = seen.seen.doomed.expect("it is doomed");
    assert!(why.starts_with("image unusable: ") && why.contains("/absent:1 does not exist"), "{why}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    answers.abort();
    world.end().await;
}

/// A registry without images.
async fn knows_nothing(listener: TcpListener) {
    let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    let answer = format!(
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

#[ignore = "needs an API server with real nodes: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn readiness_that_does_not_come_is_told_when_the_limit_passes_with_the_probes_own_words() {
    let mut world = World::new("readiness that does not come").await;
    let cluster = world.deployer().await;
    let probe = json!({ "tcpSocket": { "port": 9 }, "periodSeconds": 1 });
    let configuration = real(json!({ "args": ["pause"], "readinessProbe": probe }));
    let scope = begun(&mut world, &cluster, &configuration, 8_000).await;
    let (seen, took) = doomed(&world, &cluster, &scope).await;
    let why = seen.seen.doomed.expect("it is doomed");
    assert!(why.starts_with("readiness impossible: ") && why.contains("connection refused"), "{why}");
    assert!(took > Duration::from_secs(7) && took < Duration::from_secs(12), "{took:?}");
    assert_eq!(seen.seen.ready, 0);
    world.end().await;
}

#[ignore = "needs an API server with real nodes: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_counts_for_the_run_that_waits_for_it_once_it_lasts() {
    let mut world = World::new("a pod counts once it lasts").await;
    let cluster = world.deployer().await;
    let scope = begun(&mut world, &cluster, &real(json!({ "args": ["pause"] })), ROLLOUT_MS).await;
    let nobodys = super::world::scope([WEB]);
    until("it runs", SOON, async || web(&world, &cluster, &nobodys).await.seen.ready == 1).await;
    assert_eq!(web(&world, &cluster, &scope).await.seen.ready, 0, "nothing probes it: it has to last");
    let took =
        until("it is believed", SOON, async || web(&world, &cluster, &scope).await.seen.ready == 1).await;
    assert!(took > Duration::from_secs(7), "{took:?}");
    world.end().await;
}
