//! The cluster underneath: what it may lack, what stands on what, what is left of it.

use super::{BASE, check, migration, on_shared, reports, up, words};
use crate::common::text;
use nica_migrate::certify::{CertifyError, certify, certify_each, certify_given};
use nica_migrate::connect::connect;
use nica_migrate::scratch::{GivenServer, ScratchCluster};
use nica_migrate::source::{Class, Manifest, Migration, Phase};
use std::path::Path;

/// Roles belong to a cluster: what a migration grants to is made up here.
#[tokio::test]
async fn roles_of_the_real_cluster_are_not_missed() {
    let grant = "GRANT SELECT ON note TO certify_reader;\nGRANT INSERT ON note TO \"certify writer\"";
    let back = "REVOKE SELECT ON note FROM certify_reader;\nREVOKE INSERT ON note FROM \"certify writer\"";
    check(migration("0002_m", Class::Lossless, &[], grant, Some(back)), &[]).await;
}

#[tokio::test]
async fn ground_that_is_not_like_the_real_one_is_no_fault_of_the_migration() {
    let all = [up("CREATE EXTENSION nothing_like_it")];
    let error = on_shared(&all, &[], &["0002_m"]).await.expect_err("no such extension");
    assert!(matches!(&error, CertifyError::Ground { id, .. } if id == "0002_m"), "{error}");
    let error = on_shared(&all, &["0002_m"], &["0003_n"]).await.expect_err("no such migration");
    assert!(matches!(&error, CertifyError::Unknown { id } if id == "0003_n"), "{error}");
    let broken = [up("SELECT nothing()")];
    let all = [broken[0].clone(), migration("0003_n", Class::Sticky, &[], "SELECT 1", None)];
    let error = on_shared(&all, &["0002_m"], &["0003_n"]).await.expect_err("nothing to stand on");
    assert!(matches!(&error, CertifyError::Live { id, .. } if id == "0002_m"), "{error}");
}

/// What stands on a migration that failed cannot be tried; what was tried before it is reported.
#[tokio::test]
async fn reports_end_where_the_ground_ends() {
    let of = |id: &str, sql: &str| migration(id, Class::Sticky, &[], sql, None);
    let all =
        [of("0002_a", "CREATE TABLE a (id int)"), of("0003_b", "SELECT nothing()"), of("0004_c", "SELECT 1")];
    let found = reports(BASE, &all).await;
    let found: Vec<_> = found.iter().map(|r| (r.migration.as_str(), r.errors.len())).collect();
    assert_eq!(found, [("0002_a", 0), ("0003_b", 1)]);
}

/// The project's own, on a cluster of their own. Says how long it took; nothing is left of it.
#[tokio::test]
async fn own_migrations_keep_their_promises_and_nothing_is_left_behind() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let all = nica_migrate::source::read_dir(&folder).expect("the project's own");
    let ids: Vec<_> = all.iter().map(|m| m.id.clone()).collect();
    let begun = std::time::Instant::now();
    let found = certify(&all, &[], &ids, None).await.expect("a cluster");
    println!("{} migrations certified in {} ms", found.len(), begun.elapsed().as_millis());
    for (report, migration) in found.iter().zip(&all) {
        let promised = migration.class == Class::Sticky || !report.removes.iter().any(|r| r.writable);
        assert!(report.errors.is_empty() && report.changes.is_empty() && promised, "{report:?}");
        assert!(
            report.round_trip.as_ref().is_none_or(|t| t.before == t.down && t.up == t.up_again),
            "{report:?}"
        );
    }
    assert_eq!(found.len(), all.len());
    assert_eq!(own_clusters(), Vec::<String>::new());
}

