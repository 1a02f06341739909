//! Rolling under load: nobody notices.

use super::traffic::Traffic;
use super::world::{COMPONENT, World, marked};
use nica_effects::process::Phase;
use rustix::process::Signal;
use std::time::{Duration, Instant};

async fn rolls(count: u32) {
    let mut world = World::new().await;
    world.roll(&world.release(0, "").await).await;
    let traffic = Traffic::start(&world.address);
    for version in 1..=count {
        world.roll(&world.release(version % 4, "").await).await;
    }
    let tally = traffic.end_without_loss().await;
    assert!(tally.by_version.len() >= 4, "{:?}", tally.by_version);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_rolls_under_load_lose_no_request() {
    rolls(12).await;
}

/// `cargo test -p nica-effects -- --ignored fifty_rolls`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the whole of the test above, a minute"]
async fn fifty_rolls_under_load_lose_no_request() {
    rolls(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_ready_replicas_never_falls_while_rolling() {
    let mut world = World::new().await;
    let mut first = world.release(1, "").await;
    first.replicas = 3;
    world.roll(&first).await;
    let mut second = world.release(2, "slow:100").await;
    second.replicas = 3;
    world.set(Some(&second)).await.expect("accepted");
    let seen = world.until("rolled out", |seen| {
        let ready = seen.processes.iter().filter(|process| process.phase == Phase::Ready).count();
        let living = seen.processes.iter().filter(|process| process.phase != Phase::Draining).count();
        assert!(ready >= 3 && living <= 4, "{seen:#?}");
        seen.rolled_out && seen.processes.len() == 3
    });
    assert!(seen.await.processes.iter().all(|process| process.exe.as_ref() == Some(&second.digest)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaling_and_a_new_address_move_without_a_loss() {
    let mut world = World::new().await;
    let mut release = world.release(1, "").await;
    world.roll(&release).await;
    let traffic = Traffic::start(&world.address);
    for replicas in [4, 1, 2] {
        release.replicas = replicas;
        world.roll(&release).await;
    }
    traffic.end_without_loss().await;
    release.listen = release.listen.replace(":8080", ":8081");
    world.set(Some(&release)).await.expect("accepted");
    world.until("moved", |seen| seen.rolled_out && seen.processes.len() == 2).await;
    let traffic = Traffic::start(&release.listen);
    tokio::time::sleep(Duration::from_millis(300)).await;
    traffic.end_without_loss().await;
    let end = Instant::now() + Duration::from_secs(2);
    while tokio::net::TcpStream::connect(&world.address).await.is_ok() {
        assert!(Instant::now() < end, "the old address is still listened on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_replica_is_replaced_and_none_remain_after_deletion() {
    let mut world = World::new().await;
    let release = world.release(1, "").await;
    world.roll(&release).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let victim = world.seen().await.processes[0].id.pid;
    super::world::signal(victim, Signal::KILL);
    world.until("noticed", |seen| seen.processes.iter().all(|process| process.id.pid != victim)).await;
    let seen = world.settled(&release).await;
    assert_eq!(seen.doomed, None);
    world.set(None).await.expect("accepted");
    world.until("gone", |seen| seen.processes.is_empty() && seen.desired.is_none()).await;
    let observed = world.client.observe().await.expect("answers");
    assert!(!observed.components.contains_key(COMPONENT));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_drains_everything_and_a_new_start_brings_it_back() {
    let mut world = World::new().await;
    let release = world.release(1, "").await;
    world.roll(&release).await;
    world.client.stop(1, Duration::from_secs(10)).await.expect("everything ends");
    assert_eq!(marked(&world.state), []);
    world.restart().await;
    world.settled(&release).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_does_not_drain_is_killed_in_time() {
    let mut world = World::new().await;
    let first = world.release(1, "").await;
    world.roll(&first).await;
    let pid = world.seen().await.processes[0].id.pid;
    super::world::signal(pid, Signal::STOP);
    let second = world.release(2, "").await;
    let limits = nica_effects::process::Limits { ready_within_ms: 20_000, drain_within_ms: 300 };
    world.set_within(Some(&second), limits).await.expect("accepted");
    world.settled(&second).await;
}
