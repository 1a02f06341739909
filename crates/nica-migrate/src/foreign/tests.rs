//! Each form takes its files apart as its tool does, and names each mistake.

use super::{Form, detect, read_any, read_dir};
use std::path::Path;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        write(folder.path(), name, text);
    }
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

const OK: &str = "SELECT 1;";

type Files<'a> = &'a [(&'a str, &'a str)];

/// `id version transaction down`
fn check(form: Form, files: Files<'_>, expected: &[&str]) {
    let folder = folder(files);
    let all = read_dir(folder.path(), form).unwrap_or_else(|mistakes| panic!("{form}: {mistakes}"));
    let line = |f: &super::Foreign| {
        let m = &f.migration;
        format!("{} {} {} {}", m.id, f.version, m.transactional, m.down.as_deref().unwrap_or("-").trim())
    };
    assert_eq!(all.iter().map(line).collect::<Vec<_>>(), expected, "{form}");
}

#[test]
fn each_form_names_and_pairs_its_files() {
    check(
        Form::Sqlx,
        &[
            ("1_a.sql", OK),
            ("20260102030405_Add-User.up.sql", OK),
            ("20260102030405_Add-User.down.sql", "SELECT 2"),
            ("20260102030406_i.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);"),
            ("notes.txt", ""),
        ],
        &[
            "0001_a 1 true -",
            "20260102030405_add_user 20260102030405 true SELECT 2",
            "20260102030406_i 20260102030406 false -",
        ],
    );
    check(
        Form::Refinery,
        &[("V1__a.sql", OK), ("sub/U12__b_c.sql", OK)],
        &["0001_a 1 true -", "0012_b_c 12 true -"],
    );
    check(
        Form::Dbmate,
        &[
            ("20260101000000_a.sql", "-- note\n\n-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n"),
            (
                "20260101000001_b.sql",
                "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY i ON t (a);\n-- migrate:down\n",
            ),
        ],
        &[
            "20260101000000_a 20260101000000 true -- migrate:down\nSELECT 2;",
            "20260101000001_b 20260101000001 false -",
        ],
    );
    check(
        Form::Flyway,
        &[
            ("V1__a.sql", OK),
            ("V1_2__b.sql", OK),
            ("V1.10.3__c.sql", OK),
            ("x/U1_2__b.sql", "SELECT 2"),
            ("V2_0__d.sql", "CREATE INDEX CONCURRENTLY i ON t (a)"),
            ("V20260102030405__e.sql", OK),
        ],
        &[
            "10000_a 1 true -",
            "10200_b 1.2 true SELECT 2",
            "11003_c 1.10.3 true -",
            "20000_d 2 false -",
            "202601020304050000_e 20260102030405 true -",
        ],
    );
}

fn refused(form: Form, files: Files<'_>, expected: &str) {
    let folder = folder(files);
    let said = read_dir(folder.path(), form).expect_err(expected).to_string();
    assert!(said.contains(expected), "{form}: {expected} is not in {said}");
}

