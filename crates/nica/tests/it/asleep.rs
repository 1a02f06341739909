//! A machine that went off: no supervisor runs, and whoever looks is told what is wanted there.

use super::place::{Place, expect};
use serde_json::json;

#[tokio::test]
async fn what_is_planned_while_nothing_runs_is_what_a_deploy_finds() {
    let place = Place::new().await;
    let one = place.release("1", &[]).await;
    expect(&place.nica(&["deploy", "--env", "dev", "--release", &one]).await, 0, "live");
    let status = place.nica(&["status"]).await;
    let target = &status.end()["target"];
    assert_eq!(
        (&target["supervised"], &target["components"]["api"]["ready"]),
        (&json!(true), &json!(1)),
        "{status:#?}"
    );

    place.kill_supervisor();
    let said = || {
        let output = place.command(&["status"]).output().expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let next = "         = next: nica resume --env dev, which starts the supervisor\n";
    let lives = "dev      1   no supervisor runs: api wanted, processes that nobody watches: 1\n";
    assert_eq!(said(), format!("{lives}{next}"));

    place.kill_target();
    assert_eq!(said(), format!("dev      1   nothing runs: no supervisor, api wanted\n{next}"));
    let status = place.nica(&["status"]).await;
    let (target, next) = (&status.end()["target"], &status.end()["next"]);
    assert_eq!(
        (&target["supervised"], &target["components"]["api"]["ready"]),
        (&json!(false), &json!(0)),
        "{status:#?}"
    );
    assert_eq!(next, "nica resume --env dev, which starts the supervisor");
    let same = place.nica(&["plan", "--env", "dev", "--release", &one]).await;
    assert_eq!(same.exit, Some(0), "1 is what is wanted: {same:#?}");
    let two = place.release("2", &[]).await;
    let plan = place.path("two.plan").display().to_string();
    let planned = place.nica(&["plan", "--env", "dev", "--release", &two, "--out", &plan]).await;
    assert_eq!((planned.exit, &planned.end()["supervised"]), (Some(4), &json!(false)), "{planned:#?}");
    expect(&place.nica(&["deploy", "--env", "dev", "--plan", &plan]).await, 0, "live");
}
