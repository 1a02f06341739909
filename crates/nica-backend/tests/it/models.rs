//! `prefetch-models` against a hub on this machine that answers, fails, cuts and lies.

use crate::hub::{self, Faults, Hub};
use crate::replica::BINARY;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::process::Command;

const REPO: &str = "models--owner--small";

struct Ended {
    code: Option<i32>,
    text: String,
}

async fn prefetch(hub: &Hub, home: &Path, more: &[(&str, &str)]) -> Ended {
    let mut program = Command::new(BINARY);
    program.args(["prefetch-models", "--json"]).env_clear().kill_on_drop(true);
    program.env("HF_ENDPOINT", format!("http://{}", hub.address)).env("HF_MODEL_REPOS", "owner/small");
    program.env("HF_HOME", home).envs(more.iter().copied());
    let output = program.output().await.expect("it starts");
    let text = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    assert!(!text.contains(hub::TOKEN), "{text}");
    Ended { code: output.status.code(), text }
}

fn home() -> TempDir {
    TempDir::new().expect("a folder")
}

fn repo(home: &TempDir) -> PathBuf {
    home.path().join("hub").join(REPO)
}

/// As a loader reads it: by the reference of a revision.
fn loaded(home: &TempDir, file: &str) -> Option<Vec<u8>> {
    let commit = std::fs::read_to_string(repo(home).join("refs/main")).ok()?;
    std::fs::read(repo(home).join("snapshots").join(commit).join(file)).ok()
}

fn half(home: &TempDir) -> PathBuf {
    repo(home).join("blobs").join(hub::WEIGHTS_NAME).with_extension("incomplete")
}

fn is_whole(home: &TempDir) -> bool {
    loaded(home, "model.safetensors") == Some(hub::weights())
        && loaded(home, "1_Pooling/config.json").as_deref() == Some(hub::CONFIG)
}

#[tokio::test]
async fn a_snapshot_comes_once_and_the_next_start_fetches_nothing() {
    let (hub, home) = (Hub::start(Faults::default()).await, home());
    let first = prefetch(&hub, home.path(), &[]).await;
    assert_eq!(first.code, Some(0), "{}", first.text);
    assert!(is_whole(&home));
    let link = repo(&home).join("snapshots").join(hub::COMMIT).join("1_Pooling/config.json");
    let blob = Path::new("../../../blobs").join(hub::CONFIG_NAME);
    assert_eq!(std::fs::read_link(link).expect("a link"), blob);
    let second = prefetch(&hub, home.path(), &[]).await;
    assert!(second.text.contains(r#""files":2,"fetched":0,"bytes":0"#), "{}", second.text);
    assert_eq!(hub.requests("store").len(), 1);
}

#[tokio::test]
async fn a_transfer_that_breaks_is_continued_and_one_that_is_busy_waited_for() {
    let faults = Faults { cut_after: Some(100_000), busy: 1, ..Faults::default() };
    let (hub, home) = (Hub::start(faults).await, home());
    let done = prefetch(&hub, home.path(), &[]).await;
    assert_eq!(done.code, Some(0), "{}", done.text);
    assert!(is_whole(&home));
    let from: Vec<usize> = hub.requests("store").iter().map(|request| request.from).collect();
    assert_eq!(from, [0, 0, 100_000, 200_000]);
}

#[tokio::test]
async fn what_a_dead_start_left_is_continued_or_begun_anew_where_the_store_knows_no_ranges() {
    for (no_ranges, wrong) in [(false, false), (true, false), (true, true)] {
        let (hub, home) = (Hub::start(Faults { no_ranges, ..Faults::default() }).await, home());
        let path = half(&home);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        let mut left = hub::weights()[..1234].to_vec();
        left[0] ^= u8::from(wrong);
        std::fs::write(&path, left).expect("written");
        let done = prefetch(&hub, home.path(), &[]).await;
        assert_eq!(done.code, Some(0), "{}", done.text);
        assert!(is_whole(&home) && !path.exists());
        assert_eq!(hub.requests("store")[0].from, 1234);
    }
}

#[tokio::test]
async fn altered_bytes_are_never_shown_and_the_next_try_begins_anew() {
    let home = home();
    let lies = Hub::start(Faults { altered: true, ..Faults::default() }).await;
    let refused = prefetch(&lies, home.path(), &[]).await;
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.text.contains(hub::WEIGHTS_NAME) && refused.text.contains("model.safetensors"),
        "{}",
        refused.text
    );
    assert_eq!(loaded(&home, "1_Pooling/config.json"), None, "half a snapshot is none");
    let honest = Hub::start(Faults::default()).await;
    assert_eq!(prefetch(&honest, home.path(), &[]).await.code, Some(0));
    assert!(is_whole(&home));
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_never_to_its_store() {
    let (hub, home) = (Hub::start(Faults { private: true, ..Faults::default() }).await, home());
    let without = prefetch(&hub, home.path(), &[]).await;
    assert_eq!(without.code, Some(1));
    assert!(
        without.text.contains("status 401") && without.text.contains("HF_TOKEN_PATH"),
        "{}",
        without.text
    );
    let file = home.path().join("token");
    std::fs::write(&file, format!("{}\n", hub::TOKEN)).expect("written");
    let with = prefetch(&hub, home.path(), &[("HF_TOKEN_PATH", file.to_str().expect("a path"))]).await;
    assert_eq!(with.code, Some(0), "{}", with.text);
    assert!(hub.requests("model.safetensors")[0].token && !hub.requests("store")[0].token);
    let plain = [("HF_TOKEN_PATH", file.to_str().expect("a path")), ("HF_ENDPOINT", "http://hub.test")];
    let refused = prefetch(&hub, home.path(), &plain).await;
    assert!(refused.code == Some(1) && refused.text.contains("without TLS"), "{}", refused.text);
}

#[tokio::test]
async fn two_replicas_on_one_volume_fetch_once() {
    let (hub, home) = (Hub::start(Faults::default()).await, home());
    let (one, other) = tokio::join!(prefetch(&hub, home.path(), &[]), prefetch(&hub, home.path(), &[]));
    assert_eq!((one.code, other.code), (Some(0), Some(0)), "{} {}", one.text, other.text);
    assert!(is_whole(&home));
    assert_eq!(hub.requests("store").len(), 1);
}

#[tokio::test]
async fn a_hub_that_never_ends_is_left_at_the_limit() {
    let faults = Faults { busy: usize::MAX, ..Faults::default() };
    let (hub, home) = (Hub::start(faults).await, home());
    let left = prefetch(&hub, home.path(), &[("HF_PREFETCH_TIMEOUT_MS", "500")]).await;
    assert!(left.code == Some(1) && left.text.contains("HF_PREFETCH_TIMEOUT_MS"), "{}", left.text);
}

#[test]
fn names_that_could_leave_the_cache_are_refused_before_anything_is_asked() {
    for (variable, value) in [
        ("HF_MODEL_REPOS", "../x"),
        ("HF_MODEL_REPOS", "a/b/c"),
        ("HF_MODEL_REPOS", "a b?c"),
        ("HF_REVISION", "../main"),
        ("HF_REVISION", "/main"),
        ("HF_ENDPOINT", "ftp://hub.test"),
        ("HF_TOKEN_PATH", "/nowhere/token"),
    ] {
        let mut program = std::process::Command::new(BINARY);
        program.arg("prefetch-models").env_clear().env("HF_MODEL_REPOS", "owner/small").env(variable, value);
        let output = program.output().expect("it starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{variable}={value}: {told}");
        assert!(told.contains(variable), "{told}");
    }
}
