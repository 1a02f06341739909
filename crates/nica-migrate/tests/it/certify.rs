//! What migrations do, seen on a throw-away cluster: each case in the words in which it would be reported.

mod fails;
mod ground;
mod shows;

use crate::common::cluster;
use nica_migrate::certify::{CertifyError, ChangeKind, Report, certify_on};
use nica_migrate::source::{Class, Manifest, Migration, Phase};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

const BASE: &str = "CREATE TABLE note (
    id text PRIMARY KEY,
    body text NOT NULL,
    kind text DEFAULT 'plain' CHECK (kind IN ('plain', 'list')),
    rev smallint
);
CREATE TABLE log (at timestamptz, what text);
CREATE VIEW short AS SELECT id, body FROM note;";

fn migration(id: &str, class: Class, park: &[&str], up: &str, down: Option<&str>) -> Migration {
    let park = park.iter().map(ToString::to_string).collect();
    let manifest = Manifest { phase: Phase::Expand, class, park, transaction: true, after: None };
    Migration::new(id, manifest, up.to_string(), down.map(str::to_string)).expect("a good migration")
}

fn lone(id: &str, up: &str, down: Option<&str>) -> Migration {
    let manifest = Manifest { transaction: false, class: Class::Lossless, ..Manifest::default() };
    Migration::new(id, manifest, up.to_string(), down.map(str::to_string)).expect("a good migration")
}

async fn reports(base: &str, wanted: &[Migration]) -> Vec<Report> {
    let mut all = vec![migration("0001_base", Class::Sticky, &[], base, None)];
    all.extend(wanted.iter().cloned());
    let ids: Vec<_> = wanted.iter().map(|m| m.id.as_str()).collect();
    on_shared(&all, &["0001_base"], &ids).await.expect("they were tried")
}

/// The cluster of all tests instead of one of its own: a case takes a tenth of the time.
async fn on_shared(all: &[Migration], live: &[&str], wanted: &[&str]) -> Result<Vec<Report>, CertifyError> {
    let database = format!("certify{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let owned = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    certify_on(cluster().await, &database, all, &owned(live), &owned(wanted)).await
}

/// A report in words. A round trip that came back is left out.
fn words(report: &Report) -> Vec<String> {
    let at = |place: &Option<nica_migrate::certify::Place>| match place {
        Some(p) => format!(" at {}:{}:{}", p.file.trim_start_matches("migrations/"), p.line, p.column),
        None => String::new(),
    };
    let kind = |kind: ChangeKind| format!("{kind:?}").to_lowercase();
    let mut words: Vec<_> =
        report.errors.iter().map(|e| format!("error{}: {}", at(&e.place), e.message)).collect();
    words.extend(report.changes.iter().map(|c| format!("{} {}{}", kind(c.kind), c.name, at(&c.place))));
    let note = |is: bool, word: &str| if is { String::new() } else { format!(" {word}") };
    let removes = report.removes.iter().map(|r| {
        let (writable, keyed) = (note(r.writable, "unwritable"), note(r.keyed, "keyless"));
        format!("down loses {}{writable}{keyed}{}", r.name, at(&r.place))
    });
    words.extend(removes);
    match &report.round_trip {
        None if report.has_down => words.push("not back and forth".to_string()),
        Some(trip) if trip.down != trip.before => {
            words.push(format!("does not come back: {}", changed(&trip.difference)));
        }
        Some(trip) if trip.up_again != trip.up => {
            words.push(format!("does not repeat: {}", changed(&trip.difference)));
        }
        _ => {}
    }
    words
}

/// Only the lines that one of the two has.
fn changed(difference: &[String]) -> String {
    let lines = difference.iter().filter(|line| !line.starts_with(' '));
    lines.map(|line| line.replace("   ", "")).collect::<Vec<_>>().join(" ")
}

async fn check(migration: Migration, expected: &[&str]) {
    check_on(BASE, migration, expected).await;
}

async fn check_on(base: &str, migration: Migration, expected: &[&str]) {
    let up = migration.up.clone();
    let found = reports(base, &[migration]).await;
    assert_eq!(found.len(), 1);
    assert_eq!(words(&found[0]), expected, "{up}");
}

fn up(sql: &str) -> Migration {
    migration("0002_m", Class::Sticky, &[], sql, None)
}
