//! The guide's two commands, against databases in the states that they must tell apart.

use crate::replica::{BINARY, Replica};
use crate::world;
use nica_migrate::DbUrl;
use serde_json::Value;
use std::process::{Command, Output};

fn run(command: &str, url: &DbUrl, more: &[&str]) -> Output {
    let url = url.to_secret_string();
    let mut program = Command::new(BINARY);
    program.arg(command).args(["--url", &url]).args(more).env_clear();
    program.output().expect("it starts")
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(output)))
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

#[tokio::test]
async fn an_empty_database_is_brought_up_once_and_then_left_alone() {
    let url = world::empty().await;
    let first = run("migrate-seed", &url, &["--json"]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first));
    let report = document(&first);
    assert_eq!(report["schema_created"], true);
    let applied: Vec<&str> =
        report["applied"].as_array().expect("ids").iter().filter_map(Value::as_str).collect();
    assert_eq!(applied, world::BUNDLE.migration_ids());
    let session = world::session(&url).await;
    let written =
        "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables";
    let count = async || session.query_one(written, &[]).await.expect("a count").get::<_, i64>(0);
    let before = count().await;
    let second = run("migrate-seed", &url, &[]);
    assert_eq!(text(&second), "database             has what this program needs; nothing was changed\n");
    assert_eq!(count().await, before);
    // What the commands leave is what the service needs.
    let replica = Replica::start(&url, &[], &[]).ready().await;
    let found = crate::client::get(&replica.service, "/api/v1/foods?q=feijoes").await.json();
    assert!(found["data"].as_array().is_some_and(|foods| foods.len() > 3), "{found}");
}

#[tokio::test]
async fn healthcheck_tells_healthy_from_not_and_from_unreachable() {
    let url = world::empty().await;
    let behind = run("healthcheck", &url, &["--json"]);
    assert_eq!((behind.status.code(), &document(&behind)["verdict"]), (Some(1), &"migrations-behind".into()));
    assert_eq!(run("migrate-seed", &url, &["--env", "prod"]).status.code(), Some(0));
    let healthy = run("healthcheck", &url, &["--json"]);
    assert_eq!((healthy.status.code(), &document(&healthy)["healthy"]), (Some(0), &true.into()));
    assert_eq!(run("healthcheck", &url, &["--env", "prod"]).status.code(), Some(0));
    let other = run("healthcheck", &url, &["--env", "stage", "--json"]);
    assert_eq!((other.status.code(), &document(&other)["verdict"]), (Some(1), &"wrong-database".into()));

    world::session(&url).await.batch_execute("DELETE FROM food WHERE id = 'taco-3'").await.expect("deleted");
    let missing = run("healthcheck", &url, &[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing).contains("✗ seed-missing"), "{}", text(&missing));

    let nowhere = DbUrl::parse("postgres://u:hunter2@127.0.0.1:1/d").expect("a url");
    let away = run("healthcheck", &nowhere, &["--json"]);
    assert_eq!((away.status.code(), &document(&away)["verdict"]), (Some(40), &"unreachable".into()));
    assert!(!text(&away).contains("hunter2"));
    assert_eq!(run("migrate-seed", &nowhere, &[]).status.code(), Some(40));
}

#[tokio::test]
async fn a_database_that_a_deployer_manages_is_only_looked_at() {
    let url = world::empty().await;
    assert_eq!(run("migrate-seed", &url, &["--env", "prod"]).status.code(), Some(0));
    let foreign = run("migrate-seed", &url, &["--env", "stage"]);
    assert_eq!(foreign.status.code(), Some(40), "{}", text(&foreign));
    assert!(
        text(&foreign).contains("nica/prod") && text(&foreign).contains("nica/stage"),
        "{}",
        text(&foreign)
    );

    let session = world::session(&url).await;
    let take = "UPDATE nica.control SET managed = true; DELETE FROM food WHERE id = 'taco-3'";
    session.batch_execute(take).await.expect("managed");
    let looked = run("migrate-seed", &url, &["--env", "prod"]);
    assert_eq!(looked.status.code(), Some(1), "{}", text(&looked));
    assert!(text(&looked).contains("only it may add what is missing"), "{}", text(&looked));
    let gone = session.query("SELECT 1 FROM food WHERE id = 'taco-3'", &[]).await.expect("a query");
    assert!(gone.is_empty(), "it wrote into a managed database");
}
