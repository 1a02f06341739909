//! Whoever was admitted with a lower fence can change nothing any more, whatever it has read and whenever it arrives.

use super::world::{World, config_map, scope};
use nica_effects::kubernetes::{Anchor, ClusterError, Scope};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const COMPONENT: &str = "ConfigMap/settings";

/// Its run is open: the anchor stays, and nothing moves but what a test moves.
fn here() -> Scope {
    Scope { anchor: Some("r1".to_string()), ..scope([COMPONENT]) }
}

async fn with_settings(test: &str) -> World {
    let mut world = World::new(test).await;
    let cluster = world.deployer().await;
    let anchor = cluster.create_anchor(Anchor { run: "r1", fence: 1 }).await.expect("an anchor");
    world.bring(&cluster, 1, (&("r1".to_string(), anchor), &config_map("settings", "one"), 0)).await;
    world
}

async fn value(world: &World) -> String {
    let object = world.object(COMPONENT).await.expect("it is there");
    object["data"]["key"].as_str().expect("it has the key").to_string()
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_decided_before_a_higher_fence_is_refused() {
    let mut world = with_settings("a write that was decided before a higher fence").await;
    let (old, new) = (world.deployer().await, world.deployer().await);
    old.admit(5, &here()).await.expect("5 is admitted");
    let kept = world.kept(&old, 5, COMPONENT).await;
    new.admit(6, &here()).await.expect("6 is admitted");

    let late = world.set(&old, 5, (&config_map("settings", "old"), 0), &kept).await;
    assert!(matches!(late, Err(ClusterError::Stale { .. })), "{late:?}");
    assert_eq!(value(&world).await, "one");
    let look = world.see(&old, 5, &here()).await;
    assert!(matches!(look, Err(ClusterError::Superseded { highest: 6, .. })), "{look:?}");
    let again = old.admit(5, &here()).await;
    assert!(matches!(again, Err(ClusterError::Superseded { highest: 6, .. })), "{again:?}");

    let kept = world.kept(&new, 6, COMPONENT).await;
    world.set(&new, 6, (&config_map("settings", "new"), 0), &kept).await.expect("6 writes");
    assert_eq!(value(&world).await, "new");
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn the_fence_stands_through_every_apply_and_belongs_to_none() {
    let mut world = with_settings("the fence stands through every apply").await;
    let cluster = world.deployer().await;
    cluster.admit(7, &here()).await.expect("7 is admitted");
    for text in ["a", "b"] {
        let kept = world.kept(&cluster, 7, COMPONENT).await;
        let written =
            world.set(&cluster, 7, (&config_map("settings", text), 0), &kept).await.expect("7 writes");
        assert_eq!(written.conflicts, [], "our own marks are nobody's conflict");
        let object = world.object(COMPONENT).await.expect("it is there");
        assert_eq!(object["metadata"]["annotations"]["nica/fence"], "7");
    }
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_and_changed_or_went_is_refused() {
    let mut world = with_settings("what was read and changed or went").await;
    let cluster = world.deployer().await;
    cluster.admit(2, &here()).await.expect("2 is admitted");
    let wish = config_map("settings", "ours");

    let kept = world.kept(&cluster, 2, COMPONENT).await;
    world.edit(COMPONENT, &json!({ "data": { "other": "x" } })).await;
    let stale = world.set(&cluster, 2, (&wish, 0), &kept).await;
    assert!(matches!(stale, Err(ClusterError::Stale { .. })), "{stale:?}");

    let kept = world.kept(&cluster, 2, COMPONENT).await;
    world.delete(COMPONENT).await;
    let vanished = world.set(&cluster, 2, (&wish, 0), &kept).await;
    assert!(matches!(vanished, Err(ClusterError::Vanished { .. })), "{vanished:?}");
    assert_eq!(world.object(COMPONENT).await, None, "an apply creates nothing");

    let path = format!("/api/v1/namespaces/{}/configmaps", world.namespace);
    world.ask("POST", &path, Some(&config_map("settings", "theirs"))).await.expect("a person creates it");
    let other = world.set(&cluster, 2, (&wish, 0), &kept).await;
    assert!(matches!(other, Err(ClusterError::Vanished { .. })), "{other:?}");
    assert_eq!(value(&world).await, "theirs");
    world.end().await;
}

/// Two deployers write as fast as they can. From the instant at which the higher one is admitted nothing of the lower one
/// arrives.
#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn of_two_deployers_that_race_the_lower_one_writes_nothing_after_admission() {
    let world = with_settings("of two deployers that race").await;
    let mut fence = 10;
    for round in 0..8 {
        let (low, high) = (fence, fence + 1);
        fence += 2;
        let (old, new) = (world.deployer().await, world.deployer().await);
        old.admit(low, &here()).await.expect("the lower one is admitted");
        let stop = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn(write_on(world.twin().await, old, low, stop.clone()));
        tokio::time::sleep(std::time::Duration::from_millis(40 * round)).await;
        new.admit(high, &here()).await.expect("the higher one is admitted");
        let then = world.object(COMPONENT).await.expect("it is there");
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        stop.store(true, Ordering::Relaxed);
        let writes = writer.await.expect("the lower one ends");
        let now = world.object(COMPONENT).await.expect("it is there");
        assert_eq!(now["metadata"]["resourceVersion"], then["metadata"]["resourceVersion"], "round {round}");
        println!("round {round}: {writes} writes of fence {low} before {high} was admitted");
    }
    world.end().await;
}

async fn write_on(
    mut world: World,
    cluster: nica_effects::kubernetes::Cluster,
    fence: i64,
    stop: Arc<AtomicBool>,
) -> u32 {
    let mut writes = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok(sighting) = world.see(&cluster, fence, &here()).await else { continue };
        let kept = sighting.components[COMPONENT].kept.clone().expect("it is there");
        let wish = config_map("settings", &format!("{fence}-{writes}"));
        writes += u32::from(world.set(&cluster, fence, (&wish, 0), &kept).await.is_ok());
    }
    writes
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn objects_of_another_environment_are_left_alone() {
    let world = with_settings("objects of another environment").await;
    let cluster = world.deployer().await;
    let foreign = json!({ "metadata": { "annotations": { "nica/environment": "env-2" } } });
    world.edit(COMPONENT, &foreign).await;
    let refused = cluster.admit(3, &Scope::default()).await;
    assert!(matches!(refused, Err(ClusterError::OtherEnvironment { .. })), "{refused:?}");
    world.end().await;
}
