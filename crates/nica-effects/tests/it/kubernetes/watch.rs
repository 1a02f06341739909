//! A wait ends when something differs, and an API server that is away for a moment changes nothing but the time it takes.

use super::world::{SOON, World, config_map, deployment, scope, until};
use nica_effects::kubernetes::{Anchor, Cluster, Sighting};
use serde_json::json;
use std::time::{Duration, Instant};

const SETTINGS: &str = "ConfigMap/settings";

async fn with_settings(mut world: World) -> (World, Cluster) {
    let cluster = world.deployer().await;
    let anchor =
        ("r".to_string(), cluster.create_anchor(Anchor { run: "r", fence: 1 }).await.expect("an anchor"));
    world.bring(&cluster, 1, (&anchor, &config_map("settings", "one"), 0)).await;
    (world, cluster)
}

async fn look(world: &World, cluster: &Cluster) -> Sighting {
    world.see(cluster, 1, &scope([SETTINGS])).await.expect("a look")
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_when_something_differs_and_not_before() {
    let (world, cluster) = with_settings(World::new("a wait ends when something differs").await).await;
    let seen = look(&world, &cluster).await;
    let begun = Instant::now();
    assert!(!cluster.watch(&seen, Duration::from_millis(700)).await.expect("a wait"), "nothing differs");
    assert!(begun.elapsed() >= Duration::from_millis(700));
    for round in 0..3 {
        let seen = look(&world, &cluster).await;
        let edit = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            world.edit(SETTINGS, &json!({ "data": { "round": round.to_string() } })).await;
            Instant::now()
        };
        let (differs, edited) = tokio::join!(cluster.watch(&seen, SOON), edit);
        assert!(differs.expect("a wait"), "round {round}");
        println!("round {round}: seen {:?} after the edit", edited.elapsed());
        assert!(edited.elapsed() < Duration::from_secs(2));
    }
    // What changed between look and wait is not missed either.
    let seen = look(&world, &cluster).await;
    world.edit(SETTINGS, &json!({ "data": { "round": "between" } })).await;
    let begun = Instant::now();
    assert!(cluster.watch(&seen, SOON).await.expect("a wait"));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_the_server_has_forgotten_ends_the_wait() {
    let (world, cluster) = with_settings(World::new("a version that the server has forgotten").await).await;
    let mut seen = look(&world, &cluster).await;
    seen.forget();
    let begun = Instant::now();
    assert!(cluster.watch(&seen, SOON).await.expect("a wait"), "410 is something that differs");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn looks_and_waits_go_on_over_a_restart_of_the_api_server() {
    let (mut world, cluster) = with_settings(World::alone("a restart of the API server").await).await;
    let server = world.api_server().expect("an API server that runs on this machine can be killed");
    let anchor = look(&world, &cluster).await.anchors["r"].clone();
    world.bring(&cluster, 1, (&("r".to_string(), anchor), &deployment("web", "web@1", Some(2)), 2)).await;
    let seen = look(&world, &cluster).await;
    // Its streams are open when the server goes.
    let _ = cluster.watch(&seen, Duration::from_millis(300)).await.expect("a wait");
    let killed = Instant::now();
    server.kill();
    // Cut, refused, forbidden to everybody for a moment: none of it reaches us as an error.
    assert!(cluster.watch(&seen, SOON).await.is_ok());
    let seen = look(&world, &cluster).await;
    println!("a look {:?} after the kill", killed.elapsed());
    assert!(seen.components.contains_key(SETTINGS));
    until("the replicas are there", SOON, async || {
        world.seen(&cluster, 1, "Deployment/web").await.expect("it is there").seen.ready == 2
    })
    .await;
    // Every stream that was cut has told so; from here on only one that was opened again tells anything.
    until("it is quiet", SOON, async || {
        let seen = look(&world, &cluster).await;
        !cluster.watch(&seen, Duration::from_millis(400)).await.expect("a wait")
    })
    .await;
    let seen = look(&world, &cluster).await;
    let edit = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.edit(SETTINGS, &json!({ "data": { "key": "after" } })).await;
        Instant::now()
    };
    let (differs, edited) = tokio::join!(cluster.watch(&seen, SOON), edit);
    assert!(differs.expect("a wait"));
    println!(
        "watched again: seen {:?} after the edit, {:?} after the kill",
        edited.elapsed(),
        killed.elapsed()
    );
    world.end().await;
}
