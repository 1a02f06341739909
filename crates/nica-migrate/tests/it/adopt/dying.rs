//! Killed at any moment, a ledger is either taken over or not; one plain call later it is.

use super::{SQLX, folder, take, tools};
use crate::common::{database, session, text};
use nica_migrate::DbUrl;
use nica_migrate::foreign::Form;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Not a test: what `victim` starts.
#[test]
#[ignore = "is started by other tests"]
fn victim_process() {
    let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
    let (url, files) = (lines.next().expect("an address"), lines.next().expect("a folder"));
    let url = DbUrl::parse(&url).expect("an address");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _ = runtime.block_on(take(&url, Path::new(&files), Some(Form::Sqlx)));
}

fn victim(url: &DbUrl, files: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "adopt::dying::victim_process", "--ignored", "--nocapture", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program starts");
    let mut stdin = child.stdin.take().expect("piped");
    writeln!(stdin, "{}\n{}", url.to_secret_string(), files.display()).expect("it reads");
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_all_of_it_is_taken_over_or_nothing() {
    let files = folder(SQLX);
    let (mut killed, mut whole) = (0, 0);
    for millis in [0, 1, 2, 4, 7, 12, 20, 35] {
        let url = database().await;
        tools::sqlx(&url, files.path(), None).await;
        let client = session(&url).await;
        let mut child = victim(&url, files.path());
        // The lease is the first thing that it writes.
        let taken = "SELECT (number > 0)::text FROM nica.lease";
        until(&client, taken).await;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        killed += i32::from(child.try_wait().expect("asked").is_none());
        child.kill().expect("killed");
        child.wait().expect("gone");
        let count = "SELECT concat_ws(' ', (SELECT count(*) FROM nica.migration),
                     (SELECT count(*) FROM nica.blob WHERE kind = 'adopted-ledger'))";
        let seen = text(&client, count).await;
        assert!(seen == "0 0" || seen == "4 1", "{seen} after {millis} ms");
        whole += i32::from(seen == "4 1");
        let report = take(&url, files.path(), None).await.expect("taken over");
        assert_eq!(report.refusals, [], "after {millis} ms");
        assert_eq!(text(&client, count).await, "4 1", "after {millis} ms");
    }
    assert!(killed > 0, "none of them was hit");
    println!("{killed} of 8 were killed at work, {whole} had taken over");
}

pub(super) async fn until(client: &tokio_postgres::Client, sql: &str) {
    for _ in 0..30_000 {
        if text(client, sql).await == "true" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{sql} never came true");
}
