//! What a migration may say about itself and in its texts.

use super::*;

fn refusals(transaction: bool, sql: &str) -> String {
    let manifest = Manifest { transaction, ..Manifest::default() };
    match Migration::new("0001_a", manifest, sql.to_string(), None) {
        Ok(_) => String::new(),
        Err(Mistakes(all)) => {
            all.iter().map(|m| m.to_string().replace("0001_a/up.sql:", "")).collect::<Vec<_>>().join("\n")
        }
    }
}

fn refused(sql: &str, expected: &str) {
    let seen = refusals(true, sql);
    assert!(seen.contains(expected), "{sql}: {seen:?} does not contain {expected:?}");
}

fn allowed(sql: &str) {
    assert_eq!(refusals(true, sql), "", "{sql}");
}

#[test]
fn whoever_ends_the_transaction_is_refused_with_its_line() {
    for word in
        ["BEGIN", "commit", "END", "ROLLBACK", "ABORT", "SAVEPOINT a", "RELEASE a", "START TRANSACTION"]
    {
        let first = word.split(' ').next().expect("a word").to_uppercase();
        refused(&format!("SELECT 1;\n/* x */\n{word};"), &format!("3: {first} is NICA's"));
    }
    refused("PREPARE TRANSACTION 'a'", "1: PREPARE is NICA's");
    refused("COMMIT PREPARED 'a'", "1: COMMIT is NICA's");
    refused("SELECT 1; CoMmIt; DROP TABLE t", "1: COMMIT is NICA's");
    refused("DO $$ BEGIN\n PERFORM 1;\n COMMIT;\nEND $$", "3: COMMIT inside DO");
    refused("\nDO LANGUAGE plpgsql $x$\nBEGIN ROLLBACK; END $x$", "3: ROLLBACK inside DO");
    allowed("PREPARE p AS SELECT 1");
    allowed("COMMENT ON TABLE t IS 'COMMIT;'");
    allowed("CREATE TABLE commits (begin int, \"commit\" int)");
    allowed("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RETURN; END $$");
    allowed("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END");
    allowed("DO $$ BEGIN PERFORM 1; EXCEPTION WHEN others THEN NULL; END $$");
}

#[test]
fn whoever_touches_nicas_settings_is_refused() {
    for sql in [
        "SET ROLE a",
        "SET LOCAL ROLE a",
        "SET SESSION ROLE a",
        "RESET ROLE",
        "SET SESSION AUTHORIZATION a",
        "SET LOCAL SESSION AUTHORIZATION a",
        "RESET SESSION AUTHORIZATION",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SET TRANSACTION READ ONLY",
        "SET lock_timeout = 0",
        "SET LOCAL lock_timeout TO '10s'",
        "set session Statement_Timeout = 0",
        "SET \"lock_timeout\" = 0",
        "RESET lock_timeout",
        "RESET ALL",
        "DISCARD ALL",
        "SET idle_in_transaction_session_timeout = 0",
        "SET client_connection_check_interval = 0",
        "SET synchronous_commit = off",
        "SET application_name = 'x'",
        "SET standard_conforming_strings = off",
        "SELECT set_config('lock_timeout', '0', false)",
        "DO $$ BEGIN SET LOCAL lock_timeout = 0; END $$",
        "DO $$ BEGIN PERFORM set_config('statement_timeout', '0', true); END $$",
    ] {
        refused(sql, "is NICA's");
    }
    allowed("SET search_path = public");
    allowed("SET LOCAL work_mem = '64MB'");
    allowed("UPDATE t SET role = 'x'");
    allowed("ALTER ROLE a SET lock_timeout = 0");
    allowed("SELECT set_config('search_path', 'public', true)");
}

#[test]
fn statements_that_need_no_transaction_are_sent_to_a_file_of_their_own() {
    refused("CREATE INDEX CONCURRENTLY i ON t (a)", "write transaction = false");
    refused("VACUUM t", "write transaction = false");
    refused("-- nica: backfill batch=1\nUPDATE t SET a = 1", "2: cannot run inside a transaction");
    refused("COPY t FROM STDIN", "no input here");
    refused("-- only a comment", "holds no statement");
    allowed("CREATE INDEX i ON t (a)");
}

