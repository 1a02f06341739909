//! New migrations are tried before the lease is taken, and whoever watches is told.

use super::place::{Migration, Place, came_of, text};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};

const TABLE: Migration<'_> = ("0001_note", "CREATE TABLE note (id int PRIMARY KEY);", "");

#[tokio::test]
async fn nobody_is_kept_from_acting_while_migrations_are_certified() {
    let place = Place::new().await;
    let client = place.session("test").await;
    let one = place.release("1", &[TABLE]).await;
    let mut child = place.start(&["deploy", "--env", "dev", "--release", &one]);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let first: Value = serde_json::from_str(&lines.next().expect("a line")).expect("JSON");
    assert_eq!(first, serde_json::json!({ "event": "certifying", "migrations": 1 }));
    assert_eq!(
        text(&client, "SELECT to_regclass('nica.lease')::text").await,
        "",
        "there is no lease to take so far"
    );
    let rest: Vec<String> = lines.collect();
    let said =
        |event: &str| rest.iter().filter(|line| line.contains(&format!("\"event\":\"{event}\""))).count();
    assert_eq!((said("certifying"), said("certified")), (0, 1), "asked once: {rest:#?}");
    assert_eq!(came_of(child).await.exit, Some(0), "{rest:#?}");
}
