//! A migrator that is killed from outside at any moment, and one plain re-run.
//!
//! The victim is this test binary again, as a process of its own: it reads its address from stdin and says when it
//! is done. Killed means SIGKILL; its server sessions are what it leaves behind.

use super::{is_healthy, run};
use crate::common::{empty_database, session, text};
use nica_migrate::DbUrl;
use nica_migrate::fingerprint::Fingerprint;
use nica_migrate::seed;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Not a test: what `victim` starts.
#[test]
#[ignore = "is started by other tests"]
fn victim_process() {
    let mut url = String::new();
    std::io::stdin().read_line(&mut url).expect("an address");
    println!("victim begins");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let report = runtime.block_on(run(&DbUrl::parse(&url).expect("an address")));
    println!("victim applied {}", report.applied.len());
}

/// A process that has just begun.
fn victim(url: &DbUrl) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "migrate_seed::dying::victim_process", "--ignored", "--nocapture", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program starts");
    let mut stdin = child.stdin.take().expect("piped");
    writeln!(stdin, "{}", url.to_secret_string()).expect("it reads");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    while !line.contains("victim begins") {
        line.clear();
        assert!(stdout.read_line(&mut line).expect("it speaks") > 0, "the victim never began");
    }
    // Whatever it says later must not block it.
    std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
    child
}

/// Everything that must be the same: schema, seeds, rows, and what is recorded.
async fn state(url: &DbUrl) -> String {
    let mut client = session(url).await;
    let fingerprint = Fingerprint::read(&mut client).await.expect("a fingerprint");
    let rows = "SELECT concat_ws(' ', (SELECT md5(string_agg(e::text, ',' ORDER BY id)) FROM entry e),
        (SELECT string_agg(what, ' ' ORDER BY what) FROM counted),
        (SELECT string_agg(id || ' ' || state, ' ' ORDER BY id) FROM nica.migration))";
    let digest = seed::digest(&client).await.expect("a digest");
    format!("{}\n{digest}\n{}", fingerprint.text(), text(&client, rows).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_one_plain_rerun_ends_the_same() {
    let golden = empty_database().await;
    run(&golden).await;
    let golden = state(&golden).await;
    let (step, mut delay, mut killed, mut survived) = (Duration::from_millis(7), Duration::ZERO, 0, 0);
    while survived < 2 {
        let url = empty_database().await;
        let mut child = victim(&url);
        let begun = Instant::now();
        tokio::time::sleep(delay).await;
        match child.try_wait().expect("asked") {
            Some(_) => survived += 1,
            None => {
                child.kill().expect("killed");
                child.wait().expect("gone");
                killed += 1;
            }
        }
        run(&url).await;
        assert_eq!(state(&url).await, golden, "killed after {:?}", begun.elapsed());
        is_healthy(&url).await;
        delay += step;
    }
    assert!(killed > 10, "only {killed} moments were hit");
}

/// The server ends every session of the migrator instead: it goes on by itself, or its next call does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_ended_at_any_moment_end_the_same() {
    let golden = empty_database().await;
    run(&golden).await;
    let golden = state(&golden).await;
    let (step, mut delay) = (Duration::from_millis(13), Duration::ZERO);
    let mut ended = true;
    while ended {
        let url = empty_database().await;
        let running = tokio::spawn({
            let url = url.clone();
            async move { super::run_as(&url, "victim", &super::migrations()).await }
        });
        tokio::time::sleep(delay).await;
        ended = !running.is_finished();
        let sql = "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name LIKE 'nica/%'";
        text(&session(&url).await, sql).await;
        let _ = running.await.expect("no panic");
        run(&url).await;
        assert_eq!(state(&url).await, golden, "ended after {delay:?}");
        is_healthy(&url).await;
        delay += step;
    }
}

/// As many processes as pods of a deployment that starts all at once, some of them killed in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crowd_of_which_some_are_killed_ends_the_same() {
    let golden = empty_database().await;
    run(&golden).await;
    let golden = state(&golden).await;
    let url = empty_database().await;
    let mut crowd: Vec<_> = (0..16).map(|_| victim(&url)).collect();
    for (n, child) in crowd.iter_mut().enumerate().filter(|(n, _)| n % 2 == 0) {
        tokio::time::sleep(Duration::from_millis(5 * n as u64)).await;
        child.kill().expect("killed");
    }
    for child in &mut crowd {
        child.wait().expect("it ends");
    }
    assert_eq!(state(&url).await, golden);
    is_healthy(&url).await;
}
