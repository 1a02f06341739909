//! The judge, judged: programs that break one sentence of the promise, each of which must turn its cases red.
//!
//! A mutant is data beside the cases (`crates/nica/tests/kill/mutants/NAME.toml`): edits of the product's text, in
//! which `MUTANT` stands for "this one is on". All are built into one program, from a copy; the product itself holds
//! no line of them.

use super::build::Profile;
use super::case::Case;
use super::variant::Variant;
use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};

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
    let mut variant = Variant::of_checkout("nica-mutants", "0.0.8")?;
    for mutant in mutants {
        for edit in &mutant.edits {
            let change = |text: &str| edited(text, edit, &mutant.name);
            let what = || format!("mutate {} into {}", edit.file.display(), mutant.name);
            variant.edit(&edit.file, change).with_context(what)?;
        }
    }
    variant.build(Profile::Dev)
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
