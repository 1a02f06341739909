//! What a replica gets, what it does not get, and what is written where. Metrics, pins and logs too.

use super::traffic::{CLIENTS, Traffic};
use super::world::{COMPONENT, World};
use nica_effects::process::{Pins, SecretValue, secret};
use std::path::Path;

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let read = |entry: std::fs::DirEntry| {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() { files(&path) } else { vec![(name, std::fs::read(path).unwrap_or_default())] }
    };
    entries.flat_map(read).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_reaches_the_replica_and_no_other_place() {
    let mut world = World::new().await;
    let value = SecretValue::new("correct-horse-battery".into());
    let name = world.client.put_secret(value.clone()).await.expect("it is kept");
    assert_eq!(secret::name(&world.state, &value).expect("the same key"), name);
    let mut release = world.release(1, "").await;
    release.secrets.insert("AUTH_SECRET".into(), name.clone());
    world.roll(&release).await;
    let pid = world.seen().await.processes[0].id.pid;
    let environ = std::fs::read_to_string(format!("/proc/{pid}/environ")).expect("it lives");
    assert!(environ.split('\0').any(|part| part == "AUTH_SECRET=correct-horse-battery"));
    for (file, bytes) in files(&world.state) {
        let holds = bytes.windows(value.reveal().len()).any(|window| window == value.reveal().as_bytes());
        assert_eq!(holds, file == name.0, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_knows_only_what_its_desired_state_says() {
    let mut world = World::new().await;
    let release = world.release(1, "").await;
    world.roll(&release).await;
    let pid = world.seen().await.processes[0].id.pid;
    let environ = std::fs::read_to_string(format!("/proc/{pid}/environ")).expect("it lives");
    let mut names: Vec<&str> = environ.split('\0').filter_map(|part| Some(part.split_once('=')?.0)).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "BEHAVIOUR",
            "DRAIN_MS",
            "LISTEN_FDNAMES",
            "LISTEN_FDS",
            "NICA_LISTEN",
            "NICA_REPLICA",
            "NICA_STATE",
            "PATH",
            "PGAPPNAME",
            "VERSION"
        ]
    );
    let generation = release.generation();
    assert!(environ.contains(&format!("PGAPPNAME=nica/{COMPONENT}/{generation}\0")));
    assert!(environ.contains(&format!("NICA_REPLICA=test/{COMPONENT}/{generation}/")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gc_keeps_what_is_desired_and_what_is_pinned() {
    let mut world = World::new().await;
    let [old, baseline, new] =
        [world.release(1, "").await, world.release(2, "").await, world.release(3, "").await];
    let value = |text: &str| SecretValue::new(text.into());
    let kept = world.client.put_secret(value("kept")).await.expect("kept");
    let dropped = world.client.put_secret(value("dropped")).await.expect("kept");
    world.roll(&new).await;
    let pins = Pins { digests: [baseline.digest.clone()].into(), secrets: [kept.clone()].into() };
    world.client.pin(1, pins).await.expect("pinned");
    assert_eq!(world.client.gc(1).await.expect("swept"), 2);
    let there = |folder: &str, name: &str| world.state.join(folder).join(name).exists();
    assert!(there("store", new.digest.as_str()) && there("store", baseline.digest.as_str()));
    assert!(!there("store", old.digest.as_str()));
    assert!(there("secrets", &kept.0) && !there("secrets", &dropped.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_of_a_generation_add_up_over_living_and_gone_replicas() {
    let mut world = World::new().await;
    let (first, second) = (world.release(1, "").await, world.release(2, "").await);
    world.roll(&first).await;
    let traffic = Traffic::start(&world.address);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    world.roll(&second).await;
    let tally = traffic.end_without_loss().await;
    let metrics = world.client.scrape().await.expect("answers").remove(COMPONENT).expect("it is there");
    let served = |generation| {
        let text: &String = &metrics[&generation].total;
        text.lines()
            .find_map(|line| line.strip_prefix("served_total ")?.parse::<u64>().ok())
            .expect("a number")
    };
    assert_eq!(served(second.generation()), tally.by_version["2"]);
    // A replica may answer its last clients between the last scrape and its end, each at most once.
    let (known, answered) = (served(first.generation()), tally.by_version["1"]);
    assert!(known <= answered && answered - known <= CLIENTS, "{known} of {answered}");
}
