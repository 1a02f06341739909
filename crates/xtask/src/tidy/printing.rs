//! Only the output modules print, and only a `main.rs` ends the process.
//!
//! Clippy knows this too, but an `allow` silences it; here the list of rooms is the list.

use super::finding::Finding;
use super::names::{Named, Names, at, is_test_file};
use crate::repo::Tree;

pub(crate) const ID: &str = "printing";

const MAY_PRINT: &[&str] = &[
    "crates/nica/src/output.rs",
    "crates/nica/src/output/",
    "crates/nica/src/main.rs",
    "crates/nica-backend/src/main.rs",
    "crates/xtask/",
];
/// One thing each: the service's log writer is given stdout at the start, and the second signal ends `nica` at once.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("crates/nica-backend/src/app.rs", "std::io::stdout"),
    ("crates/nica/src/commands/interrupt.rs", "std::process::exit"),
];
const MACROS: &[&str] = &["println!", "print!", "eprintln!", "eprint!", "dbg!"];
const PATHS: &[&str] = &["std::process::exit", "std::process::abort", "std::io::stdout", "std::io::stderr"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let closed = |path: &str| !is_test_file(path) && !MAY_PRINT.iter().any(|room| path.starts_with(room));
    let files = tree.rust().filter(|file| closed(&file.path) && !file.path.ends_with("build.rs"));
    let excepted = |path: &str, named: &Named| EXCEPTIONS.contains(&(path, named.text.as_str()));
    files
        .flat_map(|file| loud(&Names::of(file)).into_iter().map(move |named| (&file.path, named)))
        .filter(|(path, named)| !excepted(path, named))
        .map(|(path, named)| finding(path, &named))
        .collect()
}

fn loud(names: &Names) -> Vec<Named> {
    let macros = names.macros.iter().filter(|named| MACROS.contains(&named.text.as_str()));
    let paths = names.paths.iter().filter(|named| PATHS.iter().any(|path| at(&named.text, path)));
    macros.chain(paths).cloned().collect()
}

fn finding(path: &str, named: &Named) -> Finding {
    Finding {
        rule: ID,
        path: path.to_string(),
        line: named.line,
        what: format!("`{}` outside nica/src/output, xtask and the two main.rs", named.text),
        next: "return the text or the exit code as data, or send an event to the output module".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::places;
    use super::*;
    use crate::repo::planted::tree;

    #[test]
    fn printing_and_ending_the_process_are_found() {
        for bad in [
            "fn f() { println!(\"x\"); }",
            "fn f() { dbg!(1); }",
            "#[allow(clippy::exit)] fn f() { std::process::exit(1) }",
            "use std::process; fn f() { process::exit(1) }",
            "use std::io::stderr;",
            "fn f() { m!(eprintln!(\"x\")); }",
        ] {
            let tree = tree(&[("crates/nica-effects/src/a.rs", bad)]);
            assert_eq!(places(check, &tree), ["crates/nica-effects/src/a.rs:1"], "{bad}");
        }
    }

    #[test]
    fn the_rooms_that_may_print_are_left_alone() {
        let loud = "fn f() { println!(\"x\"); }";
        let tree = tree(&[
            ("crates/nica/src/output/human.rs", loud),
            ("crates/nica/src/output.rs", loud),
            ("crates/nica/src/main.rs", loud),
            ("crates/nica-backend/src/main.rs", loud),
            ("crates/xtask/src/demo.rs", loud),
            ("crates/nica-backend/src/app.rs", "fn f() { start(std::io::stdout()); }"),
            ("crates/nica/tests/it/main.rs", loud),
            ("crates/nica-engine/src/a.rs", "#[cfg(test)] mod tests { fn f() { println!(); } }"),
        ]);
        assert_eq!(places(check, &tree), Vec::<String>::new());
    }
}
