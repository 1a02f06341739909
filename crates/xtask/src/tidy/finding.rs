//! One broken rule at one place, printed the way a compiler would.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub rule: &'static str,
    pub path: String,
    /// From 1; 0 when the whole file is meant.
    pub line: usize,
    /// A fragment: what is there.
    pub what: String,
    /// What to do about it.
    pub next: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = if self.line > 0 { format!(":{}", self.line) } else { String::new() };
        write!(
            f,
            "refused[{}]: {}\n  --> {}{line}\n   = next: {}",
            self.rule, self.what, self.path, self.next
        )
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Finding;
    use crate::repo::Tree;

    /// The places that a rule names in a planted tree, `path:line`, in order.
    pub(crate) fn places(check: fn(&Tree) -> Vec<Finding>, tree: &Tree) -> Vec<String> {
        check(tree).iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_like_a_compilers() {
        let finding = Finding {
            rule: "printing",
            path: "crates/a/src/b.rs".into(),
            line: 7,
            what: "`println!` outside the output modules".into(),
            next: "return the text".into(),
        };
        assert_eq!(
            finding.to_string(),
            "refused[printing]: `println!` outside the output modules\n  --> crates/a/src/b.rs:7\n   = next: return the text"
        );
    }
}
