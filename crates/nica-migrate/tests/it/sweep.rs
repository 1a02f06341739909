//! Migrators that die at random instants, forward and back, again and again: one plain run later everything is as if
//! nobody had died, and every value that a person wrote is there. A failing seed replays the same choices.

use crate::attic::{parking, sql};
use crate::common::{database, holder, lone, migration, named, runner, session, text};
use nica_migrate::DbUrl;
use nica_migrate::fence::{Admission, FenceError, Lease, admit};
use nica_migrate::fingerprint::Fingerprint;
use nica_migrate::runner::{RunError, Session};
use nica_migrate::source::{Class, Migration};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::Client;

const ROWS: i32 = 2500;
const TTL: Duration = Duration::from_secs(3);

fn set() -> Vec<Migration> {
    vec![
        parking(
            "0001_note",
            &["t.note"],
            "ALTER TABLE t ADD note text DEFAULT 'none'",
            "ALTER TABLE t DROP note",
        ),
        parking(
            "0002_diary",
            &["diary"],
            "CREATE TABLE diary (id int PRIMARY KEY REFERENCES t, entry text)",
            "DROP TABLE diary",
        ),
        migration("0003_b", "ALTER TABLE t ADD b int", Some("ALTER TABLE t DROP b")),
        lone("0004_fill", "-- nica: backfill batch=200 pause=1ms\nUPDATE t SET b = id WHERE b IS NULL", None),
        lone(
            "0005_i",
            "CREATE UNIQUE INDEX CONCURRENTLY t_b ON t (b)",
            Some("DROP INDEX CONCURRENTLY IF EXISTS t_b"),
        ),
    ]
}

async fn begin(url: &DbUrl) -> Result<(Lease, Session), RunError> {
    let lease = Lease::wait(url, &holder("ana"), TTL, Duration::from_secs(20)).await?;
    let fence = lease.number();
    let name = format!("nica/test/{fence}/-");
    let mut client = nica_migrate::connect(url, &name).await.map_err(FenceError::from)?;
    admit(&mut client, fence, "test", Duration::from_secs(10), Admission::Plain).await?;
    Ok((lease, Session { fence, ..runner(url) }))
}

async fn forward(url: DbUrl) -> Result<(), RunError> {
    let (lease, run) = begin(&url).await?;
    for m in set() {
        if m.transactional {
            run.up(&m).await?;
        } else {
            run.converge_up(&m).await?;
        }
        if m.class == Class::Parking {
            run.unpark(&m.id).await?;
        }
    }
    lease.release().await.map_err(RunError::from)
}

async fn back(url: DbUrl) -> Result<(), RunError> {
    let (lease, run) = begin(&url).await?;
    for m in set().into_iter().rev() {
        let there = "SELECT FROM nica.migration WHERE state IN ('applied', 'started') AND id = $1";
        let row =
            run.open().await?.query_opt(there, &[&m.id]).await.map_err(|e| FenceError::of(run.fence, &e))?;
        if row.is_none() {
            continue;
        }
        if m.class == Class::Parking {
            run.park(&m.id).await?;
        }
        if m.transactional {
            run.down(&m.id).await?;
        } else {
            run.converge_down(&m.id).await?;
        }
    }
    lease.release().await.map_err(RunError::from)
}

/// What people know that they wrote.
#[derive(Default)]
struct Written {
    notes: BTreeMap<i32, Option<String>>,
    diary: BTreeMap<i32, String>,
}

impl Written {
    async fn write(&mut self, client: &Client, rng: &mut StdRng, n: u32) {
        for _ in 0..20 {
            let id = rng.random_range(1..=ROWS);
            let note = rng.random_bool(0.7).then(|| format!("note {n}"));
            let value = note.as_ref().map_or("NULL".to_string(), |v| format!("'{v}'"));
            sql(client, &format!("UPDATE t SET note = {value} WHERE id = {id}")).await;
            self.notes.insert(id, note);
            let entry = format!("entry {n}");
            let upsert = format!(
                "INSERT INTO diary VALUES ({id}, '{entry}') ON CONFLICT (id) DO UPDATE SET entry = excluded.entry"
            );
            sql(client, &upsert).await;
            self.diary.insert(id, entry);
        }
    }

    /// The old release deletes rows whatever the schema is; what was written on them goes for good.
    async fn delete(&mut self, client: &Client, rng: &mut StdRng) {
        let id = rng.random_range(1..=ROWS);
        // What somebody who was just killed still holds or still does may get in between.
        for last_try in [false, false, false, false, true] {
            let there = text(client, "SELECT (to_regclass('diary') IS NOT NULL)::text").await == "true";
            let children = if there { format!("DELETE FROM diary WHERE id = {id};") } else { String::new() };
            let both = format!("{children} DELETE FROM t WHERE id = {id}; INSERT INTO t VALUES ({id})");
            match client.batch_execute(&both).await {
                Ok(()) => break,
                Err(error) => assert!(!last_try, "{error:?}"),
            }
        }
        self.notes.remove(&id);
        self.diary.remove(&id);
    }

