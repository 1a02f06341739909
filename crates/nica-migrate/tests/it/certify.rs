//! What migrations do, seen on a throw-away cluster: each case in the words in which it would be reported.

use crate::common::cluster;
use nica_migrate::certify::{CertifyError, ChangeKind, Report, certify, certify_on};
use nica_migrate::source::{Class, Manifest, Migration, Phase};
use std::path::Path;
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
    certify_on(cluster().await, &database, all, live, wanted).await
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
        Some(trip) if trip.down != trip.before => words.push("does not come back".to_string()),
        Some(trip) if trip.up_again != trip.up => words.push("does not repeat".to_string()),
        _ => {}
    }
    words
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

#[tokio::test]
async fn honest_migrations_show_nothing_but_what_they_say() {
    let index =
        migration("0002_m", Class::Lossless, &[], "CREATE INDEX i ON note (body)", Some("DROP INDEX i"));
    check(index, &[]).await;
    let computed = migration(
        "0002_m",
        Class::Lossless,
        &[],
        "ALTER TABLE note ADD size int GENERATED ALWAYS AS (length(body)) STORED",
        Some("ALTER TABLE note DROP size"),
    );
    check(computed, &["down loses note.size unwritable at 0002_m/down.sql:1:1"]).await;
    let parking = migration(
        "0002_m",
        Class::Parking,
        &["note.mood"],
        "ALTER TABLE note ADD mood text DEFAULT 'fine'",
        Some("ALTER TABLE note DROP mood"),
    );
    check(parking, &["down loses note.mood at 0002_m/down.sql:1:1"]).await;
    let table = migration(
        "0002_m",
        Class::Parking,
        &["other"],
        "CREATE TABLE other (id int PRIMARY KEY, note text REFERENCES note);\nCREATE INDEX j ON other (note)",
        Some("DROP TABLE other"),
    );
    check(table, &["down loses other at 0002_m/down.sql:1:1"]).await;
    let sticky = "CREATE TABLE other (id int); ALTER TABLE note ADD mark boolean NOT NULL DEFAULT false";
    check(up(sticky), &[]).await;
    let view =
        migration("0002_m", Class::Lossless, &[], "CREATE VIEW v AS SELECT 1 AS x", Some("DROP VIEW v"));
    check(view, &["down loses v unwritable keyless at 0002_m/down.sql:1:1"]).await;
    check(
        lone("0002_m", "CREATE INDEX CONCURRENTLY i ON note (body)", Some("DROP INDEX CONCURRENTLY i")),
        &[],
    )
    .await;
    check(lone("0002_m", "-- nica: backfill\nUPDATE note SET rev = 1 WHERE rev IS NULL", None), &[]).await;
}

