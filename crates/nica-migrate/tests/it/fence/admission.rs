//! Admission raises the fence whatever stands in its way, only upwards, and leaves no lower session.

use crate::common::{ENV, cluster, database, named, session, signal, text};
use nica_migrate::fence::{Admission, FenceError, Guarded, Limits, admit, lower_sessions};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(5);

fn name(fence: i64) -> String {
    format!("nica/{ENV}/{fence}/-")
}

#[tokio::test]
async fn fence_only_rises() {
    let mut client = session(&database().await).await;
    for (fence, admitted) in [(2, true), (2, false), (1, false), (7, true), (6, false)] {
        let answer = admit(&mut client, fence, ENV, LIMIT, Admission::Plain).await;
        let refused = matches!(answer, Err(FenceError::NotAdmitted { .. }));
        assert_eq!((answer.is_ok(), refused), (admitted, !admitted), "{fence}");
    }
    assert_eq!(text(&client, "SELECT number::text FROM nica.fence").await, "7");
}

#[tokio::test]
async fn idle_sessions_of_lower_fences_are_ended_and_no_others() {
    let url = database().await;
    let cases = [
        ("nica/test/3/-", true),
        ("nica/test/4/a1b2c3d4", true),
        ("nica/test/5/-", false),
        ("nica/test/6/-", false),
        ("nica/prod/1/-", false),
        ("nica/test/x/-", false),
        ("nica/test", false),
        ("nica/test/99999999999999999999/-", false),
        ("nica/backend/0123456789ab", false),
        ("psql", false),
    ];
    let mut sessions = Vec::new();
    for (name, _) in cases {
        sessions.push(named(&url, name).await);
    }
    let mut taker = named(&url, "nica/test/5/-").await;
    admit(&mut taker, 5, ENV, LIMIT, Admission::Plain).await.expect("admitted");
    assert!(lower_sessions(&taker, 5, ENV).await.expect("a read").is_empty());
    for ((name, ended), client) in cases.into_iter().zip(sessions) {
        assert_eq!(client.simple_query("SELECT 1").await.is_err(), ended, "{name}");
    }
}

/// Red when admission updates the row without the table lock: share locks that overlap starve it.
#[tokio::test]
async fn overlapping_share_locks_do_not_starve_admission() {
    let url = database().await;
    let mut guards = Vec::new();
    for _ in 0..4 {
        // Not of a lower fence, so that only the table lock can win.
        let mut client = session(&url).await;
        guards.push(tokio::spawn(async move {
            let limits = Limits { lock: Duration::from_secs(5), ..Limits::default() };
            while let Ok(tx) = Guarded::begin(&mut client, 0, &limits).await {
                let _ = tx.batch_execute("SELECT pg_sleep(0.1)").await;
                let _ = tx.commit().await;
            }
        }));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let mut taker = named(&url, &name(1)).await;
    let before = Instant::now();
    admit(&mut taker, 1, ENV, LIMIT, Admission::Plain).await.expect("admitted");
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    for guard in guards {
        tokio::time::timeout(LIMIT, guard).await.expect("refused from now on").expect("no panic");
    }
}

#[tokio::test]
async fn stopped_backend_of_a_lower_fence_is_named_when_the_limit_passes() {
    let url = database().await;
    let old = named(&url, &name(1)).await;
    let pid: i32 = text(&old, "SELECT pg_backend_pid()::text").await.parse().expect("a pid");
    signal(pid, "STOP");
    let mut taker = named(&url, &name(2)).await;
    let limit = Duration::from_millis(700);
    let error = admit(&mut taker, 2, ENV, limit, Admission::Plain).await.expect_err("it is stopped");
    signal(pid, "CONT");
    assert!(matches!(&error, FenceError::Unendable { pids, .. } if *pids == [pid]), "{error}");
    // The number did rise: whoever woke up is refused, and the next number is admitted.
    let mut next = named(&url, &name(3)).await;
    admit(&mut next, 3, ENV, LIMIT, Admission::Plain).await.expect("admitted");
}

#[tokio::test]
async fn managed_is_set_with_the_fence_and_keeps_plain_migrators_out() {
    let url = database().await;
    let mut client = session(&url).await;
    let managed = "SELECT managed::text FROM nica.control";
    admit(&mut client, 1, ENV, LIMIT, Admission::DemandUnmanaged).await.expect("nobody manages it");
    assert_eq!(text(&client, managed).await, "false");
    admit(&mut client, 2, ENV, LIMIT, Admission::SetManaged).await.expect("admitted");
    assert_eq!(text(&client, managed).await, "true");
    let error = admit(&mut client, 3, ENV, LIMIT, Admission::DemandUnmanaged).await.expect_err("managed");
    assert!(matches!(error, FenceError::Managed { .. }), "{error}");
    assert_eq!(text(&client, "SELECT number::text FROM nica.fence").await, "2");
}

#[tokio::test]
async fn session_at_the_server_itself_is_no_pooler() {
    let url = cluster().await.url("postgres");
    nica_migrate::fence::refuse_pooler(&url).await.expect("a plain server");
}
