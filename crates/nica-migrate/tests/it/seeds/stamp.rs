//! The stamp spares the comparison, so it must not outlive anything that it does not say.

use super::{FOODS, TABLES, apply, counts, differences, files, footprint, seeded, undo};
use crate::common::{database, session, text};
use nica_migrate::seed;
use serde_json::json;
use tokio_postgres::Client;

async fn stamps(client: &Client) -> String {
    let sql = "SELECT coalesce(string_agg(\"table\", ' ' ORDER BY \"table\"), '') FROM nica.seed_stamp";
    text(client, sql).await
}

#[tokio::test]
async fn stamp_is_made_only_of_a_table_that_is_right() {
    let mut client = seeded().await;
    assert_eq!(stamps(&client).await, "food unit");
    client.batch_execute("INSERT INTO food (code, name) VALUES (77, 'a user''s own')").await.expect("sql");
    let before = footprint(&client).await;
    assert!(apply(&mut client, &files(FOODS), "second").await.is_nothing());
    assert_eq!(footprint(&client).await, before, "a stamp that holds no longer is not renewed by a look");
    seed::mark_local(&client, "food", &json!({"code": 1}), true).await.expect("marked");
    assert_eq!(stamps(&client).await, "unit");
    client.batch_execute("DELETE FROM food WHERE code = 2").await.expect("sql");
    apply(&mut client, &files(FOODS), "third").await;
    assert_eq!(stamps(&client).await, "unit", "a table with a row of an operator is always compared");
    undo(&mut client, "first").await;
    assert_eq!(stamps(&client).await, "");
}

#[tokio::test]
async fn row_that_the_server_changes_on_its_way_is_never_stamped_as_right() {
    let mut client = session(&database().await).await;
    client.batch_execute(TABLES).await.expect("tables");
    let trigger = "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.name := lower(NEW.name); RETURN NEW; END';
        CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON food FOR EACH ROW EXECUTE FUNCTION spoil()";
    client.batch_execute(trigger).await.expect("a trigger");
    apply(&mut client, &files(FOODS), "first").await;
    assert_eq!(stamps(&client).await, "unit");
    assert_eq!(differences(&client, &files(FOODS)).await.rows.len(), 2);
}

#[tokio::test]
async fn stamp_of_one_release_says_nothing_about_another() {
    let mut client = seeded().await;
    for other in [FOODS.replace("Leite", "Leite integral"), FOODS.replace("[\"cereal\", ", "[")] {
        assert_eq!(differences(&client, &files(&other)).await.rows.len(), 1, "{other}");
    }
    client.batch_execute("ALTER TABLE food ADD status text").await.expect("sql");
    assert_eq!(
        differences(&client, &files(FOODS)).await.rows.len(),
        2,
        "the table has room for one more column"
    );
    assert_eq!(counts(&apply(&mut client, &files(FOODS), "second").await), [0, 2, 0, 0, 0]);
}