#[tokio::test]
async fn what_the_old_program_could_trip_over_shows_with_its_statement() {
    let one = |sql: &str, expected: &str| (sql.to_string(), vec![expected.to_string()]);
    let at = |what: &str| format!("{what} at 0002_m/up.sql:1:1");
    let many =
        |sql: &str, expected: &[&str]| (sql.to_string(), expected.iter().map(ToString::to_string).collect());
    let cases: Vec<(String, Vec<String>)> = vec![
        one("ALTER TABLE note DROP rev", &at("removed note.rev")),
        one("ALTER TABLE note RENAME rev TO revision", &at("removed note.rev")),
        one("DROP TABLE log", &at("removed log")),
        one("ALTER TABLE log RENAME TO journal", &at("removed log")),
        one("DROP VIEW short", &at("removed short")),
        one("ALTER TABLE note ALTER rev TYPE integer", &at("narrowed note.rev")),
        one("ALTER TABLE note ALTER kind DROP DEFAULT", &at("narrowed note.kind")),
        one("ALTER TABLE log ADD n int GENERATED ALWAYS AS IDENTITY", ""),
        one("ALTER TABLE log ENABLE ROW LEVEL SECURITY", &at("narrowed log")),
        one("ALTER TABLE note ADD CONSTRAINT c CHECK (rev > 0) NOT VALID", &at("constraint note")),
        one("CREATE UNIQUE INDEX i ON log (what)", &at("constraint log")),
        one("ALTER TABLE note ADD parent text REFERENCES note", &at("constraint note")),
        one("CREATE RULE r AS ON DELETE TO log DO INSTEAD NOTHING", &at("trigger log")),
        one("TRUNCATE log", &at("removed rows of log")),
        many(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;\n\
             CREATE TRIGGER t BEFORE INSERT ON note FOR EACH ROW EXECUTE FUNCTION f()",
            &["trigger note at 0002_m/up.sql:2:1"],
        ),
        many(
            "CREATE TABLE own (id int);\n ALTER TABLE own ADD CHECK (id > 0);\n\
             DO $$ BEGIN ALTER TABLE note DROP COLUMN rev; END $$;\nDELETE FROM own",
            &["removed note.rev at 0002_m/up.sql:3:1"],
        ),
        // Dropped and made again is not the same: what people wrote is gone.
        many(
            "ALTER TABLE note DROP rev;\nALTER TABLE note ADD rev smallint",
            &["removed note.rev at 0002_m/up.sql:1:1"],
        ),
        many(
            "ALTER TABLE note DROP CONSTRAINT note_pkey, ADD PRIMARY KEY (id, body)",
            &[
                "removed the unique index of note, btree (id) at 0002_m/up.sql:1:1",
                "constraint note at 0002_m/up.sql:1:1",
            ],
        ),
    ];
    for (sql, mut expected) in cases {
        expected.retain(|line| !line.is_empty());
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        check(up(&sql), &expected).await;
    }
}

/// Types, functions and the tables of another schema.
#[tokio::test]
async fn what_is_no_table_shows_too() {
    let base = "CREATE TYPE mood AS ENUM ('ok', 'sad'); CREATE DOMAIN code AS text;
        CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
        CREATE SCHEMA app; CREATE TABLE app.entry (id int PRIMARY KEY, c code, m mood DEFAULT 'ok');
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
        CREATE TRIGGER touch BEFORE UPDATE ON app.entry FOR EACH ROW EXECUTE FUNCTION f()";
    for (sql, expected) in [
        (
            "ALTER TYPE mood RENAME VALUE 'sad' TO 'low'",
            "removed value 'sad' of type mood at 0002_m/up.sql:1:1",
        ),
        ("ALTER TYPE mood ADD VALUE 'glad'", ""),
        ("ALTER DOMAIN code ADD CHECK (length(VALUE) < 9)", "constraint type code at 0002_m/up.sql:1:1"),
        ("DROP FUNCTION twice(int)", "removed function twice(n integer) at 0002_m/up.sql:1:1"),
        ("DROP TRIGGER touch ON app.entry", "removed trigger touch of app.entry at 0002_m/up.sql:1:1"),
        ("ALTER TABLE app.entry DROP c", "removed app.entry.c at 0002_m/up.sql:1:1"),
    ] {
        let expected: &[&str] = if expected.is_empty() { &[] } else { &[expected] };
        check_on(base, up(sql), expected).await;
    }
    let table = migration(
        "0002_m",
        Class::Parking,
        &["app.more.*", "app.entry.n"],
        "CREATE TABLE app.more (id int PRIMARY KEY); ALTER TABLE app.entry ADD n int",
        Some("DROP TABLE app.more;\nALTER TABLE app.entry DROP n"),
    );
    let expected =
        ["down loses app.entry.n at 0002_m/down.sql:2:1", "down loses app.more.* at 0002_m/down.sql:1:1"];
    check_on(base, table, &expected).await;
}