    async fn check(&self, client: &Client, seed: u64) {
        let rows = client.query("SELECT id, note FROM t WHERE note IS DISTINCT FROM 'none'", &[]).await;
        let notes: BTreeMap<i32, Option<String>> =
            rows.expect("a read").iter().map(|r| (r.get(0), r.get(1))).collect();
        assert_eq!(notes, self.notes, "seed {seed}");
        let rows = client.query("SELECT id, entry FROM diary", &[]).await;
        let diary: BTreeMap<i32, String> =
            rows.expect("a read").iter().map(|r| (r.get(0), r.get(1))).collect();
        assert_eq!(diary, self.diary, "seed {seed}");
    }
}

async fn world(seed: u64, golden: String) {
    let mut rng = StdRng::seed_from_u64(seed);
    let url = database().await;
    let admin = named(&url, "a person").await;
    sql(&admin, "CREATE TABLE t (id int PRIMARY KEY)").await;
    sql(&admin, &format!("INSERT INTO t SELECT generate_series(1, {ROWS})")).await;
    let mut written = Written::default();
    for n in 0..8 {
        let ahead = rng.random_bool(0.6);
        let task = if ahead { tokio::spawn(forward(url.clone())) } else { tokio::spawn(back(url.clone())) };
        let dies = rng.random_bool(0.75);
        if dies {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..500))).await;
            if rng.random_bool(0.5) {
                task.abort();
            } else {
                sql(&admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'nica/%' AND datname = current_database()").await;
            }
        }
        let ended = task.await;
        if !dies {
            let ended = ended.expect("no panic");
            let whole = ended.is_ok();
            // On a busy machine the server may find us silent for too long; whoever comes next looks again.
            if let Err(error) = ended {
                assert!(error.is_lost_answer(), "seed {seed}, run {n}: {error}");
            }
            if ahead && whole {
                written.write(&admin, &mut rng, n).await;
            }
        }
        written.delete(&admin, &mut rng).await;
    }
    while let Err(error) = forward(url.clone()).await {
        assert!(error.is_lost_answer(), "seed {seed}: {error}");
    }
    written.check(&admin, seed).await;
    assert_eq!(schema(&url).await, golden, "seed {seed}");
    let left = "SELECT count(*)::text FROM pg_index WHERE NOT indisvalid";
    assert_eq!(text(&admin, left).await, "0", "seed {seed}");
    let parked = "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'nica_attic'::regnamespace AND relkind = 'r'";
    assert_eq!(text(&admin, parked).await, "1", "seed {seed}: everything has come back");
}

async fn schema(url: &DbUrl) -> String {
    let mut client = session(url).await;
    Fingerprint::read(&mut client).await.expect("a fingerprint").text().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dies_whenever_one_plain_run_makes_it_whole() {
    let url = database().await;
    let admin = session(&url).await;
    sql(&admin, "CREATE TABLE t (id int PRIMARY KEY)").await;
    forward(url.clone()).await.expect("an undisturbed run");
    let golden = schema(&url).await;
    let first = seed_base();
    let mut worlds = Vec::new();
    for seed in first..first + WORLDS {
        worlds.push(tokio::spawn(world(seed, golden.clone())));
        if worlds.len() == 4 {
            worlds.remove(0).await.expect("a world that holds");
        }
    }
    for rest in worlds {
        rest.await.expect("a world that holds");
    }
}

const WORLDS: u64 = 12;

/// Always the same worlds here; the whole sweep elsewhere takes others.
fn seed_base() -> u64 {
    1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_migrators_at_once_each_step_is_done_by_one_and_nobody_fails() {
    let url = database().await;
    let admin = session(&url).await;
    sql(&admin, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 2500)").await;
    let migrators: Vec<_> = (0..64).map(|_| tokio::spawn(patient(url.clone()))).collect();
    for migrator in migrators {
        migrator.await.expect("no panic").expect("nobody fails");
    }
    let rows = "SELECT string_agg(state || ':' || (fence = first)::text, ' ' ORDER BY id)
                FROM nica.migration, (SELECT min(fence) first FROM nica.migration) f";
    assert_eq!(text(&admin, rows).await, ["applied:true"; 5].join(" "));
    assert_eq!(text(&admin, "SELECT (number >= 64)::text FROM nica.lease").await, "true");
}

async fn patient(url: DbUrl) -> Result<(), RunError> {
    loop {
        match forward(url.clone()).await {
            // So many on two cores: the server may find us silent for too long, or the lease still taken.
            Err(error) if error.is_lost_answer() => {}
            Err(RunError::Fence(FenceError::Held { .. })) => {}
            other => return other,
        }
    }
}