/// Watchers of clusters like that one which are still our children. Each ends after its server, and takes the folder
/// along.
fn own_clusters() -> Vec<String> {
    let us = std::process::id().to_string();
    let read = |entry: &std::fs::DirEntry, name: &str| {
        let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    // `pid (name) state parent …`
    let is_ours = |stat: String| {
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(us.as_str()))
    };
    let children = std::fs::read_dir("/proc").expect("proc").flatten().filter(|e| is_ours(read(e, "stat")));
    children.map(|e| read(&e, "cmdline")).filter(|line| line.contains("max_connections=20 ")).collect()
}

/// A repository asks about each by itself: what stands before it is live, contracts too.
#[tokio::test]
async fn each_by_itself_stands_on_all_before_it() {
    let contract = Manifest { phase: Phase::Contract, ..Manifest::default() };
    let contract = Migration::new("0003_c", contract, "ALTER TABLE a DROP x".to_string(), None);
    let of = |id: &str, sql: &str| migration(id, Class::Sticky, &[], sql, None);
    let all = [
        of("0001_a", "CREATE TABLE a (id int PRIMARY KEY, x int, y int)"),
        of("0002_b", "ALTER TABLE a DROP y"),
        contract.expect("a good migration"),
        of("0004_d", "ALTER TABLE a ADD x int"),
        of("0005_e", "ALTER TABLE a DROP x"),
    ];
    let found = certify_each(&all, None).await.expect("a cluster");
    let found: Vec<_> = found.iter().map(|r| (r.migration.as_str(), words(r).join(", "))).collect();
    let expected = [
        ("0001_a", ""),
        ("0002_b", "removed a.y at 0002_b/up.sql:1:1"),
        ("0004_d", ""),
        ("0005_e", "removed a.x at 0005_e/up.sql:1:1"),
    ];
    assert_eq!(found, expected.map(|(id, says)| (id, says.to_string())));
}

/// Where no server programs are installed. A cluster of its own, because databases and roles of the whole server count.
#[tokio::test]
async fn a_server_that_was_given_sees_the_same_and_nothing_is_left_on_it() {
    let cluster = ScratchCluster::start().await.expect("a cluster");
    let url = cluster.url("postgres");
    let client = connect(&url, "test").await.expect("a session");
    let there = "SELECT string_agg(name, ' ' ORDER BY name) FROM (SELECT datname::text AS name FROM pg_database \
                 UNION ALL SELECT rolname::text FROM pg_roles WHERE rolname !~ '^pg_') AS all_of_it";
    let before = text(&client, there).await;
    // What a killed process left an hour ago, and what another one is using now.
    let now = text(&client, "SELECT extract(epoch FROM now())::bigint::text").await;
    for name in ["nica_scratch_1000000_dead", &format!("nica_scratch_{now}_busy")] {
        client.batch_execute(&format!("CREATE DATABASE \"{name}\"")).await.expect("a database");
    }
    let server = GivenServer::new(url);
    let grant = "GRANT SELECT ON note TO certify_given";
    let all = [
        migration("0001_base", Class::Sticky, &[], BASE, None),
        migration("0002_m", Class::Lossless, &[], grant, Some("REVOKE SELECT ON note FROM certify_given")),
        migration("0003_n", Class::Sticky, &[], "ALTER TABLE note DROP COLUMN body CASCADE", None),
    ];
    let ids = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let found = certify_given(&server, &all, &ids(&["0001_base"]), &ids(&["0002_m", "0003_n"])).await;
    let found: Vec<Vec<String>> = found.expect("it was tried").iter().map(words).collect();
    assert_eq!(found, [vec![], reports(BASE, &all[1..]).await.get(1).map(words).expect("the same here")]);
    assert!(!found[1].is_empty(), "a narrowing is seen");
    client
        .batch_execute(&format!("DROP DATABASE \"nica_scratch_{now}_busy\""))
        .await
        .expect("it was left alone");
    assert_eq!(text(&client, there).await, before, "neither a database nor a role is left");
    assert!(server.version().await.expect("it says so").starts_with("postgres (PostgreSQL) "));
}
