//! What an up does to the old program, and what a down takes from people.

use super::{BASE, check, check_on, lone, migration, reports, up, words};
use nica_migrate::source::Class;

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
    let lost = [
        line("log.what keyless").as_str(),
        "does not come back: -column what text +column what character varying(2)",
    ]
    .map(str::to_string);
    assert_eq!(words(&found[0]), lost);
}
