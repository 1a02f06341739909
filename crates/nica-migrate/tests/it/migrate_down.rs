//! Taking migrations back by hand: the order, the named point, and what is refused before anything is touched.

use super::common::{ENV, SERVICE, database, session, text};
use nica_migrate::DbUrl;
use nica_migrate::migrate_down::{Caller, migrate_down};
use nica_migrate::migrate_seed::{Options, Program, migrate_seed};
use nica_migrate::source::read_texts;

const CALLER: Caller<'_> = Caller { service: SERVICE, env: ENV, who: "ana", host: "here", version: "1" };
const TEXTS: &[(&str, &str)] = &[
    ("0001_note/up.sql", "CREATE TABLE note (id int PRIMARY KEY, body text);"),
    ("0001_note/down.sql", "DROP TABLE note;"),
    ("0002_mood/up.sql", "ALTER TABLE note ADD COLUMN mood text;"),
    ("0002_mood/down.sql", "ALTER TABLE note DROP COLUMN mood;"),
    ("0002_mood/migration.toml", "class = \"parking\"\npark = [\"note.mood\"]"),
    ("0003_by_mood/up.sql", "CREATE INDEX CONCURRENTLY by_mood ON note (mood);"),
    ("0003_by_mood/down.sql", "DROP INDEX CONCURRENTLY by_mood;"),
    ("0003_by_mood/migration.toml", "class = \"lossless\"\ntransaction = false"),
];

async fn migrate(url: &DbUrl, texts: &[(&str, &str)]) {
    let migrations = read_texts(texts).expect("good migrations");
    let program = Program {
        service: SERVICE,
        env: ENV,
        who: "ana",
        host: "here",
        version: "1",
        migrations: &migrations,
        seeds: &[],
    };
    migrate_seed(url, &program, &Options::default()).await.expect("they are applied");
}

async fn down(url: &DbUrl, to: Option<&str>) -> Result<Vec<String>, String> {
    migrate_down(url, &CALLER, to, &Options::default()).await.map_err(|error| error.to_string())
}

async fn states(url: &DbUrl) -> String {
    let sql = "SELECT coalesce(string_agg(id || ' ' || state, ', ' ORDER BY id), '') FROM nica.migration";
    text(&session(url).await, sql).await
}

#[tokio::test]
async fn what_was_applied_last_goes_first_down_to_the_named_one() {
    let url = database().await;
    migrate(&url, TEXTS).await;
    let client = session(&url).await;
    client.execute("INSERT INTO note VALUES (1, 'b', 'glad')", &[]).await.expect("a row");
    // A late one, with a lower number, was applied last.
    let late =
        [("0000_late/up.sql", "CREATE TABLE late (id int);"), ("0000_late/down.sql", "DROP TABLE late;")];
    migrate(&url, &[TEXTS, &late].concat()).await;

    assert_eq!(down(&url, Some("0003_by_mood")).await, Ok(vec!["0000_late".to_string()]));
    let two = vec!["0003_by_mood".to_string(), "0002_mood".to_string()];
    assert_eq!(down(&url, Some("0001_note")).await, Ok(two));
    assert_eq!(
        states(&url).await,
        "0000_late undone, 0001_note applied, 0002_mood undone, 0003_by_mood undone"
    );
    assert_eq!(down(&url, Some("0001_note")).await, Ok(vec![]), "a second time there is nothing to do");
    migrate(&url, TEXTS).await;
    assert_eq!(text(&client, "SELECT mood FROM note").await, "glad", "the values come back with the next up");
    assert_eq!(down(&url, None).await.map(|all| all.len()), Ok(3));
    assert_eq!(text(&client, "SELECT coalesce(to_regclass('note')::text, 'none')").await, "none");
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_refused_before_anything_is_touched() {
    let url = database().await;
    let more = [
        ("0004_keep/up.sql", "CREATE TABLE keep (id int);"),
        ("0005_more/up.sql", "CREATE TABLE more (id int);"),
        ("0005_more/down.sql", "DROP TABLE more;"),
    ];
    migrate(&url, &[TEXTS, &more].concat()).await;
    let before = states(&url).await;
    let refused = down(&url, None).await;
    assert_eq!(refused, Err("take back 0004_keep: it was applied without a down text".to_string()));
    let refused = down(&url, Some("0009_gone")).await.expect_err("nobody knows it");
    assert!(refused.starts_with("find 0009_gone among the applied migrations: 0001_note, "), "{refused}");
    let client = session(&url).await;
    let contract = "UPDATE nica.migration SET phase = 'contract' WHERE id = '0004_keep'";
    client.execute(contract, &[]).await.expect("marked");
    let refused = down(&url, Some("0001_note")).await;
    let why = "take back 0004_keep: it is a contract, and there is no way back below it";
    assert_eq!(refused, Err(why.to_string()));
    client.execute("UPDATE nica.control SET managed = true", &[]).await.expect("managed");
    let refused = down(&url, Some("0004_keep")).await.expect_err("a deployer manages it");
    assert!(refused.contains("managed") || refused.contains("manages"), "{refused}");
    let other = Caller { env: "prod", ..CALLER };
    client.execute("UPDATE nica.control SET managed = false", &[]).await.expect("by hand again");
    let foreign = migrate_down(&url, &other, None, &Options::default()).await.expect_err("another's");
    assert!(foreign.to_string().contains("belongs to nica/test, not to nica/prod"), "{foreign}");
    assert_eq!(states(&url).await, before);
}
