//! Workflows call `./x` and `nica` and hold no logic of their own; the jobs of ci.yml are the jobs of `./x ci`.
//!
//! Read line by line: our workflows are plain enough for that, and one that is not is a finding.

use super::finding::Finding;
use crate::ci;
use crate::repo::{File, Tree};
use std::collections::BTreeSet;

pub(crate) const ID: &str = "workflow";

const CI: &str = ".github/workflows/ci.yml";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tree.under(".github/workflows").flat_map(steps).collect();
    match tree.file(CI) {
        Some(file) => findings.extend(jobs_agree(file)),
        None => findings.push(finding(
            CI,
            0,
            "no workflow runs the CI jobs".into(),
            "write one with a job for each".into(),
        )),
    }
    findings
}

fn steps(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let line = line.trim_start().trim_start_matches("- ");
        if let Some(action) = line.strip_prefix("uses:") {
            if !is_pinned(action) {
                let what = format!("an action that can change under us: {}", action.trim());
                findings.push(finding(
                    &file.path,
                    number + 1,
                    what,
                    "pin it by the 40 digits of a commit".into(),
                ));
            }
        } else if let Some(command) = line.strip_prefix("run:") {
            let command = command.trim();
            let ours = command.starts_with("./x ") || command.starts_with("nica ");
            if !ours || command.contains(['&', '|', ';', '\n']) {
                let what = format!("a step with logic of its own: {command}");
                findings.push(finding(&file.path, number + 1, what, "move it behind ./x or nica".into()));
            }
        }
    }
    findings
}

fn is_pinned(action: &str) -> bool {
    let reference = action.split('#').next().unwrap_or_default().trim().rsplit_once('@').map(|(_, r)| r);
    reference.is_some_and(|r| r.len() == 40 && r.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn jobs_agree(file: &File) -> Vec<Finding> {
    let run: BTreeSet<&str> =
        file.text.lines().filter_map(|line| line.trim().split_once("./x ci ").map(|(_, job)| job)).collect();
    let known: BTreeSet<&str> = ci::JOBS.iter().map(|job| job.name()).collect();
    let missing = known.difference(&run).map(|job| format!("job `{job}` of ./x ci is not run"));
    let extra = run.difference(&known).map(|job| format!("`./x ci {job}` is no job of ./x"));
    missing
        .chain(extra)
        .map(|what| finding(&file.path, 0, what, "make the workflow and ci::JOBS agree".into()))
        .collect()
}

fn finding(path: &str, line: usize, what: String, next: String) -> Finding {
    Finding { rule: ID, path: path.to_string(), line, what, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::planted::tree;

    const GOOD: &str = "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@0123456789012345678901234567890123456789 # v1\n      - run: ./x ci lint\n      - run: ./x ci types\n      - run: ./x ci migrations\n      - run: ./x ci test\n";

    fn found(text: &str) -> Vec<String> {
        check(&tree(&[(CI, text)])).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_workflow_that_only_calls_our_jobs_is_left_alone() {
        assert_eq!(found(GOOD), Vec::<String>::new());
    }

    #[test]
    fn each_way_to_stray_is_found() {
        assert_eq!(
            found(&GOOD.replace("./x ci lint", "./x ci lint && true"))[0],
            "a step with logic of its own: ./x ci lint && true"
        );
        assert_eq!(
            found(&GOOD.replace("      - run: ./x ci test\n", "")),
            ["job `test` of ./x ci is not run"]
        );
        assert_eq!(found(&GOOD.replace("ci types", "ci typos")).len(), 2);
        assert_eq!(found(&GOOD.replace("@0123456789012345678901234567890123456789 # v1", "@v4")).len(), 1);
        assert_eq!(
            found(&format!("{GOOD}      - run: cargo test\n")),
            ["a step with logic of its own: cargo test"]
        );
        assert_eq!(
            found(&format!("{GOOD}      - run: |\n          cargo test\n")),
            ["a step with logic of its own: |"]
        );
    }

    #[test]
    fn no_workflow_is_a_finding() {
        assert_eq!(check(&tree(&[])).len(), 1);
    }
}
