//! `window`: what is read, and what is said of mistakes in it.

use super::{GOOD, PEOPLE, parse, says};

const WINDOW: &str =
    "window = { allow = [\"Mon-Thu 09:00-17:00\"], freeze = [\"2026-12-24\"], zone = \"America/Sao_Paulo\" }";

/// The good file with this window in prod.
fn with(window: &str) -> String {
    GOOD.replacen("soak = \"24h\"", &format!("soak = \"24h\"\n{window}"), 1)
}

#[test]
fn a_window_arrives_as_it_was_written() {
    let config = parse(("nica.toml", &with(WINDOW)), Some(("people.toml", PEOPLE))).expect("it is right");
    let windows: Vec<String> =
        config.environments["prod"].policy.windows.iter().map(ToString::to_string).collect();
    assert_eq!(windows, ["Mon-Thu 09:00-17:00 (America/Sao_Paulo)"]);
    assert!(config.environments["dev"].policy.windows.is_empty());
}

#[test]
fn mistakes_in_a_window_are_told_together() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        let window = WINDOW.replace(from, to);
        assert_ne!(window, WINDOW, "{from} is there");
        let said = says(&with(&window), PEOPLE);
        expected.iter().for_each(|part| assert!(said.contains(part), "{said}"));
    };
    check("Mon-Thu", "Monday", &["`Monday` is none of Mon, Tue, Wed, Thu, Fri, Sat, Sun"]);
    check("2026-12-24", "24.12.2026", &["`24.12.2026` is no day"]);
    check("America/Sao_Paulo", "Sao Paulo", &["`Sao Paulo` is no time zone"]);
    check("zone = \"America/Sao_Paulo\"", "zone = \"UTC\", days = 3", &["unknown key `days`"]);
    check("allow = [\"Mon-Thu 09:00-17:00\"], ", "", &["missing `allow`"]);
    let both = WINDOW.replace("Mon-Thu", "Monday").replace("Sao_Paulo", "Lima_");
    let said = says(&with(&both), PEOPLE);
    assert!(
        said.contains("`Monday` is none of") && said.contains("`America/Lima_` is no time zone"),
        "{said}"
    );
}
