//! Environment variables are read in `config` modules, once, and travel on as values.

use super::finding::Finding;
use super::names::{Names, is_test_file};
use crate::repo::Tree;

pub(crate) const ID: &str = "environment";

const READS: &[&str] = &[
    "std::env::var",
    "std::env::var_os",
    "std::env::vars",
    "std::env::vars_os",
    "std::env::set_var",
    "std::env::remove_var",
    "std::env::*",
];

/// Where programs stand on this machine is no configuration of ours.
const SEARCHES_PATH: &[&str] = &["crates/nica-migrate/src/scratch/find.rs"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| !is_config(&file.path) && !is_test_file(&file.path)) {
        for named in Names::of(file).paths.iter().filter(|named| READS.contains(&named.text.as_str())) {
            findings.push(Finding {
                rule: ID,
                path: file.path.clone(),
                line: named.line,
                what: format!("`{}` outside a `config` module", named.text),
                next: "read it in config.rs, with its default and meaning, and pass the value".into(),
            });
        }
    }
    findings
}

fn is_config(path: &str) -> bool {
    SEARCHES_PATH.contains(&path)
        || path.split('/').any(|part| matches!(part, "config" | "config.rs" | "build.rs"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::places;
    use super::*;
    use crate::repo::planted::tree;

    #[test]
    fn a_variable_read_elsewhere_is_found() {
        for bad in [
            "fn f() { std::env::var(\"HOME\"); }",
            "use std::env; fn f() { env::var_os(\"HOME\"); }",
            "use std::env::*;",
            "fn f() { format!(\"{:?}\", std::env::vars()); }",
        ] {
            let tree = tree(&[("crates/nica/src/commands/deploy.rs", bad)]);
            assert_eq!(places(check, &tree), ["crates/nica/src/commands/deploy.rs:1"], "{bad}");
        }
    }

    #[test]
    fn config_modules_arguments_and_compile_time_are_left_alone() {
        let tree = tree(&[
            ("crates/nica/src/config.rs", "fn f() { std::env::var(\"HOME\"); }"),
            ("crates/nica-backend/src/config/http.rs", "fn f() { std::env::var(\"HOME\"); }"),
            ("crates/nica/src/a.rs", "fn f() { std::env::args(); option_env!(\"NICA_VERSION\"); }"),
        ]);
        assert_eq!(places(check, &tree), Vec::<String>::new());
    }
}