/// A plan's own tables are nobody's yet: its second migration may do with them what it likes.
#[tokio::test]
async fn tables_of_the_same_plan_are_not_older() {
    let first = up("CREATE TABLE own (id int PRIMARY KEY, x text); ALTER TABLE note ADD y text");
    let then = |id: &str, sql: &str| migration(id, Class::Sticky, &[], sql, None);
    let second =
        then("0003_n", "ALTER TABLE own DROP x; ALTER TABLE note DROP y; CREATE UNIQUE INDEX u ON own (id)");
    let third = then(
        "0004_o",
        "ALTER TABLE note ADD z text NOT NULL DEFAULT ''; ALTER TABLE note ALTER z DROP DEFAULT",
    );
    let found = reports(BASE, &[first, second, third]).await;
    let found: Vec<_> = found.iter().map(words).collect();
    assert_eq!(found, [vec![], vec![], vec!["narrowed note.z at 0004_o/up.sql:1:50".to_string()]]);
}

#[tokio::test]
async fn what_the_down_takes_from_people_shows() {
    let both = |up: &str, down: &str| migration("0002_m", Class::Sticky, &[], up, Some(down));
    let line = |what: &str| format!("down loses {what} at 0002_m/down.sql:1:1");
    for (up, down, expected) in [
        ("ALTER TABLE note ADD mood text", "ALTER TABLE note DROP mood", line("note.mood")),
        ("ALTER TABLE log ADD n int", "ALTER TABLE log DROP n", line("log.n keyless")),
        ("CREATE TABLE own (id int)", "DROP TABLE own", line("own keyless")),
        // Only the name goes.
        ("CREATE INDEX own ON log (at)", "DROP INDEX own", String::new()),
        ("ALTER TABLE log ALTER what TYPE varchar", "ALTER TABLE log ALTER what TYPE text", String::new()),
        // Longer texts can have been written by then.
        ("ALTER TABLE log ADD w varchar(9)", "DELETE FROM log; ALTER TABLE log DROP w", line("log keyless")),
    ] {
        let found = reports(BASE, &[both(up, down)]).await;
        let found = words(&found[0]);
        let found: Vec<_> = found.iter().filter(|l| l.ends_with("down.sql:1:1")).cloned().collect();
        let expected: Vec<_> = Some(expected).filter(|e| !e.is_empty()).into_iter().collect();
        assert_eq!(found, expected, "{down}");
    }
    let narrower =
        both("ALTER TABLE log ALTER what TYPE varchar", "ALTER TABLE log ALTER what TYPE varchar(2)");
    let found = reports(BASE, &[narrower]).await;
    let lost = [line("log.what keyless").as_str(), "does not come back"].map(str::to_string);
    assert_eq!(words(&found[0]), lost);
}

#[tokio::test]
async fn what_fails_has_file_line_and_column() {
    let both = |up: &str, down: &str| migration("0002_m", Class::Sticky, &[], up, Some(down));
    for (migration, expected) in [
        (
            up("-- a comment\nALTER TABLE note ADD a int;\nCREATE TABLE b (\n    id int,\n    x nonsense\n)"),
            vec!["error at 0002_m/up.sql:5:7: type \"nonsense\" does not exist (42704)"],
        ),
        (
            up("SELECT 1;\n  SELECT nothing()"),
            vec!["error at 0002_m/up.sql:2:10: function nothing() does not exist (42883)"],
        ),
        // Inside a body the server counts in lines that no file has.
        (
            up("SELECT 1;\nDO $$ BEGIN PERFORM nothing(); END $$"),
            vec!["error at 0002_m/up.sql:2:1: function nothing() does not exist (42883)"],
        ),
        (
            both("ALTER TABLE note ADD a int", "SELECT 1;\nALTER TABLE note DROP b"),
            vec![
                "error at 0002_m/down.sql:2:1: column \"b\" of relation \"note\" does not exist (42703)",
                "not back and forth",
            ],
        ),
        (
            both("ALTER TABLE note ADD a int", "SELECT 1"),
            vec![
                "error at 0002_m/up.sql:1:1: when it is applied again after its down: column \"a\" of relation \"note\" \
             already exists (42701)",
                "not back and forth",
            ],
        ),
        (
            lone(
                "0002_m",
                "CREATE UNIQUE INDEX CONCURRENTLY i ON log ((length(what) / 9))",
                Some("DROP INDEX CONCURRENTLY i"),
            ),
            vec![
                "error at 0002_m/up.sql:1:1: could not create unique index \"i\" (23505)",
                "not back and forth",
            ],
        ),
    ] {
        check(migration, &expected).await;
    }
}

