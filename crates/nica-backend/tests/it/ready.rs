//! Readiness, and the socket that waits for it.

use crate::client::{At, Connection, ask, get, request};
use crate::replica::{Replica, Shared};
use crate::world;
use std::time::Duration;
use tokio::time::{sleep, timeout};

async fn readyz(at: &At) -> u16 {
    get(at, "/readyz").await.status.as_u16()
}

async fn becomes(at: &At, status: u16) {
    for _ in 0..100 {
        if readyz(at).await == status {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("/readyz never answered {status}: {}", get(at, "/readyz").await.text);
}

#[tokio::test]
async fn the_admin_socket_answers_before_ready_and_the_service_socket_does_not() {
    let url = world::bare().await;
    let shared = Shared::bind();
    let replica = Replica::on(&shared, &url, &[], &[]);
    becomes(&replica.admin, 503).await;
    assert_eq!(get(&replica.admin, "/healthcheck").await.json(), serde_json::json!({"status": "ok"}));
    sleep(Duration::from_millis(500)).await;
    let problem = get(&replica.admin, "/readyz").await.json();
    assert_eq!(problem["code"], "not_ready");
    assert_eq!(problem["errors"][0]["message"], "migration 0001_foods is not applied; migrate the database");
    // The kernel takes the connection; nobody accepts it.
    let mut waiting = Connection::open(&shared.at()).await.expect("the parent listens");
    let answer = waiting.send(request("GET", "/healthcheck", ""));
    let mut answer = Box::pin(answer);
    assert!(timeout(Duration::from_millis(300), &mut answer).await.is_err(), "accepted before ready");
    let session = world::session(&url).await;
    for id in world::BUNDLE.migration_ids() {
        world::apply(&session, id).await;
    }
    becomes(&replica.admin, 200).await;
    assert_eq!(answer.await.expect("served once ready").status, 200);
}

#[tokio::test]
async fn health_ready_and_version_are_on_both_sockets_and_metrics_on_the_admins_alone() {
    let url = world::migrated().await;
    let replica = Replica::start(&url, &[], &[]).ready().await;
    for at in [&replica.admin, &replica.service] {
        assert_eq!(get(at, "/healthcheck").await.status, 200);
        assert_eq!(readyz(at).await, 200);
        let version = get(at, "/version").await.json();
        assert_eq!(version["generation"], "0a1b2c3d4e5f");
        assert!(version["version"].is_string() && version["commit"].is_string());
    }
    assert_eq!(get(&replica.service, "/metrics").await.status, 404);
    get(&replica.service, "/api/v1/nothing").await;
    let page = get(&replica.admin, "/metrics").await.text;
    let count = "http_server_request_duration_seconds_count{generation=\"0a1b2c3d4e5f\",http_request_method=\"GET\",\
                 http_route=\"/version\",http_response_status_code=\"200\"} 1";
    assert!(page.contains(count), "{page}");
    let unmatched = "http_route=\"unmatched\",http_response_status_code=\"404\"} 2";
    assert!(page.contains(unmatched), "{page}");
    assert!(page.contains("nica_ready{generation=\"0a1b2c3d4e5f\"} 1"), "{page}");
}

#[tokio::test]
async fn what_takes_a_replica_out_and_what_does_not() {
    let url = world::migrated().await;
    let session = world::session(&url).await;
    let replica = Replica::start(&url, &[], &[]).ready().await;
    let two_questions = Duration::from_millis(2_300);

    world::mark(&session, "0099_later", "expand", "applied").await;
    world::mark(&session, "0098_half", "expand", "started").await;
    session.batch_execute("BEGIN; LOCK TABLE food, note IN ACCESS EXCLUSIVE MODE").await.expect("locks");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE application_name = 'nica/backend/0a1b2c3d4e5f' AND datname = current_database()";
    let killer = world::session(&url).await;
    assert!(
        !killer.query(end, &[]).await.expect("a superuser").is_empty(),
        "no session has the replica's name"
    );
    sleep(two_questions).await;
    assert_eq!(readyz(&replica.admin).await, 200, "{}", replica.log());
    session.batch_execute("ROLLBACK").await.expect("unlock");

    world::mark(&session, "0097_gone", "contract", "applied").await;
    becomes(&replica.admin, 503).await;
    assert!(get(&replica.admin, "/readyz").await.text.contains("contract 0097_gone"));
    session.batch_execute("DELETE FROM nica.migration WHERE id = '0097_gone'").await.expect("deleted");
    becomes(&replica.admin, 200).await;

    // A question that waits longer than its limit is a miss, and two are too many.
    session.batch_execute("BEGIN; LOCK TABLE nica.migration IN ACCESS EXCLUSIVE MODE").await.expect("locks");
    becomes(&replica.admin, 503).await;
    assert!(get(&replica.admin, "/readyz").await.text.contains("did not answer within 250 ms"));
    assert_eq!(get(&replica.service, "/healthcheck").await.status, 200, "blind replicas go on accepting");
    session.batch_execute("ROLLBACK").await.expect("unlock");
    becomes(&replica.admin, 200).await;
}

#[tokio::test]
async fn without_a_parent_the_program_binds_its_own_sockets() {
    let url = world::migrated().await;
    let free =
        || std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    let (http, admin) = (free(), free());
    let mut child = std::process::Command::new(crate::replica::BINARY)
        .args(["serve", "--read-only"])
        .env_clear()
        .env("DATABASE_URL", url.to_secret_string())
        .env("LISTEN", http.to_string())
        .env("ADMIN_LISTEN", admin.to_string())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    for _ in 0..200 {
        if ask(&At::Tcp(http), "GET", "/readyz", "").await.is_ok_and(|answer| answer.status == 200) {
            break;
        }
        sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(get(&At::Tcp(http), "/readyz").await.status, 200);
    assert_eq!(get(&At::Tcp(admin), "/metrics").await.status, 200);
    child.kill().expect("our child");
    child.wait().expect("our child");
}

#[tokio::test]
async fn questions_that_wait_for_a_lock_do_not_pile_up_in_the_server() {
    let url = world::migrated().await;
    let session = world::session(&url).await;
    let _replica = Replica::start(&url, &[], &[]).ready().await;
    session.batch_execute("BEGIN; LOCK TABLE nica.migration IN ACCESS EXCLUSIVE MODE").await.expect("locks");
    sleep(Duration::from_millis(4_500)).await;
    let count = "SELECT count(*) FROM pg_stat_activity
                 WHERE application_name = 'nica/backend/0a1b2c3d4e5f' AND datname = current_database()";
    let count: i64 = session.query_one(count, &[]).await.expect("a count").get(0);
    assert!(count <= 1, "{count} sessions of one replica that serves nobody");
}
