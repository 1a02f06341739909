//! A workload as the loop sees it: inert, rolling, served, inert again, gone.

use super::world::{SOON, World, deployment, until};
use nica_effects::kubernetes::Anchor;
use serde_json::json;
use std::collections::BTreeSet;

const WEB: &str = "Deployment/web";

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_workload_is_born_inert_rolls_and_is_taken_back_until_no_pod_is_left() {
    let mut world = World::new("a workload is born inert").await;
    let cluster = world.deployer().await;
    let anchor =
        ("r".to_string(), cluster.create_anchor(Anchor { run: "r", fence: 1 }).await.expect("an anchor"));
    let first = world.bring(&cluster, 1, (&anchor, &deployment("web", "web@1", Some(3)), 0)).await;
    let inert = world.seen(&cluster, 1, WEB).await.expect("it is there").seen;
    assert_eq!((inert.replicas, inert.ready), (0, 0));
    assert_ne!(inert.generation, Some(first.generation()), "inert is another state");

    world.ask_for(&cluster, 1, (&deployment("web", "web@1", Some(3)), 3)).await;
    let only = |generation: &nica_engine::effect::Generation| BTreeSet::from([generation.clone()]);
    until("the first generation serves", SOON, async || {
        let seen = world.seen(&cluster, 1, WEB).await.expect("it is there").seen;
        seen.ready == 3 && seen.alive == only(&first.generation())
    })
    .await;

    let wish = deployment("web", "web@2", Some(3));
    let second = world.desired(&wish, 3).generation();
    world.ask_for(&cluster, 1, (&wish, 3)).await;
    let mut both = false;
    until("the second generation serves alone", SOON, async || {
        let seen = world.seen(&cluster, 1, WEB).await.expect("it is there").seen;
        assert_eq!(seen.generation.as_ref(), Some(&second));
        both |= seen.alive.contains(&first.generation());
        seen.ready == 3 && seen.alive == only(&second)
    })
    .await;
    assert!(both, "what is replaced counts as alive until it is gone");

    world.ask_for(&cluster, 1, (&super::world::inert(&wish), 0)).await;
    let at_once = world.seen(&cluster, 1, WEB).await.expect("it is there").seen;
    assert_eq!(at_once.replicas, 0);
    // On a busy machine the pods may be gone before the look.
    let pods = format!("/api/v1/namespaces/{}/pods", world.namespace);
    let left = world.ask("GET", &pods, None).await.expect("a list")["items"].as_array().map_or(0, Vec::len);
    assert!(left == 0 || at_once.alive.contains(&second), "asked to go is not gone");
    until("nothing of it is alive", SOON, async || {
        world.seen(&cluster, 1, WEB).await.expect("it is there").seen.alive.is_empty()
    })
    .await;
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn pods_that_a_quota_refuses_doom_the_component() {
    let mut world = World::new("pods that a quota refuses").await;
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "none" },
        "spec": { "hard": { "pods": "0" } },
    });
    let path = format!("/api/v1/namespaces/{}/resourcequotas", world.namespace);
    world.ask("POST", &path, Some(&quota)).await.expect("a quota");
    let cluster = world.deployer().await;
    let anchor =
        ("r".to_string(), cluster.create_anchor(Anchor { run: "r", fence: 1 }).await.expect("an anchor"));
    world.bring(&cluster, 1, (&anchor, &deployment("web", "web@1", Some(1)), 1)).await;
    until("it is doomed", SOON, async || {
        let seen = world.seen(&cluster, 1, WEB).await.expect("it is there").seen;
        if let Some(why) = &seen.doomed {
            println!("{why}");
        }
        seen.doomed.is_some()
    })
    .await;
    world.end().await;
}
