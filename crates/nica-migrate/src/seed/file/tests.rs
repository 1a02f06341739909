//! Seed files as people write them, right and wrong, and what is said about each.

use super::*;

const HEAD: &str = "table = \"unit\"\nkey = [\"code\"]\nsource = \"SI\"\nstatus = \"verified\"\n";

/// `expected` are the mistakes without their file, one a line; empty when the file is good.
fn check(text: &str, expected: &[&str]) {
    let found = match SeedFile::parse("f.toml", text) {
        Ok(_) => Vec::new(),
        Err(Mistakes(all)) => all.iter().map(|m| format!("{}: {}", m.line, m.what)).collect(),
    };
    assert_eq!(found, expected, "{text}");
}

fn check_row(row: &str, expected: &[&str]) {
    check(&format!("{HEAD}[[row]]\ncode = 1\n{row}\n"), expected);
}

#[test]
fn all_mistakes_are_named_at_once_with_their_line() {
    check(HEAD, &[]);
    check(
        "tabel = \"unit\"\nkey = []\n[[row]]\nname = \"x\"\n",
        &[
            "1: `tabel` is unknown; known are table, key, retire, source, status and [[row]]",
            "1: `table` is missing; name the table that the rows belong to",
            "2: `key` must be a list of columns, such as [\"code\"]",
            "3: the row has no `source`; say where it is taken from",
            "3: the row has no `status`; write verified, secondary or unverified",
        ],
    );
    check(
        "table = 3\nkey = [\"code\", 1]\nretire = \"a b\"\nrow = 4\n",
        &[
            "1: `table` must be a string, not integer",
            "2: `key` must be a string, not integer",
            "3: `a b` in `retire` is not a column's name",
            "4: `row` must be written as [[row]]",
        ],
    );
}

#[test]
fn mistakes_of_rows_are_named() {
    check_row("", &[]);
    check_row("source = \" \"", &["5: the row has no `source`; say where it is taken from"]);
    check_row(
        "status = \"sure\"",
        &["5: the status `sure` is unknown; write verified, secondary or unverified"],
    );
    check_row("x = nan", &["7: the number nan cannot be held; write it as a string"]);
    check_row(
        "x = 99999999999999999999",
        &["7: the number 99999999999999999999 cannot be held; write it as a string"],
    );
    check_row("\"a\\\"b\" = 1", &["7: `a\"b` is not a column's name"]);
    check_row("[[row]]\nname = \"x\"", &["7: the row has no `code`, which is part of the key"]);
    check_row("[[row]]\ncode = 1", &["7: the key [1] stands in f.toml:5 already"]);
}

#[test]
fn schemas_that_are_not_the_services_cannot_be_seeded() {
    for schema in ["pg_catalog", "information_schema", "nica", "nica_attic"] {
        let text = HEAD.replace("unit", &format!("{schema}.unit"));
        check(&text, &[&format!("1: schema `{schema}` cannot be seeded")]);
    }
    check(&HEAD.replace("unit", "nica_other.unit"), &[]);
    check(&HEAD.replace("unit", "a.b.c"), &["1: `a.b.c` is not a table's name; write name or schema.name"]);
}

#[test]
fn broken_lines_are_all_reported_and_nothing_guessed() {
    let error = SeedFile::parse("f.toml", "table = \nkey = [\"a\"\n").expect_err("broken");
    let lines: Vec<_> = error.0.iter().map(|m| m.line).collect();
    assert!(lines.contains(&1) && lines.len() >= 2, "{error}");
    assert!(!error.to_string().contains("missing; name"), "{error}");
}

#[test]
fn files_come_in_the_order_of_their_names_and_must_agree() {
    let other = HEAD.replace("key = [\"code\"]", "key = [\"name\"]");
    let error = SeedFile::parse_all([("2.toml", other.as_str()), ("1.toml", HEAD)]).expect_err("they differ");
    let expected =
        "read the seed files:\n  2.toml:1: key and retire must be as in 1.toml, which fills unit too";
    assert_eq!(error.to_string(), expected);
    let row = format!("{HEAD}[[row]]\ncode = 1\n");
    let error = SeedFile::parse_all([("2.toml", row.as_str()), ("1.toml", row.as_str())]).expect_err("twice");
    assert_eq!(error.0[0].to_string(), "2.toml:5: the key [1] stands in 1.toml:5 already");
}

#[test]
fn values_travel_as_json() {
    let text = format!(
        "{HEAD}[[row]]\ncode = 0x1F\na = 1.50\nb = [1, \"x\"]\nc = {{ d = true }}\ne = 1979-05-27T07:32:00Z\n\
         f = 07:32:00\nstatus = \"secondary\"\n"
    );
    let file = SeedFile::parse("f.toml", &text).expect("good");
    let expected = r#"{"a":1.5,"b":[1,"x"],"c":{"d":true},"code":31,"e":"1979-05-27T07:32:00Z","f":"07:32:00","source":"SI","status":"secondary"}"#;
    assert_eq!(serde_json::to_string(&file.rows[0].values).expect("JSON"), expected);
    assert_eq!((file.rows[0].line, file.rows[0].status), (5, Status::Secondary));
}

#[test]
fn folder_that_is_not_there_holds_no_seeds() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(SeedFile::read_folder(&folder.path().join("none")), Ok(Vec::new()));
    std::fs::write(folder.path().join("2_b.toml"), HEAD).expect("written");
    std::fs::write(folder.path().join("1_a.toml"), HEAD).expect("written");
    std::fs::write(folder.path().join("README.md"), "not a seed").expect("written");
    let names: Vec<_> =
        SeedFile::read_folder(folder.path()).expect("read").into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["1_a.toml", "2_b.toml"]);
}
