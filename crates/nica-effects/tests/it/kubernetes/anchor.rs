//! What a run creates stays when the run goes forward, goes when it goes back, and goes when it arrives too late.

use super::world::{SOON, World, config_map, deployment, scope, title, until};
use nica_effects::kubernetes::{Anchor, AnchorSeen, Cluster, ClusterError, Release, Scope, Wanted, Written};
use nica_engine::world::Owner;
use serde_json::{Value, json};

const RUN: &str = "dev-7-abcdefgh";

async fn anchored(cluster: &Cluster) -> (String, AnchorSeen) {
    let anchor = cluster.create_anchor(Anchor { run: RUN, fence: 7 }).await.expect("an anchor");
    (RUN.to_string(), anchor)
}

fn service(name: &str) -> Value {
    let spec = json!({ "selector": { "app": name }, "ports": [{ "port": 80 }] });
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name }, "spec": spec })
}

/// The anchor goes as asked; until nothing of it is left.
async fn release(world: &World, cluster: &Cluster, how: Release) {
    let sighting = world.see(cluster, 7, &Scope::default()).await.expect("a look");
    cluster.release_anchor(RUN, &sighting.anchors[RUN], how).await.expect("it is asked to go");
    let took = until("the anchor goes", SOON, async || {
        world.see(cluster, 7, &Scope::default()).await.expect("a look").anchors.is_empty()
    });
    println!("{how:?}: the anchor is gone after {:?}", took.await);
}