#[test]
fn outside_a_transaction_stands_one_statement_whose_end_can_be_seen() {
    let seen = |sql: &str| {
        let statements = lexer::split(sql).expect(sql);
        format!("{:?}", lone(&statements[0]))
    };
    for (sql, expected) in [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", r#"Ok(CreateIndex { name: "i" })"#),
        (
            "create unique index concurrently if not exists \"I\" on t (a)",
            r#"Ok(CreateIndex { name: "\"I\"" })"#,
        ),
        ("DROP INDEX CONCURRENTLY IF EXISTS s.i", r#"Ok(DropIndex { name: "s.i" })"#),
        ("ALTER TABLE t VALIDATE CONSTRAINT c", "Ok(Validate)"),
        (
            "-- nica: backfill batch=7 pause=9ms\nUPDATE t SET a = 1",
            "Ok(Backfill(Backfill { batch_rows: 7, pause: 9ms }))",
        ),
    ] {
        assert_eq!(seen(sql), expected, "{sql}");
        assert_eq!(refusals(false, sql), "", "{sql}");
    }
    for (sql, expected) in [
        ("SELECT 1", "of others nobody could tell"),
        ("CREATE INDEX i ON t (a)", "of others nobody could tell"),
        ("REINDEX INDEX CONCURRENTLY i", "of others nobody could tell"),
        ("CREATE INDEX CONCURRENTLY ON t (a)", "the index needs a name"),
        ("DROP INDEX CONCURRENTLY a, b", "one index per file"),
        ("VACUUM t;\nVACUUM u", "2: outside a transaction there is one statement per file"),
        ("-- nica: backfill\nDELETE FROM t", "a backfill is one UPDATE"),
        ("-- nica: backfill batch=0\nUPDATE t SET a = 1", "`batch=0` is no setting"),
        ("-- nica: fill\nUPDATE t SET a = 1", "`nica: fill` is unknown"),
    ] {
        assert!(refusals(false, sql).contains(expected), "{sql}: {}", refusals(false, sql));
    }
}

#[test]
fn manifest_and_texts_must_fit() {
    let cases = [
        ("0001_a", "class = \"lossless\"", false, "only a sticky migration can do without down.sql"),
        ("0001_a", "class = \"lossless\"", true, ""),
        ("0001_a", "", false, ""),
        ("0001_a", "class = \"parking\"", true, "class parking needs park"),
        ("0001_a", "class = \"parking\"\npark = [\"t.a\", \"t\"]", true, ""),
        ("0001_a", "class = \"parking\"\npark = [\"a.b.c.d\", \"\"]", true, "park `a.b.c.d` must be"),
        ("0001_a", "park = [\"t.a\"]", true, "park needs class"),
        ("0001_a", "phase = \"contract\"", false, ""),
        (
            "0001_a",
            "phase = \"contract\"\ntransaction = false",
            false,
            "a contract is one transaction: leave transaction away",
        ),
        ("0001_a", "phase = \"contract\"\nclass = \"lossless\"", true, "a contract is forward only"),
        ("001_a", "", false, "must be NNNN_name"),
        ("0001_A", "", false, "must be NNNN_name"),
        ("0001", "", false, "must be NNNN_name"),
    ];
    for (id, toml, has_down, expected) in cases {
        let manifest = Manifest::parse(toml).expect(toml);
        let down = has_down.then(|| "SELECT 1".to_string());
        let seen = Migration::new(id, manifest, "SELECT 1".to_string(), down);
        let seen = seen.err().map(|m| m.to_string()).unwrap_or_default();
        assert!(seen.contains(expected) && seen.is_empty() == expected.is_empty(), "{id} {toml}: {seen}");
    }
}

#[test]
fn park_names_are_read_back() {
    for text in ["t", "t.a", "s.t.a", "s.t.*"] {
        assert_eq!(Park::parse(text).expect(text).to_string(), text);
    }
    assert_eq!(Park::parse("t.*"), Park::parse("t"));
}

#[test]
fn all_mistakes_of_all_files_are_reported_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("0002_b/up.sql", "SELECT 1;\nCOMMIT");
    write("0002_b/down.sql", "SELECT 'x");
    write("0002_b/Down.sql", "");
    write("0003_c/migration.toml", "klass = 1");
    write("0004_d/up.sql", "SELECT 1");
    write("0004_e/up.sql", "SELECT 1");
    write("README.md", "words");
    let seen = read_dir(folder.path()).expect_err("mistakes").to_string();
    for expected in [
        "0002_b/up.sql:2: COMMIT is NICA's",
        "0002_b/down.sql:1: a quote is not closed",
        "0002_b/Down.sql: is read by nobody",
        "0003_c/up.sql: it is missing",
        "unknown field `klass`",
        "0004_e: has the number of 0004_d",
    ] {
        assert!(seen.contains(expected), "{expected} is not in {seen}");
    }
}

#[test]
fn folders_come_in_the_order_of_their_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    for id in ["0010_c", "00009_b", "0002_a"] {
        std::fs::create_dir(folder.path().join(id)).expect("a folder");
        std::fs::write(folder.path().join(id).join("up.sql"), "SELECT 1").expect("a file");
    }
    let ids: Vec<_> = read_dir(folder.path()).expect("whole").into_iter().map(|m| m.id).collect();
    assert_eq!(ids, ["0002_a", "00009_b", "0010_c"]);
}

#[test]
fn writes_are_found_by_token() {
    let cases = [
        ("UPDATE t SET a = 1", "Update:1:all"),
        ("update t set a = 1 where b", "Update:1:where"),
        ("WITH x AS (DELETE FROM t RETURNING a)\nUPDATE u SET a = 1", "Delete:1:all Update:2:all"),
        ("TRUNCATE t", "Truncate:1:all"),
        ("DO $$ BEGIN\n DELETE FROM t WHERE a;\n UPDATE t SET a = 1; END $$", "Delete:2:where Update:3:all"),
        ("CREATE TABLE t (a int REFERENCES u ON DELETE CASCADE ON UPDATE SET NULL)", ""),
        ("SELECT a FROM t FOR UPDATE", ""),
        ("SELECT a FROM t FOR NO KEY UPDATE", ""),
        ("GRANT UPDATE, DELETE ON t TO r", ""),
        ("CREATE TRIGGER x BEFORE UPDATE OR DELETE ON t EXECUTE FUNCTION f()", ""),
        ("CREATE OR REPLACE TRIGGER x AFTER DELETE ON t EXECUTE FUNCTION f()", ""),
        ("CREATE POLICY p ON t FOR DELETE USING (true)", ""),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1", ""),
        ("SELECT 'UPDATE t', \"delete\" FROM x -- TRUNCATE", ""),
        ("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM t $$", ""),
    ];
    for (sql, expected) in cases {
        let statement = &lexer::split(sql).expect(sql)[0];
        let seen: Vec<_> = writes(statement)
            .iter()
            .map(|w| format!("{:?}:{}:{}", w.verb, w.line, if w.has_where { "where" } else { "all" }))
            .collect();
        assert_eq!(seen.join(" "), expected, "{sql}");
    }
}