/// Rows were made up in every table, by what its checks, keys and references ask for.
#[tokio::test]
async fn what_fails_on_rows_fails_here() {
    let base = "CREATE TYPE mood AS ENUM ('ok', 'sad'); CREATE DOMAIN cpf AS char(11) CHECK (VALUE ~ '^[0-9]{11}$');
        CREATE TABLE person (
            id uuid PRIMARY KEY, doc cpf NOT NULL, m mood NOT NULL, born date NOT NULL, seen timestamptz, tags text[] NOT NULL,
            kind text NOT NULL CHECK (kind IN ('a', 'b')), weight numeric(5, 2) NOT NULL CHECK (weight BETWEEN 30 AND 300),
            data jsonb NOT NULL CHECK (jsonb_typeof(data) = 'object'), size int GENERATED ALWAYS AS (length(kind)) STORED);
        CREATE TABLE entry (id bigserial PRIMARY KEY, person uuid NOT NULL REFERENCES person, n int UNIQUE);
        CREATE TABLE part (entry bigint REFERENCES entry, at timestamptz, PRIMARY KEY (entry, at));
        CREATE TABLE tree (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, up int REFERENCES tree)";
    for table in ["person", "entry", "part", "tree"] {
        let sql = format!("ALTER TABLE {table} ADD x int NOT NULL");
        let says = format!(
            "error at 0002_m/up.sql:1:1: column \"x\" of relation \"{table}\" contains null values (23502)"
        );
        check_on(base, up(&sql), &[&says]).await;
    }
    // What may be empty by then is empty somewhere.
    let nullable = migration(
        "0002_m",
        Class::Lossless,
        &[],
        "ALTER TABLE note ALTER body DROP NOT NULL",
        Some("ALTER TABLE note ALTER body SET NOT NULL"),
    );
    let says =
        "error at 0002_m/down.sql:1:1: column \"body\" of relation \"note\" contains null values (23502)";
    check(nullable, &[says, "not back and forth"]).await;
}

#[tokio::test]
async fn round_trip_that_does_not_close_shows() {
    let both = |up: &str, down: &str| migration("0002_m", Class::Lossless, &[], up, Some(down));
    let forgets =
        both("CREATE INDEX i ON log (at); CREATE INDEX IF NOT EXISTS j ON log (what)", "DROP INDEX i");
    check(forgets, &["does not come back"]).await;
    let other = both(
        "DO $$ BEGIN IF to_regclass('was_here') IS NULL THEN CREATE INDEX i ON log (at);
         ELSE CREATE INDEX i ON log (what); END IF; END $$; CREATE SEQUENCE IF NOT EXISTS was_here",
        "DROP INDEX i; ALTER SEQUENCE was_here RENAME TO gone; ALTER SEQUENCE gone RENAME TO was_here",
    );
    check(other, &["does not come back"]).await;
    let repeats = both(
        "DO $$ BEGIN IF EXISTS (SELECT FROM log WHERE what = 'again') THEN CREATE INDEX i ON log (what);
         ELSE CREATE INDEX i ON log (at); END IF; END $$",
        "INSERT INTO log (what) VALUES ('again'); DROP INDEX i",
    );
    check(repeats, &["does not repeat"]).await;
}

#[tokio::test]
async fn parked_values_come_back_or_it_is_said() {
    let parking =
        |park: &[&str], up: &str, down: &str| migration("0002_m", Class::Parking, park, up, Some(down));
    let keyless = parking(&["log.n"], "ALTER TABLE log ADD n int", "ALTER TABLE log DROP n");
    check(
        keyless,
        &[
            "error: park values of 0002_m: public.log has no primary key to find its rows by",
            "down loses log.n keyless at 0002_m/down.sql:1:1",
            "not back and forth",
        ],
    )
    .await;
    // The value that was parked is not the one that comes back.
    let changes = parking(
        &["note.mood"],
        "ALTER TABLE note ADD mood text;\nALTER TABLE note ADD seen text",
        "UPDATE note SET body = 'x';\nALTER TABLE note DROP seen;\nALTER TABLE note DROP mood",
    );
    check(
        changes,
        &[
            "error at 0002_m/down.sql:1:1: parked values do not come back as they were",
            "down loses note.mood at 0002_m/down.sql:3:1",
            "down loses note.seen at 0002_m/down.sql:2:1",
        ],
    )
    .await;
}

