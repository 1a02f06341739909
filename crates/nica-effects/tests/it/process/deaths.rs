//! Supervisor and keeper die, at every kind of moment, and no request is lost.

use super::traffic::Traffic;
use super::world::{World, example, identity, start};
use nica_effects::process::{TargetClient, TargetError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use std::time::{Duration, Instant};

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Kills it this long after a set, starts another, and expects the roll to end as if nothing had been.
async fn supervisor_dies_after(world: &mut World, version: u32, ms: u64) {
    let release = world.release(version, "").await;
    world.set(Some(&release)).await.expect("accepted");
    pause(ms).await;
    world.signal("supervise", Signal::KILL);
    world.restart().await;
    world.settled(&release).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_killed_amid_a_roll_is_continued_by_the_next() {
    let mut world = World::new().await;
    world.roll(&world.release(0, "").await).await;
    let traffic = Traffic::start(&world.address);
    for (version, ms) in (1..).zip([0, 5, 20, 60, 100, 150, 250, 400, 700]) {
        supervisor_dies_after(&mut world, version, ms).await;
    }
    traffic.end_without_loss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_outlive_their_supervisor_and_are_adopted_not_restarted() {
    let mut world = World::new().await;
    let release = world.release(1, "").await;
    world.roll(&release).await;
    let before = world.seen().await.processes;
    world.signal("supervise", Signal::KILL);
    let traffic = Traffic::start(&world.address);
    pause(300).await;
    world.restart().await;
    let after = world.settled(&release).await.processes;
    let ids = |processes: &[nica_effects::process::ProcessSeen]| {
        let mut ids: Vec<_> = processes.iter().map(|process| process.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&before), ids(&after));
    traffic.end_without_loss().await;
    // An adopted replica's end is noticed too, though nobody can wait for it.
    super::world::signal(after[0].id.pid, Signal::KILL);
    world.until("noticed", |seen| seen.processes.iter().all(|process| process.id != after[0].id)).await;
    world.settled(&release).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_keeper_is_replaced_and_holds_the_sockets_again() {
    let mut world = World::new().await;
    let release = world.release(1, "").await;
    world.roll(&release).await;
    let traffic = Traffic::start(&world.address);
    let first = world.pids("keep");
    world.signal("keep", Signal::KILL);
    let new = |world: &World| world.pids("keep").iter().any(|pid| !first.contains(pid));
    let end = Instant::now() + Duration::from_secs(5);
    while !new(&world) && Instant::now() < end {
        pause(10).await;
    }
    assert!(new(&world), "a new keeper lives");
    pause(300).await;
    traffic.end_without_loss().await;
    waits_at_the_keeper(&mut world).await;
}

/// With supervisor and replicas dead, only the keeper has the socket: who connects waits, and is answered later.
async fn waits_at_the_keeper(world: &mut World) {
    let replicas = world.seen().await.processes;
    world.signal("supervise", Signal::KILL);
    replicas.iter().for_each(|process| super::world::signal(process.id.pid, Signal::KILL));
    pause(100).await;
    let traffic = Traffic::start(&world.address);
    pause(200).await;
    world.restart().await;
    pause(1_000).await;
    traffic.end_without_loss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_serves_connections_wait_at_the_keeper() {
    let mut world = World::new().await;
    world.roll(&world.release(1, "").await).await;
    waits_at_the_keeper(&mut world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_keeper_does_not_stop_the_supervisor() {
    let mut world = World::new().await;
    world.roll(&world.release(1, "").await).await;
    let stopped = world.pids("keep");
    world.signal("keep", Signal::STOP);
    let traffic = Traffic::start(&world.address);
    let mut moved = world.release(2, "").await;
    world.roll(&moved).await;
    traffic.end_without_loss().await;
    moved.listen = moved.listen.replace(":8080", ":8081");
    world.set(Some(&moved)).await.expect("accepted");
    world.until("moved", |seen| seen.rolled_out && seen.processes.len() == 2).await;
    pause(1_500).await;
    assert!(world.pids("keep").iter().all(|pid| !stopped.contains(pid)), "the stopped keeper was replaced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn supervisor_and_keeper_die_together_and_the_sockets_come_from_a_replica() {
    let mut world = World::new().await;
    world.roll(&world.release(1, "").await).await;
    let traffic = Traffic::start(&world.address);
    // The supervisor first, else it replaces the keeper at once.
    world.signal("supervise", Signal::KILL);
    world.signal("keep", Signal::KILL);
    world.restart().await;
    world.roll(&world.release(2, "").await).await;
    traffic.end_without_loss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_that_finds_a_stopped_keeper_replaces_it() {
    let mut world = World::new().await;
    world.roll(&world.release(1, "").await).await;
    let traffic = Traffic::start(&world.address);
    world.signal("keep", Signal::STOP);
    world.signal("supervise", Signal::KILL);
    world.restart().await;
    world.roll(&world.release(2, "").await).await;
    traffic.end_without_loss().await;
}

/// A timer, a session and a service unit have different surroundings; the sockets stay where they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_with_another_runtime_folder_finds_everything() {
    let mut world = World::new().await;
    let release = world.release(1, "").await;
    world.roll(&release).await;
    let before = world.seen().await.processes;
    world.signal("supervise", Signal::KILL);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut command = std::process::Command::new(example("process_target"));
    command.arg("supervise").arg("--state").arg(&world.state).env("XDG_RUNTIME_DIR", elsewhere.path());
    let mut child = command.env("NICA_STATE", &world.state).spawn().expect("it starts");
    std::thread::spawn(move || child.wait());
    let after = world.settled(&release).await.processes;
    assert_eq!(before.iter().map(|p| p.id).max(), after.iter().map(|p| p.id).max());
    world.roll(&world.release(2, "").await).await;
    assert_eq!(std::fs::read_dir(elsewhere.path()).expect("a folder").count(), 0);
}

/// Every actor at random moments of a roll. `cargo test -p nica-effects -- --ignored random`
async fn random_deaths(seed: u64, rounds: u32) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::new().await;
    world.roll(&world.release(0, "").await).await;
    let traffic = Traffic::start(&world.address);
    for round in 1..=rounds {
        let release = world.release(round % 7, "").await;
        world.set(Some(&release)).await.expect("accepted");
        for _ in 0..random.random_range(1..=3) {
            pause(random.random_range(0..250)).await;
            let signal = if random.random_bool(0.9) { Signal::KILL } else { Signal::STOP };
            world.signal(if random.random_bool(0.6) { "supervise" } else { "keep" }, signal);
            if random.random_bool(0.7) {
                world.restart().await;
            }
        }
        world.restart().await;
        world.settled(&release).await;
    }
    traffic.end_without_loss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_deaths_lose_no_request() {
    random_deaths(1, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the whole of the test above, some minutes"]
async fn random_deaths_of_many_seeds_lose_no_request() {
    for seed in 2..12 {
        random_deaths(seed, 8).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_supervisor_is_killed_by_the_taker() {
    let mut world = World::new().await;
    let release = world.release(1, "").await;
    world.roll(&release).await;
    let stopped = world.pids("supervise");
    world.signal("supervise", Signal::STOP);
    let traffic = Traffic::start(&world.address);
    let error = TargetClient::connect(&world.state).await.expect_err("it does not answer");
    assert!(matches!(error, TargetError::NoAnswer { .. }), "{error}");
    world.restart().await;
    assert!(world.pids("supervise").iter().all(|pid| !stopped.contains(pid)));
    world.settled(&release).await;
    traffic.end_without_loss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_start_at_once_share_one_supervisor() {
    let dir = World::new().await;
    dir.signal("supervise", Signal::KILL);
    let starts = (0..8).map(|_| start(&dir.state));
    for client in futures_util::future::join_all(starts).await {
        let hello = client.expect("one of them started it").hello().await.expect("it answers");
        assert_eq!(hello.identity, Some(identity()));
    }
    pause(300).await;
    assert_eq!(dir.pids("supervise").len(), 1);
}