async fn run(world: &mut World, cluster: &Cluster) -> Vec<String> {
    let anchor = anchored(cluster).await;
    let configurations =
        [(config_map("settings", "x"), 0), (service("web"), 0), (deployment("web", "web@1", Some(2)), 2)];
    for (configuration, replicas) in &configurations {
        world.bring(cluster, 7, (&anchor, configuration, *replicas)).await;
    }
    until("both replicas are ready", SOON, async || {
        let seen = world.seen(cluster, 7, "Deployment/web").await.expect("it is there");
        seen.seen.ready == 2
    })
    .await;
    configurations.iter().map(|(configuration, _)| title(configuration)).collect()
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn forward_keeps_what_was_created_and_nobody_owns_it() {
    let mut world = World::new("forward keeps what was created").await;
    let cluster = world.deployer().await;
    let created = run(&mut world, &cluster).await;
    release(&world, &cluster, Release::Orphan).await;
    for component in &created {
        let object = world.object(component).await.expect("it stays");
        assert_eq!(object["metadata"].get("ownerReferences"), None, "{component}");
        assert_eq!(object["metadata"].get("deletionTimestamp"), None, "{component}");
    }
    let seen = world.seen(&cluster, 7, "Deployment/web").await.expect("it is there");
    assert_eq!(seen.seen.ready, 2, "and serves");
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn back_removes_what_was_created_before_the_anchor_is_gone() {
    let mut world = World::new("back removes what was created").await;
    let cluster = world.deployer().await;
    let created = run(&mut world, &cluster).await;
    release(&world, &cluster, Release::Foreground).await;
    for component in &created {
        assert_eq!(world.object(component).await, None, "{component}");
    }
    let sighting = world.see(&cluster, 7, &Scope::default()).await.expect("a look");
    assert!(sighting.components.is_empty(), "no pod is left: {:?}", sighting.components);
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_arrives_after_its_run_has_settled_is_collected() {
    let mut world = World::new("a create that arrives late").await;
    let cluster = world.deployer().await;
    let anchor = anchored(&cluster).await;
    release(&world, &cluster, Release::Foreground).await;
    let configuration = config_map("late", "x");
    let desired = world.desired(&configuration, 0);
    let wanted =
        Wanted { component: "ConfigMap/late", desired: &desired, configuration: &configuration, fence: 7 };
    let created = cluster.create(wanted, (&anchor.0, &anchor.1)).await;
    is_created_or_collected_already(created);
    let took = until("it is collected", SOON, async || world.object("ConfigMap/late").await.is_none()).await;
    println!("collected after {took:?}");
    world.end().await;
}

/// Nobody tells a late create from another; its owner is gone, and the collector may be faster than the second write.
fn is_created_or_collected_already(created: Result<Written, ClusterError>) {
    assert!(matches!(created, Ok(_) | Err(ClusterError::Vanished { .. })), "{created:?}");
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_that_arrives_late_is_swept_at_the_next_admission() {
    let world = World::new("an anchor that arrives late").await;
    let cluster = world.deployer().await;
    anchored(&cluster).await;
    let open = Scope { anchor: Some(RUN.to_string()), ..Scope::default() };
    cluster.admit(8, &open).await.expect("its run is open");
    let see = async || world.see(&cluster, 9, &Scope::default()).await.expect("a look").anchors;
    assert!(!see().await[RUN].going, "the open run keeps its anchor");
    cluster.admit(9, &Scope::default()).await.expect("no run is open");
    until("it is swept", SOON, async || see().await.is_empty()).await;
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn creating_twice_is_creating_once_and_a_foreign_object_is_not_ours() {
    let mut world = World::new("creating twice").await;
    let cluster = world.deployer().await;
    let anchor = anchored(&cluster).await;
    let configuration = config_map("settings", "x");
    let desired = world.desired(&configuration, 0);
    let wanted = Wanted {
        component: "ConfigMap/settings",
        desired: &desired,
        configuration: &configuration,
        fence: 7,
    };
    let first = cluster.create(wanted, (&anchor.0, &anchor.1)).await.expect("it is created");
    let second = cluster.create(wanted, (&anchor.0, &anchor.1)).await.expect("it is there already");
    assert_eq!(first.uid, second.uid);
    assert_eq!(anchored(&cluster).await.1.uid, anchor.1.uid, "so is the anchor");

    let path = format!("/api/v1/namespaces/{}/configmaps", world.namespace);
    world.ask("POST", &path, Some(&config_map("theirs", "y"))).await.expect("a person creates one");
    let configuration = config_map("theirs", "x");
    let desired = world.desired(&configuration, 0);
    let wanted =
        Wanted { component: "ConfigMap/theirs", desired: &desired, configuration: &configuration, fence: 7 };
    let foreign = cluster.create(wanted, (&anchor.0, &anchor.1)).await;
    assert!(matches!(foreign, Err(ClusterError::Foreign { .. })), "{foreign:?}");
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_was_decided_on_another_version_is_refused() {
    use nica_effects::kubernetes::Order;
    let mut world = World::new("a deletion on another version").await;
    let cluster = world.deployer().await;
    let anchor = anchored(&cluster).await;
    world.bring(&cluster, 7, (&anchor, &config_map("settings", "x"), 0)).await;
    let component = "ConfigMap/settings";
    let before = world.kept(&cluster, 7, component).await;
    cluster.admit(8, &scope([component])).await.expect("8 is admitted");
    let order = |kept: &nica_effects::kubernetes::Kept| (kept.uid.clone(), kept.resource_version.clone());
    let (uid, resource_version) = order(&before);
    let late = cluster.remove(Order { component, uid: &uid, resource_version: &resource_version }).await;
    assert!(matches!(late, Err(ClusterError::Stale { .. })), "{late:?}");
    let (uid, resource_version) = order(&world.kept(&cluster, 8, component).await);
    let now = Order { component, uid: &uid, resource_version: &resource_version };
    cluster.remove(now).await.expect("8 deletes");
    until("it is gone", SOON, async || world.object(component).await.is_none()).await;
    cluster.remove(now).await.expect("gone is done");
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_back_belongs_to_nobody_and_never_comes_late() {
    let mut world = World::new("what is put back").await;
    let cluster = world.deployer().await;
    let configuration = config_map("settings", "x");
    let desired = world.desired(&configuration, 0);
    let wanted = |fence| Wanted {
        component: "ConfigMap/settings",
        desired: &desired,
        configuration: &configuration,
        fence,
    };
    cluster.restore(wanted(7), RUN).await.expect("it is put back");
    let there = world.object("ConfigMap/settings").await.expect("it is there");
    assert_eq!(there["metadata"].get("ownerReferences"), None);
    let anchors = async || world.see(&cluster, 99, &Scope::default()).await.expect("a look").anchors;
    until("its anchor is gone", SOON, async || anchors().await.is_empty()).await;
    assert_eq!(
        world.seen(&cluster, 7, "ConfigMap/settings").await.expect("it is there").seen.owner,
        Owner::Nobody
    );

    // Killed between creating it and freeing it.
    world.delete("ConfigMap/settings").await;
    let back = format!("{RUN}-back");
    let anchor = cluster.create_anchor(Anchor { run: &back, fence: 7 }).await.expect("an anchor");
    cluster.create(wanted(7), (&back, &anchor)).await.expect("it is created");
    cluster
        .admit(8, &Scope { anchor: Some(RUN.to_string()), ..Scope::default() })
        .await
        .expect("8 is admitted");
    until("its anchor is swept", SOON, async || anchors().await.is_empty()).await;
    let there = world.object("ConfigMap/settings").await.expect("it stays");
    assert_eq!(there["metadata"].get("ownerReferences"), None);

    // The create comes after that.
    world.delete("ConfigMap/settings").await;
    is_created_or_collected_already(cluster.create(wanted(7), (&back, &anchor)).await);
    until("it is collected", SOON, async || world.object("ConfigMap/settings").await.is_none()).await;
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_our_object_is_a_strangers() {
    let mut world = World::new("a copy of our object").await;
    let cluster = world.deployer().await;
    let anchor = anchored(&cluster).await;
    world.bring(&cluster, 7, (&anchor, &config_map("settings", "x"), 0)).await;
    release(&world, &cluster, Release::Orphan).await;
    let owner = async || world.seen(&cluster, 7, "ConfigMap/settings").await.map(|seen| seen.seen.owner);
    until("it belongs to nobody, and is ours", SOON, async || owner().await == Some(Owner::Nobody)).await;
    let mut copy = world.object("ConfigMap/settings").await.expect("it is there");
    world.delete("ConfigMap/settings").await;
    let metadata = copy["metadata"].as_object_mut().expect("it has some");
    for key in ["uid", "resourceVersion", "managedFields", "creationTimestamp"] {
        metadata.remove(key);
    }
    let path = format!("/api/v1/namespaces/{}/configmaps?fieldManager=kubectl-create", world.namespace);
    world.ask("POST", &path, Some(&copy)).await.expect("a copy");
    assert_eq!(owner().await, Some(Owner::Stranger));
    world.end().await;
}