/// Roles belong to a cluster: what a migration grants to is made up here.
#[tokio::test]
async fn roles_of_the_real_cluster_are_not_missed() {
    let grant = "GRANT SELECT ON note TO certify_reader;\nGRANT INSERT ON note TO \"certify writer\"";
    let back = "REVOKE SELECT ON note FROM certify_reader;\nREVOKE INSERT ON note FROM \"certify writer\"";
    check(migration("0002_m", Class::Lossless, &[], grant, Some(back)), &[]).await;
}

#[tokio::test]
async fn ground_that_is_not_like_the_real_one_is_no_fault_of_the_migration() {
    let all = [up("CREATE EXTENSION nothing_like_it")];
    let error = on_shared(&all, &[], &["0002_m"]).await.expect_err("no such extension");
    assert!(matches!(&error, CertifyError::Ground { id, .. } if id == "0002_m"), "{error}");
    let error = on_shared(&all, &["0002_m"], &["0003_n"]).await.expect_err("no such migration");
    assert!(matches!(&error, CertifyError::Unknown { id } if id == "0003_n"), "{error}");
    let broken = [up("SELECT nothing()")];
    let all = [broken[0].clone(), migration("0003_n", Class::Sticky, &[], "SELECT 1", None)];
    let error = on_shared(&all, &["0002_m"], &["0003_n"]).await.expect_err("nothing to stand on");
    assert!(matches!(&error, CertifyError::Live { id, .. } if id == "0002_m"), "{error}");
}

/// What stands on a migration that failed cannot be tried; what was tried before it is reported.
#[tokio::test]
async fn reports_end_where_the_ground_ends() {
    let of = |id: &str, sql: &str| migration(id, Class::Sticky, &[], sql, None);
    let all =
        [of("0002_a", "CREATE TABLE a (id int)"), of("0003_b", "SELECT nothing()"), of("0004_c", "SELECT 1")];
    let found = reports(BASE, &all).await;
    let found: Vec<_> = found.iter().map(|r| (r.migration.as_str(), r.errors.len())).collect();
    assert_eq!(found, [("0002_a", 0), ("0003_b", 1)]);
}

/// The project's own, on a cluster of their own. Says how long it took; nothing is left of it.
#[tokio::test]
async fn own_migrations_keep_their_promises_and_nothing_is_left_behind() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let all = nica_migrate::source::read_dir(&folder).expect("the project's own");
    let ids: Vec<_> = all.iter().map(|m| m.id.as_str()).collect();
    let begun = std::time::Instant::now();
    let found = certify(&all, &[], &ids).await.expect("a cluster");
    println!("{} migrations certified in {} ms", found.len(), begun.elapsed().as_millis());
    for (report, migration) in found.iter().zip(&all) {
        let promised = migration.class == Class::Sticky || !report.removes.iter().any(|r| r.writable);
        assert!(report.errors.is_empty() && report.changes.is_empty() && promised, "{report:?}");
        assert!(
            report.round_trip.as_ref().is_none_or(|t| t.before == t.down && t.up == t.up_again),
            "{report:?}"
        );
    }
    assert_eq!(found.len(), all.len());
    assert_eq!(own_clusters(), Vec::<String>::new());
}

/// Servers and folders that this process has not given back, but for the one that all tests share and those that
/// other tests of scratch clusters start: those have more connections.
fn own_clusters() -> Vec<String> {
    let read = |entry: &std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    let lines = entries.map(|e| String::from_utf8_lossy(&read(&e)).replace('\0', " "));
    lines
        .filter(|line| line.contains("max_connections=20 ") || line.ends_with("max_connections=20"))
        .collect()
}
