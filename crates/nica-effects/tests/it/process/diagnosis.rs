//! Bad releases are found at the signal, and what served goes on serving.

use super::traffic::Traffic;
use super::world::{World, only};
use nica_effects::process::{Limits, Seen};
use nica_engine::Digest;
use nica_engine::track::Class;
use std::time::{Duration, Instant};

/// Rolls a bad release over a good one; returns what was seen, and how long the verdict took.
async fn doom(behaviour: &str, limits: Limits) -> (Seen, Duration) {
    let mut world = World::new().await;
    let good = world.release(1, "").await;
    world.roll(&good).await;
    let traffic = Traffic::start(&world.address);
    let bad = world.release(2, behaviour).await;
    let set = Instant::now();
    world.set_within(Some(&bad), limits).await.expect("accepted");
    let seen = world.until("doomed", |seen| seen.doomed.is_some()).await;
    let took = set.elapsed();
    let serving = seen.processes.iter().filter(|process| process.generation == good.generation()).count();
    assert_eq!(serving, 2, "{seen:#?}");
    world.set(Some(&good)).await.expect("accepted");
    world.until("back", |seen| only(seen, &good.generation(), 2)).await;
    traffic.end_without_loss().await;
    (seen, took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_exits_at_start_is_a_crash_loop_within_a_second() {
    let (seen, took) = doom("exit", Limits::default()).await;
    let doomed = seen.doomed.expect("it was waited for");
    assert_eq!(doomed.class, Class::CrashLoop);
    assert!(doomed.line.contains("exits with code 3, 2 times"), "{doomed}");
    assert_eq!(
        doomed.log_tail.last().map(String::as_str),
        Some("failed to read configuration: this version exits")
    );
    println!("set to verdict: {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_ready_and_then_crashes_is_a_crash_loop() {
    let (seen, _) = doom_while_rolling("crash-ready:150").await;
    assert_eq!(seen.doomed.map(|d| d.class), Some(Class::CrashLoop));
}

/// Like `doom`, but the bad release serves for a moment, so requests to it may be lost and old replicas drained.
async fn doom_while_rolling(behaviour: &str) -> (Seen, Duration) {
    let mut world = World::new().await;
    world.roll(&world.release(1, "").await).await;
    let bad = world.release(2, behaviour).await;
    let set = Instant::now();
    world.set(Some(&bad)).await.expect("accepted");
    let seen = world.until("doomed", |seen| seen.doomed.is_some()).await;
    (seen, set.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_never_gets_ready_is_found_when_its_time_is_over() {
    let limits = Limits { ready_within_ms: 800, drain_within_ms: 2_000 };
    for behaviour in ["never-ready", "deaf"] {
        let (seen, took) = doom(behaviour, limits).await;
        assert_eq!(seen.doomed.map(|d| d.class), Some(Class::Readiness));
        assert!((800..1_500).contains(&took.as_millis()), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_but_good_program_is_not_stopped() {
    let mut world = World::new().await;
    let slow = world.release(1, "slow:1500").await;
    world
        .set_within(Some(&slow), Limits { ready_within_ms: 5_000, drain_within_ms: 2_000 })
        .await
        .expect("accepted");
    let generation = slow.generation();
    world
        .until("rolled out", |seen| {
            assert_eq!(seen.doomed, None);
            only(seen, &generation, 2)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_program_cannot_start() {
    let mut world = World::new().await;
    let mut release = world.release(1, "").await;
    release.digest = Digest::of(b"no program at all, only words");
    world.client.put_bytes(b"no program at all, only words", &release.digest).await.expect("bytes are bytes");
    let set = Instant::now();
    world.set(Some(&release)).await.expect("accepted");
    let seen = world.until("doomed", |seen| seen.doomed.is_some()).await;
    let doomed = seen.doomed.expect("it was waited for");
    assert_eq!(doomed.class, Class::CannotStart);
    assert!(doomed.line.contains("is neither a program for this machine nor a script"), "{doomed}");
    assert!(set.elapsed() < Duration::from_millis(500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_bytes_in_the_store_are_never_executed() {
    let mut world = World::new().await;
    let release = world.release(1, "").await;
    let path = world.state.join("store").join(release.digest.as_str());
    let mut bytes = std::fs::read(&path).expect("it was put");
    bytes.push(0);
    std::fs::write(&path, bytes).expect("the store is ours");
    world.set(Some(&release)).await.expect("accepted");
    let seen = world.until("doomed", |seen| seen.doomed.is_some()).await;
    assert!(seen.doomed.expect("waited for").line.contains("put it there again"));
    assert_eq!(seen.processes, []);
    // Putting it again repairs the store, and the start is tried again.
    world.release(1, "").await;
    world.settled(&release).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_address_names_itself() {
    let mut world = World::new().await;
    let release = world.release(1, "").await;
    let _other = std::net::TcpListener::bind(&release.listen).expect("nobody has it yet");
    world.set(Some(&release)).await.expect("accepted");
    let doomed = world.until("doomed", |seen| seen.doomed.is_some()).await.doomed.expect("waited for");
    assert!(
        doomed.line.contains(&format!("listen on {}: Address already in use", release.listen)),
        "{doomed}"
    );
}
