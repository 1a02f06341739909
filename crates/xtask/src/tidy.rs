//! The house rules that a compiler cannot check, each in a file of its own.
//!
//! A rule is a function from the checkout (plain data) to findings. Every rule has tests on planted sources: one
//! that it must find and one that it must leave alone.

mod conflicts;
mod crates;
mod driver;
mod environment;
mod finding;
mod layers;
mod layout;
mod links;
mod migrations;
mod names;
mod paths;
mod printing;
mod pure;
mod readme;
mod recipes;
mod rendered;
mod star;
mod workflow;

pub(crate) use finding::Finding;
pub(crate) use names::is_test_file;

use crate::repo::Tree;
use anyhow::Result;

pub(crate) struct Rule {
    pub id: &'static str,
    check: fn(&Tree) -> Vec<Finding>,
}

pub(crate) const RULES: &[Rule] = &[
    Rule { id: crates::ID, check: crates::check },
    Rule { id: pure::ID, check: pure::check },
    Rule { id: layers::ID, check: layers::check },
    Rule { id: driver::ID, check: driver::check },
    Rule { id: printing::ID, check: printing::check },
    Rule { id: environment::ID, check: environment::check },
    Rule { id: star::ID, check: star::check },
    Rule { id: layout::ID, check: layout::check },
    Rule { id: recipes::ID, check: recipes::check },
    Rule { id: migrations::ID, check: migrations::check },
    Rule { id: conflicts::ID, check: conflicts::check },
    Rule { id: paths::ID, check: paths::check },
    Rule { id: links::ID, check: links::check },
    Rule { id: rendered::ID, check: rendered::check },
    Rule { id: readme::ID, check: readme::check },
    Rule { id: workflow::ID, check: workflow::check },
];

/// Each rule with what it found.
pub(crate) fn findings() -> Result<Vec<(&'static str, Vec<Finding>)>> {
    let tree = Tree::read()?;
    Ok(RULES.iter().map(|rule| (rule.id, (rule.check)(&tree))).collect())
}

pub(crate) fn run() -> Result<bool> {
    let by_rule = findings()?;
    let found: Vec<&Finding> = by_rule.iter().flat_map(|(_, findings)| findings).collect();
    for finding in &found {
        eprintln!("{finding}\n");
    }
    println!("tidy: {} rules, {} findings", by_rule.len(), found.len());
    Ok(found.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_names_of_their_own() {
        let mut ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
    }
}