#[test]
fn each_mistake_is_named_with_its_file() {
    let up_down = "-- migrate:up\nSELECT 1;\n-- migrate:down\n";
    let cases: &[(Form, Files<'_>, &str)] = &[
        (Form::Sqlx, &[("1_a.sql", OK), ("01_b.sql", OK)], "1_a.sql: has version 1 of 01_b.sql"),
        (Form::Sqlx, &[("1_a.sql", OK), ("1_a.up.sql", OK)], "has version 1 of"),
        (Form::Sqlx, &[("0_a.sql", OK)], "0_a.sql: is no migration of sqlx"),
        (Form::Sqlx, &[("schema.sql", OK)], "schema.sql: is no migration of sqlx"),
        (
            Form::Sqlx,
            &[("2_a.down.sql", OK)],
            "2_a.down.sql: goes back from version 2, which no file applies",
        ),
        (Form::Sqlx, &[("1_a.sql", "SELECT 1;\nCOMMIT;")], "1_a.sql:2: COMMIT is NICA's"),
        (Form::Sqlx, &[("1_a.up.sql", OK), ("1_a.down.sql", "COMMIT")], "1_a.down.sql:1: COMMIT is NICA's"),
        (Form::Sqlx, &[("1_a.sql", OK), ("1_a.toml", "clas = 1")], "1_a.toml: "),
        (
            Form::Sqlx,
            &[("1_a.sql", "CREATE INDEX CONCURRENTLY i ON t (a)")],
            "transaction = false into 1_a.toml",
        ),
        (Form::Sqlx, &[("1000000000000000000_a.sql", OK)], "more digits than the 18"),
        (Form::Refinery, &[("V1__a.rs", "")], "V1__a.rs: is a migration in Rust"),
        (Form::Refinery, &[("V1__a.sql", OK), ("U1__b.sql", OK)], "has version 1 of"),
        (Form::Refinery, &[("V1_a.sql", OK)], "V1_a.sql: is no migration of refinery"),
        (Form::Refinery, &[("V1.2__a.sql", OK)], "is no migration of refinery"),
        (Form::Dbmate, &[("1_a.sql", OK)], "1_a.sql:1: `-- migrate:up` is missing"),
        (
            Form::Dbmate,
            &[("1_a.sql", "\n-- migrate:up\nSELECT 1;")],
            "1_a.sql:2: `-- migrate:down` is missing",
        ),
        (
            Form::Dbmate,
            &[("1_a.sql", "-- migrate:down\n-- migrate:up\n")],
            "1_a.sql:1: one `-- migrate:up` comes first",
        ),
        (
            Form::Dbmate,
            &[("1_a.sql", "SELECT 0;\n-- migrate:up\n-- migrate:down\n")],
            "1_a.sql:1: a statement stands before",
        ),
        (Form::Dbmate, &[("1_a.sql", &[up_down, up_down].concat())], "1_a.sql:4: begins a second section"),
        (
            Form::Dbmate,
            &[("1_a.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 1;\nROLLBACK;")],
            "1_a.sql:5: ROLLBACK is NICA's",
        ),
        (Form::Dbmate, &[("1_a.sql", up_down), ("1_b.sql", up_down)], "1_b.sql: has version 1 of 1_a.sql"),
        (Form::Flyway, &[("V1__a.sql", OK), ("V1.0__b.sql", OK)], "has version 1 of V1.0__b.sql"),
        (Form::Flyway, &[("V1__a.sql", OK), ("U2__a.sql", OK)], "U2__a.sql: goes back from version 2"),
        (Form::Flyway, &[("R__views.sql", OK)], "R__views.sql: is applied again whenever it changes"),
        (Form::Flyway, &[("B1__a.sql", OK)], "B1__a.sql: is a baseline migration"),
        (Form::Flyway, &[("beforeMigrate.sql", OK)], "callbacks are not taken over"),
        (Form::Flyway, &[("V1.2.3.4__a.sql", OK)], "version 1.2.3.4 does not fit into an id"),
        (Form::Flyway, &[("V1.100__a.sql", OK)], "version 1.100 does not fit"),
        (
            Form::Flyway,
            &[("V1__a.sql", "SELECT 1;\nSELECT '${who}';")],
            "V1__a.sql:2: ${who} is filled in by Flyway",
        ),
    ];
    for (form, files, expected) in cases {
        refused(*form, files, expected);
    }
}

#[test]
fn a_script_of_flyway_keeps_its_own_settings() {
    let files = [
        ("V1__a.sql", "ALTER TABLE t VALIDATE CONSTRAINT c"),
        ("V1__a.sql.conf", "executeInTransaction = false\n"),
        ("V2__b.sql", "SELECT '${a}'"),
        ("V2__b.sql.conf", "placeholderReplacement=false"),
    ];
    check(Form::Flyway, &files, &["10000_a 1 false -", "20000_b 2 true -"]);
}

#[test]
fn a_sidecar_says_what_migration_toml_says() {
    let folder = folder(&[
        ("1_a.up.sql", OK),
        ("1_a.down.sql", "SELECT 2"),
        ("1_a.toml", "class = \"lossless\""),
        ("2_b.sql", OK),
        ("2_b.toml", "phase = \"contract\""),
    ]);
    let all = read_any(folder.path(), None).expect("whole");
    let said: Vec<_> = all.iter().map(|m| format!("{} {} {}", m.id, m.phase, m.class)).collect();
    assert_eq!(said, ["0001_a expand lossless", "0002_b contract sticky"]);
}

#[test]
fn a_transaction_around_a_whole_file_is_blanked_out_and_nothing_else() {
    let cases = [
        ("BEGIN;\nSELECT 1;\nCOMMIT;\n", "      \nSELECT 1;\n       \n"),
        ("begin transaction ; SELECT 1; end", "                    SELECT 1;    "),
        ("BEGIN; SELECT 1;", "BEGIN; SELECT 1;"),
        ("SELECT 1; COMMIT;", "SELECT 1; COMMIT;"),
        ("SELECT 1", "SELECT 1"),
        (
            "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT",
            "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(super::frame::without(text), expected, "{text}");
    }
}

#[test]
fn the_form_is_seen_by_the_names_or_asked_for() {
    let up_down = "-- migrate:up\nSELECT 1;\n-- migrate:down\n";
    let cases: &[(Files<'_>, &str)] = &[
        (&[], "None"),
        (&[("0001_a/up.sql", OK)], "None"),
        (&[("1_a.sql", OK)], "Some(Sqlx)"),
        (&[("1_a.sql", OK), ("0002_b/up.sql", OK)], "Some(Sqlx)"),
        (&[("1_a.sql", up_down)], "Some(Dbmate)"),
        (&[("1_a.sql", up_down), ("2_b.sql", OK)], "Some(Sqlx)"),
        (&[("V1_1__a.sql", OK)], "Some(Flyway)"),
        (&[("V1__a.sql", OK), ("R__b.sql", OK)], "Some(Flyway)"),
        (&[("V1__a.sql", OK)], "say which: migrations ="),
        (&[("schema.sql", OK)], "NNNN_name/up.sql; or say whose form"),
    ];
    for (files, expected) in cases {
        let folder = folder(files);
        let seen = detect(folder.path());
        let said = seen.map_or_else(|mistake| mistake.to_string(), |form| format!("{form:?}"));
        assert!(said.contains(expected), "{files:?}: {said}");
    }
}

#[test]
fn own_folders_stand_beside_foreign_files_and_share_their_numbers() {
    let folder = folder(&[("1_a.sql", OK), ("0002_b/up.sql", OK)]);
    let ids: Vec<_> = read_any(folder.path(), None).expect("whole").into_iter().map(|m| m.id).collect();
    assert_eq!(ids, ["0001_a", "0002_b"]);
    write(folder.path(), "0001_c/up.sql", OK);
    let said = read_any(folder.path(), Some(Form::Sqlx)).expect_err("a number twice").to_string();
    assert!(said.contains("0001_c: has the number of 0001_a"), "{said}");
}

#[test]
fn checksums_are_those_of_the_tools() {
    let of = |form: Form, name: &str, text: &str| {
        let folder = folder(&[(name, text)]);
        read_dir(folder.path(), form).expect("whole")[0].checksums.clone()
    };
    let crlf = of(Form::Flyway, "V1__a.sql", "\u{feff}SELECT 1;\r\n\r\nSELECT 2;\r\n");
    assert_eq!(crlf, of(Form::Flyway, "V2__b.sql", "SELECT 1;\n\nSELECT 2;"), "lines without their ends");
    assert_ne!(crlf, of(Form::Flyway, "V1__a.sql", "SELECT 1; \n\nSELECT 2;"), "a space counts");
    assert_eq!(of(Form::Refinery, "V1__a.sql", OK).len(), 2, "versions of four and of eight bytes");
    assert_eq!(of(Form::Refinery, "V3000000000__a.sql", OK).len(), 1, "no version of four bytes");
    assert_eq!(of(Form::Sqlx, "1_a.sql", OK)[0].len(), 96, "SHA-384 in hex");
    assert!(of(Form::Dbmate, "1_a.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down").is_empty());
}
