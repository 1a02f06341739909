//! Whose fields are whose: what another manager owned is told, what we created is ours, and a changed field shows.

use super::world::{World, config_map, deployment};
use nica_effects::kubernetes::{Anchor, ClusterError, Conflict, Wanted};
use serde_json::json;

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_kubectl_owns_is_taken_and_told() {
    let mut world = World::new("a field that kubectl owns").await;
    let cluster = world.deployer().await;
    let anchor =
        ("r".to_string(), cluster.create_anchor(Anchor { run: "r", fence: 1 }).await.expect("an anchor"));
    world.bring(&cluster, 1, (&anchor, &config_map("settings", "one"), 0)).await;
    let component = "ConfigMap/settings";
    let asked = world.seen(&cluster, 1, component).await.expect("it is there").seen;
    world.edit(component, &json!({ "data": { "key": "edited" } })).await;

    let drifted = world.seen(&cluster, 1, component).await.expect("it is there");
    assert_ne!(drifted.seen, asked, "what somebody changed is not what was asked for");
    let kept = drifted.kept.expect("there is an object");
    let written =
        world.set(&cluster, 1, (&config_map("settings", "one"), 0), &kept).await.expect("it is put back");
    let [Conflict { field, owner }] = written.conflicts.as_slice() else { panic!("{:?}", written.conflicts) };
    assert_eq!(field, ".data.key");
    assert!(owner.starts_with("\"kubectl\""), "{owner}");
    assert_eq!(world.seen(&cluster, 1, component).await.expect("it is there").seen, asked);
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_configuration_leaves_out_is_removed_although_it_was_created() {
    let mut world = World::new("what a later configuration leaves out").await;
    let cluster = world.deployer().await;
    let anchor =
        ("r".to_string(), cluster.create_anchor(Anchor { run: "r", fence: 1 }).await.expect("an anchor"));
    let mut configuration = config_map("settings", "one");
    configuration["data"]["more"] = json!("goes");
    world.bring(&cluster, 1, (&anchor, &configuration, 0)).await;
    let kept = world.kept(&cluster, 1, "ConfigMap/settings").await;
    let written =
        world.set(&cluster, 1, (&config_map("settings", "two"), 0), &kept).await.expect("it is set");
    assert_eq!(written.conflicts, []);
    let object = world.object("ConfigMap/settings").await.expect("it is there");
    assert_eq!(object["data"], json!({ "key": "two" }));
    let owner = &object["metadata"]["ownerReferences"][0]["uid"];
    assert_eq!(owner, &json!(anchor.1.uid), "an apply does not take it from its anchor");
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_something_else_scales_keeps_its_replicas() {
    let mut world = World::new("what something else scales").await;
    let cluster = world.deployer().await;
    let anchor =
        ("r".to_string(), cluster.create_anchor(Anchor { run: "r", fence: 1 }).await.expect("an anchor"));
    let component = "Deployment/web";
    world.bring(&cluster, 1, (&anchor, &deployment("web", "web@1", None), 2)).await;
    let replicas =
        async |world: &World| world.object(component).await.expect("it is there")["spec"]["replicas"].clone();
    assert_eq!(replicas(&world).await, 2, "woken with the least that was asked for");
    let scale = format!("{}/scale?fieldManager=hpa", world.path(component));
    world.ask("PATCH", &scale, Some(&json!({ "spec": { "replicas": 5 } }))).await.expect("it is scaled");
    for image in ["web@2", "web@3"] {
        let seen = world.seen(&cluster, 1, component).await.expect("it is there");
        assert_eq!(seen.seen.replicas, 2, "who scales changes nothing that was asked for");
        let written = world.ask_for(&cluster, 1, (&deployment("web", image, None), 2)).await;
        assert_eq!(written.conflicts, []);
        assert_eq!(replicas(&world).await, 5);
    }
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_secret_is_told_without_its_value() {
    let mut world = World::new("a refused secret").await;
    let cluster = world.deployer().await;
    let anchor = cluster.create_anchor(Anchor { run: "r", fence: 1 }).await.expect("an anchor");
    let configuration = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" },
        "stringData": { "bad key": "hunter2" },
    });
    let desired = world.desired(&configuration, 0);
    let wanted = Wanted { component: "Secret/s", desired: &desired, configuration: &configuration, fence: 1 };
    let refused = cluster.create(wanted, ("r", &anchor)).await.expect_err("no such key");
    assert!(matches!(refused, ClusterError::Refused { code: 422, .. }), "{refused:?}");
    let told = format!("{refused} {refused:?}");
    assert!(!told.contains("hunter2"), "{told}");
    println!("{refused}");
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_no_run_could_undo_is_refused_by_name() {
    let mut world = World::new("what no run could undo").await;
    let cluster = world.deployer().await;
    let anchor = cluster.create_anchor(Anchor { run: "r", fence: 1 }).await.expect("an anchor");
    let mut elsewhere = config_map("a", "x");
    elsewhere["metadata"]["namespace"] = json!("kube-system");
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "a" } });
    let unknown = json!({ "apiVersion": "example.com/v1", "kind": "Teapot", "metadata": { "name": "a" } });
    for (component, configuration) in
        [("ConfigMap/a", elsewhere), ("ClusterRole/a", role), ("Teapot/a", unknown)]
    {
        let desired = world.desired(&configuration, 0);
        let wanted = Wanted { component, desired: &desired, configuration: &configuration, fence: 1 };
        let refused = cluster.create(wanted, ("r", &anchor)).await.expect_err("it has no place here");
        println!("{refused}");
        let expected = matches!(refused, ClusterError::Configuration { .. } | ClusterError::Kind { .. });
        assert!(expected, "{refused:?}");
    }
    world.end().await;
}
