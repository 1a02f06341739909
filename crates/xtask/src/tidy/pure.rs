//! The pure crates name no file, network, environment, process, thread, clock or random source.
//!
//! The graph of crates cannot see the standard library; the paths in the sources can.

use super::finding::Finding;
use super::names::{Named, Names, at};
use crate::repo::Tree;

pub(crate) const ID: &str = "pure";

const PURE: &[&str] = &["crates/nica-engine/src", "crates/nica-domain/src"];
const FORBIDDEN: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "jiff::tz::TimeZone::system",
    "rand",
    "getrandom",
];
/// A clock by whatever name it was brought in.
const CLOCKS: &[&str] = &["Timestamp::now", "Zoned::now", "SystemTime::now", "Instant::now", "OsRng"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let files = PURE.iter().flat_map(|folder| tree.under(folder)).filter(|file| file.path.ends_with(".rs"));
    files
        .flat_map(|file| impure(&Names::of(file)).into_iter().map(|named| finding(&file.path, &named)))
        .collect()
}

fn impure(names: &Names) -> Vec<Named> {
    let forbidden = |named: &&Named| {
        FORBIDDEN.iter().any(|prefix| at(&named.text, prefix))
            || CLOCKS.iter().any(|clock| named.text == *clock || named.text.ends_with(&format!("::{clock}")))
    };
    names.paths.iter().filter(forbidden).cloned().collect()
}

fn finding(path: &str, named: &Named) -> Finding {
    Finding {
        rule: ID,
        path: path.to_string(),
        line: named.line,
        what: format!("`{}` in a pure crate", named.text),
        next: "observe it in nica-effects and take it as data".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::places;
    use super::*;
    use crate::repo::planted::tree;

    #[test]
    fn whatever_reaches_outside_is_found() {
        for bad in [
            "use std::fs;\nfn f() {}",
            "use std::time::Instant;\nfn f() {}",
            "use std::{collections::BTreeMap, net::TcpStream};",
            "fn f() { rand::random::<u8>(); }",
            "use jiff::Timestamp; fn f() { Timestamp::now(); }",
            "fn f() { assert!(std::env::args().count() > 1); }",
        ] {
            let tree = tree(&[("crates/nica-engine/src/a.rs", bad)]);
            assert!(!places(check, &tree).is_empty(), "{bad}");
        }
    }

    #[test]
    fn data_and_other_crates_are_left_alone() {
        let tree = tree(&[
            ("crates/nica-engine/src/a.rs", "use std::time::Duration; use std::collections::BTreeMap;"),
            ("crates/nica-engine/src/b.rs", "#[cfg(test)] mod tests { use std::fs; }"),
            ("crates/nica-effects/src/c.rs", "use std::fs;"),
        ]);
        assert_eq!(places(check, &tree), Vec::<String>::new());
    }
}
