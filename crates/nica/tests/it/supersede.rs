//! A run that nothing can settle, and the newer release that takes its place: on a real database and a real target.

use super::place::{Came, Migration, Place, expect, signal, text};
use rustix::process::Signal;
use tokio_postgres::Client;

const TABLE: Migration<'_> = ("0001_note", "CREATE TABLE note (id int PRIMARY KEY, body text);", "");
const MOOD: Migration<'_> =
    ("0002_mood", "ALTER TABLE note ADD COLUMN mood text;", "class = \"parking\"\npark = [\"note.mood\"]\n");
const SEEDS: [&str; 2] = ["old", "new"];

/// Release 1 is live and cannot start again; release 2 neither, so its run is stuck.
pub(crate) struct Stuck {
    pub(crate) place: Place,
    one: String,
    two: String,
    /// While it is there, releases 1 and 2 end at once.
    flag: std::path::PathBuf,
    pub(crate) client: Client,
}

fn seeds(place: &Place, value: &str) {
    let file = format!(
        "table = \"kind\"\nkey = [\"name\"]\n\n[[row]]\nname = \"a\"\nvalue = \"{value}\"\nsource = \"a test\"\nstatus = \"verified\"\n"
    );
    std::fs::write(place.path("seeds/0001_kind.toml"), file).expect("there is room");
}

impl Stuck {
    async fn new() -> Stuck {
        Stuck::among("").await
    }

    /// Under these people from the first release on.
    pub(crate) async fn among(people: &str) -> Stuck {
        let place = Place::new().await;
        std::fs::write(place.path("people.toml"), people).expect("there is room");
        let flag = place.path("broken");
        place.exec(&format!("serve {}", flag.display()));
        let kind: Migration<'_> = ("0000_kind", "CREATE TABLE kind (name text PRIMARY KEY, value text);", "");
        seeds(&place, SEEDS[0]);
        let one = place.release("1", &[kind, TABLE]).await;
        expect(&place.nica(&["deploy", "--env", "dev", "--release", &one]).await, 0, "live");
        seeds(&place, SEEDS[1]);
        let down = "ALTER TABLE note DROP COLUMN mood;";
        let two = place.release_with("2", &[MOOD], Some(down)).await;
        std::fs::write(&flag, "").expect("there is room");
        place.replicas().into_iter().for_each(|pid| signal(pid, Signal::KILL));
        expect(&place.nica(&["deploy", "--env", "dev", "--release", &two]).await, 21, "stuck");
        let client = place.session("test").await;
        Stuck { place, one, two, flag, client }
    }

    pub(crate) async fn deploy(&self, release: &str) -> Came {
        self.place.nica(&["deploy", "--env", "dev", "--release", release]).await
    }

    /// Migrations in force, seed value, open runs, endings of the ledger, seed rows to take back.
    pub(crate) async fn stands(&self) -> [String; 5] {
        let ask = async |sql: &str| text(&self.client, sql).await;
        [
            ask("SELECT string_agg(id || ' ' || state, ', ' ORDER BY id) FROM nica.migration").await,
            ask("SELECT value FROM kind").await,
            ask("SELECT count(*)::text FROM nica.run WHERE settled_at IS NULL").await,
            ask("SELECT string_agg(entry::jsonb ->> 'ending', ' ' ORDER BY n) FROM nica.ledger").await,
            ask("SELECT count(*)::text FROM nica.seed_undo").await,
        ]
    }
}

#[tokio::test]
async fn a_newer_release_takes_the_place_of_a_run_that_is_stuck() {
    let stuck = Stuck::new().await;
    let applied = "0000_kind applied, 0001_note applied, 0002_mood applied";
    assert_eq!(stuck.stands().await, [applied, "new", "1", "live", "1"]);
    expect(&stuck.deploy(&stuck.two).await, 21, "stuck");
    expect(&stuck.deploy(&stuck.one).await, 21, "stuck");
    assert_eq!(stuck.stands().await, [applied, "new", "1", "live", "1"], "neither is newer and whole");
    let status = stuck.place.nica(&["status"]).await;
    let open = &status.end()["open_run"];
    assert_eq!(open["state"], "stuck", "{status:#?}");
    let reason = open["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("api of the baseline does not come back: crash loop"), "{status:#?}");
    assert_eq!(
        open["next"],
        "mend it, then nica resume --env dev; or nica deploy a newer release; or nica accept-state --env dev"
    );

    stuck.place.exec("serve");
    let three = stuck.place.release("3", &[]).await;
    let plan = stuck.place.path("three.plan").display().to_string();
    let planned = stuck.place.nica(&["plan", "--env", "dev", "--release", &three, "--out", &plan]).await;
    assert_eq!(planned.exit, Some(4), "{planned:#?}");
    let live = stuck.place.nica(&["deploy", "--env", "dev", "--plan", &plan]).await;
    expect(&live, 0, "live");
    assert_eq!(stuck.stands().await, [applied, "new", "0", "live superseded live", "0"]);
    let verified = stuck.place.nica(&["ledger", "verify", "--env", "dev"]).await;
    assert_eq!(verified.exit, Some(0), "{verified:#?}");
}

#[tokio::test]
async fn what_the_old_run_left_to_undo_is_undone_when_the_new_one_goes_back() {
    let stuck = Stuck::new().await;
    let write = "INSERT INTO note VALUES (1, 'b', 'glad')";
    stuck.client.execute(write, &[]).await.expect("release 2 has served somebody");
    // The baseline can start again; the newer release cannot.
    let gone = stuck.place.path("also-broken");
    std::fs::write(&gone, "").expect("there is room");
    stuck.place.exec(&format!("serve {}", gone.display()));
    let three = stuck.place.release("3", &[]).await;
    // Mended only once the old run is superseded: until then it would settle by itself.
    let flag = stuck.flag.clone();
    let mends = stuck.place.session("mends").await;
    let mender = tokio::spawn(async move {
        let superseded =
            "SELECT EXISTS (SELECT FROM nica.ledger WHERE entry::jsonb ->> 'ending' = 'superseded')";
        while !mends.query_one(superseded, &[]).await.expect("an answer").get::<_, bool>(0) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        std::fs::remove_file(flag).expect("it was there");
    });
    let back = stuck.deploy(&three).await;
    mender.await.expect("the old run is superseded");
    expect(&back, 20, "back");
    let undone = "0000_kind applied, 0001_note applied, 0002_mood undone";
    assert_eq!(stuck.stands().await, [undone, "old", "0", "live superseded back", "0"]);
    let parked =
        "SELECT count(*)::text FROM nica_attic.parcel WHERE migration = '0002_mood' AND state = 'parked'";
    assert_eq!(text(&stuck.client, parked).await, "1", "what people wrote waits in the attic");
}
