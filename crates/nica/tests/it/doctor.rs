//! What `nica doctor` finds on real parts, and what it must not call right.

use super::place::{Came, Place, came_of};
use nica_migrate::connect::connect;
use serde_json::Value;
use std::process::Stdio;

/// `about` of a line, and what it came to.
fn lines(came: &Came) -> Vec<(String, String)> {
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_string();
    let lines = came.told.iter().filter(|line| line["about"].is_string());
    lines.map(|line| (text(line, "about"), text(line, "state"))).collect()
}

/// What is not right, with its remedy.
fn wrong(came: &Came) -> Vec<(String, String)> {
    let found = came.told.iter().filter(|line| line["about"].is_string() && line["state"] != "right");
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_string();
    found.map(|line| (text(line, "says"), text(line, "next"))).collect()
}

async fn checkout() -> Place {
    let place = Place::new().await;
    let made =
        std::process::Command::new("git").args(["init", "--quiet"]).current_dir(place.path(".")).status();
    assert!(made.expect("git is installed").success());
    place
}

#[tokio::test]
async fn a_place_where_nothing_is_missing_is_right_before_and_after_a_deploy() {
    let place = checkout().await;
    let doctor = ["doctor", "--env", "dev"];
    let before = place.nica(&doctor).await;
    assert_eq!((before.exit, wrong(&before)), (Some(0), vec![]), "{before:#?}");
    let about: Vec<String> = lines(&before).into_iter().map(|(about, _)| about).collect();
    let all = ["git", "throw-away databases", "dev/variables", "dev/database", "dev/database", "dev/target"];
    assert_eq!(about, all);
    let one = place.release("1", &[]).await;
    assert_eq!(place.nica(&["deploy", "--env", "dev", "--release", &one]).await.exit, Some(0));
    let after = place.nica(&doctor).await;
    assert_eq!((after.exit, wrong(&after)), (Some(0), vec![]), "{after:#?}");
    assert!(
        after.told.iter().any(|line| line["says"] == "the ledger has 1 entries, all as they were written")
    );

    // Somebody cut power: what is wanted runs nowhere.
    place.kill_target();
    let asleep = place.nica(&doctor).await;
    assert_eq!(asleep.exit, Some(1), "{asleep:#?}");
    assert_eq!(wrong(&asleep)[0].1, "nica resume --env dev, which starts the supervisor");

    // And somebody writes the books anew.
    let client = place.session("test").await;
    client
        .batch_execute("UPDATE nica.ledger SET entry = replace(entry, 'bia', 'ana')")
        .await
        .expect("a change");
    let broken = place.nica(&doctor).await;
    assert!(wrong(&broken)[0].0.starts_with("ledger entry 1: "), "{broken:#?}");
}

#[tokio::test]
async fn what_is_missing_is_named_with_its_remedy() {
    let place = checkout().await;
    let asked = |change: &dyn Fn(&mut std::process::Command)| {
        let mut command = place.command(&["doctor", "--env", "dev", "--json"]);
        change(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        came_of(command.spawn().expect("nica starts"))
    };
    let unset = asked(&|command| {
        command.env_remove("DEV_DATABASE_URL");
    })
    .await;
    assert_eq!(unset.exit, Some(1), "{unset:#?}");
    let expected = ("DEV_DATABASE_URL is not set".into(), "export DEV_DATABASE_URL where nica runs".into());
    assert_eq!(wrong(&unset)[0], expected);

    let nowhere = "postgresql://nobody@127.0.0.1:1/app?sslmode=disable";
    let unreachable = asked(&|command| {
        command.env("DEV_DATABASE_URL", nowhere);
    })
    .await;
    assert_eq!(unreachable.exit, Some(13), "what nobody could look at is unknown: {unreachable:#?}");

    let other = place.cluster.create_database("other").await.expect("a database");
    let mut client = connect(&other, "test").await.expect("a session");
    nica_migrate::schema::genesis(&mut client, "tiny", "prod").await.expect("schema nica");
    let url = other.to_secret_string();
    let foreign = asked(&|command| {
        command.env("DEV_DATABASE_URL", &url);
    })
    .await;
    assert_eq!(foreign.exit, Some(1), "{foreign:#?}");
    assert_eq!(wrong(&foreign)[0].1, "check which database the variable names");
}
