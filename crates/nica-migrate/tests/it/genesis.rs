//! The schema appears once, whole, whoever asks.

use crate::common::{ENV, SERVICE, database, empty_database, session, text};
use nica_migrate::schema::{self, SchemaError};

#[tokio::test]
async fn sixteen_at_once_make_one_schema() {
    let url = empty_database().await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let mut client = session(&url).await;
                schema::genesis(&mut client, SERVICE, ENV).await.expect("genesis")
            })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        made += u32::from(task.await.expect("no panic"));
    }
    assert_eq!(made, 1);
    let client = session(&url).await;
    assert!(schema::exists(&client).await.expect("a read"));
    let counts = "SELECT concat((SELECT count(*) FROM nica.control), (SELECT count(*) FROM nica.lease),
                  (SELECT count(*) FROM nica.fence))";
    assert_eq!(text(&client, counts).await, "111");
}

#[tokio::test]
async fn looking_creates_nothing() {
    let client = session(&empty_database().await).await;
    assert!(!schema::exists(&client).await.expect("a read"));
    assert_eq!(text(&client, "SELECT count(*)::text FROM pg_namespace WHERE nspname ~ '^nica'").await, "0");
}

#[tokio::test]
async fn database_of_another_environment_is_refused() {
    let mut client = session(&database().await).await;
    let error = schema::genesis(&mut client, SERVICE, "prod").await.expect_err("it is test's");
    assert!(matches!(error, SchemaError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("belongs to nica/test, not to nica/prod"), "{error}");
}

/// Red once happened: a role `nica` made its tables in the schema `nica`.
#[tokio::test]
async fn role_whose_tables_would_land_in_the_schema_is_refused() {
    let url = empty_database().await;
    let admin = session(&url).await;
    admin.batch_execute("CREATE ROLE nica SUPERUSER LOGIN").await.expect("a role");
    let mut client = session(&url.with_user("nica", None)).await;
    let error = schema::genesis(&mut client, SERVICE, ENV).await.expect_err("it is named nica");
    assert!(matches!(error, SchemaError::SearchPath { .. }), "{error}");
    assert!(!schema::exists(&admin).await.expect("a read"));
    client.batch_execute("SET search_path = public").await.expect("set");
    assert!(schema::genesis(&mut client, SERVICE, ENV).await.expect("now it is safe"));
}

#[tokio::test]
async fn serves_says_what_is_applied_and_stays_readable_for_plain_roles() {
    let url = database().await;
    let owner = session(&url).await;
    owner
        .batch_execute(
            "INSERT INTO nica.migration (id, sha256, phase, class, state, fence, who, version) VALUES
             ('0002_b', 'x', 'expand', 'sticky', 'started', 1, 'w', '1'),
             ('0001_a', 'x', 'expand', 'sticky', 'applied', 1, 'w', '1'),
             ('0003_c', 'x', 'expand', 'sticky', 'undone', 1, 'w', '1');
             SET ROLE pg_read_all_stats",
        )
        .await
        .expect("rows");
    let seen = text(&owner, "SELECT nica.serves()::text").await;
    let expected = r#"{"floor": null, "format": 1, "managed": false, "migrations": [{"id": "0001_a", "phase": "expand", "state": "applied"}, {"id": "0002_b", "phase": "expand", "state": "started"}]}"#;
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn second_open_run_is_refused_by_the_table() {
    let client = session(&database().await).await;
    let blob = "INSERT INTO nica.blob VALUES (repeat('a', 64), 'plan', '')";
    client.batch_execute(blob).await.expect("a blob");
    let open = |id: &str| {
        format!("INSERT INTO nica.run (id, plan, fence, starter) VALUES ('{id}', repeat('a', 64), 1, 'w')")
    };
    client.batch_execute(&open("one")).await.expect("the first");
    client.batch_execute(&open("two")).await.expect_err("one is open");
    let settle = "UPDATE nica.run SET settled_at = now(), ending = 'live'";
    client.batch_execute(settle).await.expect("settled");
    client.batch_execute(&open("two")).await.expect("the first is settled");
}
