//! What an image runs: `start`, its probe, and secrets that come as files.

use crate::replica::{BINARY, SECRET};
use crate::world;
use nica_migrate::DbUrl;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const WAIT_MAX: Duration = Duration::from_secs(30);

/// As an image sets it up, on sockets in a folder.
fn program(words: &[&str], folder: &Path, url: &DbUrl) -> Command {
    let (secret, address) = (folder.join("auth_secret"), folder.join("database_url"));
    std::fs::write(&secret, format!("{SECRET}\n")).expect("written");
    std::fs::write(&address, url.to_secret_string()).expect("written");
    let mut command = Command::new(BINARY);
    command.args(words).env_clear();
    command.env("AUTH_SECRET_FILE", secret).env("DATABASE_URL_FILE", address);
    let socket = |name: &str| format!("unix:{}", folder.join(name).display());
    command.env("LISTEN", socket("http")).env("ADMIN_LISTEN", socket("admin")).env("DRAIN_MS", "0");
    command
}

fn ended(mut child: Child) -> Output {
    let until = Instant::now() + WAIT_MAX;
    while child.try_wait().expect("our child").is_none() {
        assert!(Instant::now() < until, "it never ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().expect("its words")
}

fn spawned(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

fn terminate(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("our child is there");
}

fn probe(folder: &Path, url: &DbUrl) -> Option<i32> {
    let output = program(&["healthcheck", "--http"], folder, url).output().expect("it starts");
    output.status.code()
}

async fn until_healthy(folder: &Path, url: &DbUrl) {
    let until = Instant::now() + WAIT_MAX;
    while probe(folder, url) != Some(0) {
        assert!(Instant::now() < until, "never healthy");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_image_that_may_migrate_brings_an_empty_database_up_and_serves() {
    let (url, folder) = (world::empty().await, TempDir::new().expect("a folder"));
    assert_eq!(probe(folder.path(), &url), Some(1), "nobody is there yet");
    let mut command = program(&["start"], folder.path(), &url);
    // A hub that nobody can reach is no reason not to serve.
    command.env("RUN_DB_MIGRATIONS", "1").env("NICA_ENV", "prod");
    command.env("HF_MODEL_REPOS", "owner/small").env("HF_ENDPOINT", "http://127.0.0.1:1");
    command.env("HF_HOME", folder.path()).env("HF_PREFETCH_TIMEOUT_MS", "300");
    let child = spawned(command);
    until_healthy(folder.path(), &url).await;
    let table =
        world::session(&url).await.query_one("SELECT env FROM nica.control", &[]).await.expect("migrated");
    assert_eq!(table.get::<_, &str>(0), "prod");
    terminate(&child);
    let output = ended(child);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("models could not be fetched"), "{told}");
}

#[tokio::test]
async fn without_leave_nothing_is_migrated_and_a_managed_database_ends_the_start() {
    let (url, folder) = (world::empty().await, TempDir::new().expect("a folder"));
    let child = spawned(program(&["start"], folder.path(), &url));
    until_healthy(folder.path(), &url).await;
    terminate(&child);
    assert_eq!(ended(child).status.code(), Some(0));
    let session = world::session(&url).await;
    let sql = "SELECT count(*) FROM pg_namespace WHERE nspname = 'nica'";
    assert_eq!(session.query_one(sql, &[]).await.expect("a count").get::<_, i64>(0), 0);

    let managed = world::bare().await;
    let take = "UPDATE nica.control SET managed = true";
    world::session(&managed).await.batch_execute(take).await.expect("managed");
    let mut command = program(&["start"], folder.path(), &managed);
    command.env("RUN_DB_MIGRATIONS", "1").env("NICA_ENV", "test");
    let output = ended(spawned(command));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("0001_foods") && told.contains("nica deploy"), "{told}");
}

#[tokio::test]
async fn sigterm_ends_a_start_that_still_fetches() {
    let (url, folder) = (world::migrated().await, TempDir::new().expect("a folder"));
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut command = program(&["start"], folder.path(), &url);
    command.env("HF_MODEL_REPOS", "owner/small").env("HF_HOME", folder.path());
    command.env("HF_ENDPOINT", format!("http://{}", silent.local_addr().expect("bound")));
    let child = spawned(command);
    let _asked = silent.accept().await.expect("it asks the hub");
    let began = Instant::now();
    terminate(&child);
    assert_eq!(ended(child).status.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_secret_comes_from_one_place_that_can_be_read() {
    let folder = TempDir::new().expect("a folder");
    let url = DbUrl::parse("postgres://u:hunter2@127.0.0.1:1/d").expect("a url");
    let check = |variable: &str, value: &str, expected: &str| {
        let mut command = program(&["start"], folder.path(), &url);
        let output = command.env(variable, value).output().expect("it starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(expected) && told.matches("error:").count() == 1, "{told}");
        assert!(!told.contains("hunter2") && !told.contains(SECRET), "{told}");
    };
    check("AUTH_SECRET_FILE", "/nowhere/secret", "AUTH_SECRET cannot be read from /nowhere/secret");
    check("DATABASE_URL", "postgres://u:hunter2@h/d", "DATABASE_URL is set, and so is DATABASE_URL_FILE");
    check("RUN_DB_MIGRATIONS", "perhaps", "RUN_DB_MIGRATIONS is `perhaps`");
}
