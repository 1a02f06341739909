//! Texts that a naive split at semicolons gets wrong.

use super::*;

fn check(sql: &str, expected: &[&str]) {
    let statements = split(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let texts: Vec<_> = statements.iter().map(|s| s.text).collect();
    assert_eq!(texts, expected, "{sql}");
}

#[test]
fn semicolons_end_statements_only_outside() {
    check("", &[]);
    check(" ; ;; -- nothing\n", &[]);
    check("SELECT 1", &["SELECT 1"]);
    check("SELECT 1; SELECT 2;", &["SELECT 1", "SELECT 2"]);
    check("SELECT ';'; SELECT 2", &["SELECT ';'", "SELECT 2"]);
    check("SELECT 'it''s;'; b", &["SELECT 'it''s;'", "b"]);
    check(r"SELECT '\'; b", &[r"SELECT '\'", "b"]);
    check(r"SELECT E'\';'; b", &[r"SELECT E'\';'", "b"]);
    check(r"SELECT e'\\'; b", &[r"SELECT e'\\'", "b"]);
    check(r"SELECT somee'\'; b", &[r"SELECT somee'\'", "b"]);
    check(r"SELECT U&'\0041;', x'1F;', b';', n';'; b", &[r"SELECT U&'\0041;', x'1F;', b';', n';'", "b"]);
    check(r#"SELECT "a;""b"; c"#, &[r#"SELECT "a;""b""#, "c"]);
    check(r#"SELECT U&"a;"; c"#, &[r#"SELECT U&"a;""#, "c"]);
    check("SELECT $$;$$; b", &["SELECT $$;$$", "b"]);
    check("SELECT $a$ $$;$$ $b$;$b$ $a$; b", &["SELECT $a$ $$;$$ $b$;$b$ $a$", "b"]);
    check("SELECT $é$;$é$; b", &["SELECT $é$;$é$", "b"]);
    check("SELECT a$b$; c$b$", &["SELECT a$b$", "c$b$"]);
    check("SELECT $1; b", &["SELECT $1", "b"]);
    check("SELECT 1 -- ; no\n; b", &["SELECT 1", "b"]);
    check("SELECT 1 /* ; /* ; */ ; */; b", &["SELECT 1", "b"]);
    check("SELECT '--'; b", &["SELECT '--'", "b"]);
    check("SELECT 1--; \n+1; b", &["SELECT 1--; \n+1", "b"]);
    check("SELECT 4 */* ; */ 2; b", &["SELECT 4 */* ; */ 2", "b"]);
    check(
        "CREATE RULE r AS ON INSERT TO t DO (a; b); c",
        &["CREATE RULE r AS ON INSERT TO t DO (a; b)", "c"],
    );
    check("SELECT 'ção;ß'; b", &["SELECT 'ção;ß'", "b"]);
}

#[test]
fn atomic_bodies_are_whole() {
    let body =
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN 1 END; SELECT 2; END";
    check(&format!("{body}; b"), &[body, "b"]);
    let both = "create or replace procedure p()\nbegin atomic\n insert into t values (1);\nend";
    check(&format!("{both};{both}"), &[both, both]);
    // Words alone are no body.
    check("SELECT begin; SELECT end", &["SELECT begin", "SELECT end"]);
    check("BEGIN; SELECT 1; END; b", &["BEGIN", "SELECT 1", "END", "b"]);
    check("CREATE FUNCTION begin() RETURNS int; b", &["CREATE FUNCTION begin() RETURNS int", "b"]);
}

#[test]
fn tokens_are_postgres_own() {
    let cases = [
        ("a<=b", "a|<=|b"),
        ("a::text:='x'", "a|::|text|:=|'x'"),
        ("1.5e-3+.5", "1.5e-3|+|.5"),
        ("1..2", "1|..|2"),
        ("a.b.c", "a|.|b|.|c"),
        ("$12,$x", "$12|,|$|x"),
        ("x->>'k'", "x|->>|'k'"),
        ("a-- c\n-b", "a|-|b"),
        ("été_1$", "été_1$"),
        ("'a'\n'b'", "'a'|'b'"),
        ("0x1F 1_000", "0x1F|1_000"),
    ];
    for (sql, expected) in cases {
        let texts: Vec<_> = tokens(sql).expect(sql).iter().map(|t| t.text).collect();
        assert_eq!(texts.join("|"), expected, "{sql}");
    }
}

#[test]
fn unclosed_texts_are_errors_with_the_line_where_they_begin() {
    let cases = [
        ("SELECT 1;\n\nSELECT 'a\nb", 3, "a quote is not closed"),
        ("\n\"a", 2, "a quote is not closed"),
        ("SELECT E'a\\'", 1, "a quote is not closed"),
        ("\n\n$x$ $$", 3, "a dollar quote is not closed"),
        ("/* /* */", 1, "a comment is not closed"),
        ("SELECT (1; SELECT 2", 1, "a bracket or a BEGIN ATOMIC is not closed"),
        ("SELECT 1;\n\\d", 2, "a backslash command is for psql, not for the server"),
    ];
    for (sql, line, what) in cases {
        assert_eq!(split(sql), Err(LexError { line, what }), "{sql}");
    }
}

#[test]
fn lines_are_counted_through_everything() {
    let sql = "/* a\nb */ SELECT 'x\ny';\n\n-- c\nSELECT $$\n$$;\nb";
    let lines: Vec<_> = split(sql).expect("whole").iter().map(|s| s.line).collect();
    assert_eq!(lines, [2, 6, 8]);
}

#[test]
fn directives_belong_to_the_statement_they_precede() {
    let statements =
        split("-- nica: backfill batch=5\n-- other\nUPDATE t SET a = 1; SELECT 1").expect("whole");
    let said: Vec<_> = statements[0].directives().map(|t| t.text).collect();
    assert_eq!(said, ["backfill batch=5"]);
    assert!(statements[0].begins(&["update", "T"]));
    assert_eq!(statements[1].directives().count(), 0);
}

#[test]
fn hash_ignores_what_postgres_does_not_see_and_nothing_else() {
    let same = [
        "CREATE TABLE t (a int);",
        "CREATE  TABLE\tt(\n a int )",
        "-- why\nCREATE TABLE t /* x */ (a int);;\n",
    ];
    let hash = |sql: &str| normalised_sha256(sql).expect(sql);
    for sql in same {
        assert_eq!(hash(sql), hash(same[0]), "{sql}");
    }
    let others = [
        "CREATE TABLE t (b int)",
        "CREATE TABLE t (a int); SELECT 1",
        "-- nica: backfill batch=1\nCREATE TABLE t (a int)",
        "CREATE TABLE \"t\" (a int)",
    ];
    for sql in others {
        assert_ne!(hash(sql), hash(same[0]), "{sql}");
    }
    assert_ne!(hash("SELECT 'a b'"), hash("SELECT 'a  b'"));
    assert_ne!(hash("SELECT a - - b"), hash("SELECT a b"));
    assert_ne!(hash("SELECT 1; SELECT 2"), hash("SELECT 1 SELECT 2"));
}
