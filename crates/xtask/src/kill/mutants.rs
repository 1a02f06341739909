//! The judge, judged: programs that break one sentence of the promise, each of which must turn its cases red.
//!
//! A mutant is data beside the cases (`crates/nica/tests/kill/mutants/NAME.toml`): edits of the product's text, in
//! which `MUTANT` stands for "this one is on". All are built into one program, from a copy; the product itself holds
//! no line of them.

use super::case::Case;
use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Variable that says which mutant a program is.
pub(crate) const VARIABLE: &str = "NICA_MUTANT";
const PLACEHOLDER: &str = "MUTANT";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The sentence that it breaks, or what follows from that.
    why: String,
    /// At least one of these must fail.
    cases: Vec<String>,
    edit: Vec<Edit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    /// Relative to the checkout.
    file: PathBuf,
    /// Stands there exactly once.
    find: String,
    replace: String,
}

pub(crate) struct Mutant {
    pub name: String,
    pub why: String,
    pub cases: Vec<Case>,
    edits: Vec<Edit>,
}

fn folder() -> PathBuf {
    crate::repo::root().join("crates/nica/tests/kill/mutants")
}

/// All of them, by name.
pub(crate) fn all() -> Result<Vec<Mutant>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.iter().map(|path| read(path).with_context(|| format!("read {}", path.display()))).collect()
}

fn read(path: &Path) -> Result<Mutant> {
    let File { why, cases, edit } = toml::from_str(&std::fs::read_to_string(path)?)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let cases = cases.iter().map(|id| Case::parse(id)).collect::<Result<_>>()?;
    Ok(Mutant { name, why, cases, edits: edit })
}

/// One program that is each of them, by `NICA_MUTANT`, and the product without it.
pub(crate) fn build(mutants: &[Mutant]) -> Result<PathBuf> {
    let root = crate::repo::root();
    let (source, target) = (root.join("target/mutants/source"), root.join("target/mutants/build"));
    copy_sources(&root, &source)?;
    for mutant in mutants {
        mutant.edits.iter().try_for_each(|edit| apply(edit, &mutant.name, &source))?;
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--package", "nica", "--bin", "nica", "--target-dir"]).arg(&target);
    ensure!(cargo.current_dir(&source).status().context("start cargo")?.success(), "build the mutants");
    Ok(target.join("debug/nica"))
}

/// What git knows of, as it stands in the checkout; files that are equal stay untouched, for cargo's sake.
fn copy_sources(root: &Path, to: &Path) -> Result<()> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    for file in super::proc::must_succeed(&mut git, "list the checkout's files")?.lines() {
        let from = root.join(file);
        if let Ok(bytes) = std::fs::read(&from) {
            write_if_other(&to.join(file), &bytes)?;
        }
    }
    Ok(())
}

fn write_if_other(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    std::fs::create_dir_all(path.parent().context("write into a folder")?)?;
    std::fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

fn apply(edit: &Edit, name: &str, source: &Path) -> Result<()> {
    let path = source.join(&edit.file);
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let edited =
        edited(&text, edit, name).with_context(|| format!("mutate {} into {name}", edit.file.display()))?;
    std::fs::write(&path, edited)?;
    Ok(())
}

fn edited(text: &str, edit: &Edit, name: &str) -> Result<String> {
    let find = edit.find.trim_start_matches('\n');
    let times = text.matches(find).count();
    ensure!(
        times == 1,
        "find {find:?} once: it stands there {times} times; keep the mutant in step with the product"
    );
    let on = format!("(std::env::var({VARIABLE:?}).is_ok_and(|mutant| mutant == {name:?}))");
    // The variable's own name holds the placeholder: only the word alone is meant.
    let replace = edit.replace.trim_start_matches('\n').replace(VARIABLE, "\0").replace(PLACEHOLDER, &on);
    Ok(text.replacen(find, &replace.replace('\0', VARIABLE), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_on_for_one_name_and_must_find_its_place_once() {
        let edit = Edit { file: "x".into(), find: "if a {".into(), replace: "if a && !MUTANT {".into() };
        let text = edited("if a {}", &edit, "no-fence").expect("it stands there");
        assert_eq!(
            text,
            "if a && !(std::env::var(\"NICA_MUTANT\").is_ok_and(|mutant| mutant == \"no-fence\")) {}"
        );
        assert!(edited("if b {}", &edit, "no-fence").is_err());
        assert!(edited("if a {} if a {}", &edit, "no-fence").is_err());
    }

    #[test]
    fn every_mutant_reads_and_has_cases() {
        let mutants = all().expect("the folder of the mutants");
        assert!(mutants.iter().all(|mutant| mutant.name == "every" || !mutant.cases.is_empty()));
        assert!(mutants.len() > 10);
    }
}
