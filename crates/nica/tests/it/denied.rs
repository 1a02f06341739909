//! A permission that the role lacks is named at once: nobody takes it for a lost answer and asks again.

use super::place::{Came, Place};
use nica_migrate::DbUrl;

/// Owns its database and may not read `pg_catalog.pg_trigger`, which the schema is read from.
async fn place() -> Place {
    let mut place = Place::new().await;
    let client = place.session("test").await;
    let make = "CREATE ROLE poor LOGIN; ALTER DATABASE app OWNER TO poor; GRANT ALL ON SCHEMA public TO poor; \
                REVOKE SELECT ON pg_catalog.pg_trigger FROM PUBLIC";
    client.batch_execute(make).await.expect("a role");
    place.front = DbUrl::on_socket(place.cluster.folder(), "poor", "app");
    place
}

fn check(came: &Came) {
    assert_eq!(came.exit, Some(40), "{came:#?}");
    let said = "failed to use the database: permission denied for table pg_trigger; grant it to the role of the database URL";
    assert_eq!(came.errors.trim(), said);
    let asked_again = came.told.iter().filter(|line| line["event"] == "readmitted").count();
    assert_eq!(asked_again, 0, "{came:#?}");
}

#[tokio::test]
async fn a_missing_permission_is_named_at_once() {
    let place = place().await;
    let one = place.release("1", &[]).await;
    check(&place.nica(&["plan", "--env", "dev", "--release", &one]).await);
    check(&place.nica(&["deploy", "--env", "dev", "--release", &one]).await);
    check(&place.nica(&["db", "diff", "--env", "dev"]).await);
}
