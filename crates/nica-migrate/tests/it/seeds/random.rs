//! Random histories: whatever was applied, repaired, lost or edited before, a run that is taken back leaves the live
//! rows as they were, and a second run writes nothing.

use super::{apply, differences, undo};
use crate::common::{database, session, text};
use nica_migrate::seed::{self, SeedFile};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::Client;

const ROUNDS: u32 = 150;

/// Some of six rows in two files, each with one of three values; sometimes without the second column.
fn world(random: &mut StdRng) -> Vec<SeedFile> {
    let head =
        "table = \"thing\"\nkey = [\"code\"]\nretire = \"gone\"\nsource = \"x\"\nstatus = \"verified\"\n";
    let wide = random.random_bool(0.8);
    let mut texts = [head.to_string(), head.to_string()];
    for code in 0..6 {
        if random.random_bool(0.7) {
            let note =
                if wide { format!("note = \"{}\"\n", random.random_range(0..2)) } else { String::new() };
            let row = format!("[[row]]\ncode = {code}\nvalue = {}\n{note}", random.random_range(0..3));
            texts[random.random_range(0..2)].push_str(&row);
        }
    }
    SeedFile::parse_all([("1.toml", texts[0].as_str()), ("2.toml", texts[1].as_str())]).expect("good files")
}

/// What people do to the table between two releases.
async fn meddle(client: &Client, random: &mut StdRng) {
    let code = random.random_range(0..7);
    let sql = match random.random_range(0..5) {
        0 => format!("DELETE FROM thing WHERE code = {code}"),
        1 => format!("UPDATE thing SET value = 9 WHERE code = {code}"),
        2 => format!("UPDATE thing SET gone = '2020-01-01' WHERE code = {code}"),
        3 => format!("INSERT INTO thing (code, value) VALUES ({code}, 7) ON CONFLICT DO NOTHING"),
        _ => return,
    };
    client.batch_execute(&sql).await.expect("sql");
}

/// Live rows, what is recorded of live seeds, and the digest.
async fn state(client: &Client) -> String {
    let rows = "SELECT concat_ws('; ',
        (SELECT string_agg(concat(code, ' ', value, ' ', note), ', ' ORDER BY code) FROM thing WHERE gone IS NULL),
        (SELECT string_agg(concat(key, columns), ', ' ORDER BY key) FROM nica.seed WHERE state = 'live'))";
    format!("{}; {}", text(client, rows).await, seed::digest(client).await.expect("a digest"))
}

#[tokio::test]
async fn random_runs_are_taken_back_whole() {
    let mut client = session(&database().await).await;
    let table = "CREATE TABLE thing (code integer PRIMARY KEY, value numeric, note text, gone timestamptz)";
    client.batch_execute(table).await.expect("a table");
    let random = &mut StdRng::seed_from_u64(4);
    for round in 0..ROUNDS {
        let (older, newer) = (world(random), world(random));
        apply(&mut client, &older, &format!("older {round}")).await;
        assert!(differences(&client, &older).await.is_empty(), "round {round}");
        let before = state(&client).await;
        let run = format!("newer {round}");
        apply(&mut client, &newer, &run).await;
        assert!(differences(&client, &newer).await.is_empty(), "round {round}");
        assert!(apply(&mut client, &newer, &run).await.is_nothing(), "round {round}");
        undo(&mut client, &run).await;
        assert_eq!(state(&client).await, before, "round {round}");
        assert!(differences(&client, &older).await.is_empty(), "round {round}");
        meddle(&client, random).await;
        if random.random_bool(0.3) {
            apply(&mut client, &newer, &format!("kept {round}")).await;
        }
    }
}
