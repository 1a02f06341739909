//! The fast way: what the Dockerfile's compiling stage would leave, from a program that is built on this machine.
//!
//! The stages above the last `FROM` are cut away and a folder stands in their place; from there on it is the same file.

use super::bases;
use crate::kill::proc;
use crate::repo;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the last stage copies from.
pub(crate) const STAGE: &str = "build";

/// Builds the program and lays out what the stage would leave.
pub(crate) fn stage(folder: &Path, release: bool, version: &str, commit: &str) -> Result<()> {
    let program = compile(release, version, commit)?;
    let out = folder.join("out");
    let put = |from: &Path, to: &str, mode: u32| -> Result<()> {
        let to = out.join(to);
        fs::create_dir_all(to.parent().expect("a file in a folder"))?;
        fs::copy(from, &to).with_context(|| format!("copy {}", from.display()))?;
        Ok(fs::set_permissions(&to, fs::Permissions::from_mode(mode))?)
    };
    put(&program, "usr/local/bin/nica-backend", 0o755)?;
    put(&bases::certificates()?, "etc/ssl/certs/ca-certificates.crt", 0o644)?;
    fs::create_dir_all(out.join("usr/share/nica"))?;
    fs::write(out.join("usr/share/nica/crates.txt"), crates()?)?;
    let rustc = proc::must_succeed(Command::new("rustc").arg("--version"), "ask rustc")?;
    let info = serde_json::json!({"version": version, "revision": commit, "rustc": rustc});
    fs::write(out.join("usr/share/nica/build.json"), format!("{info}\n"))?;
    Ok(fs::create_dir_all(folder.join("cache"))?)
}

fn compile(release: bool, version: &str, commit: &str) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--package", "nica-backend"]).current_dir(repo::root());
    cargo.args(["--release"].iter().filter(|_| release));
    cargo.env("NICA_VERSION", version).env("NICA_COMMIT", commit);
    proc::must_succeed(&mut cargo, "build the service")?;
    Ok(repo::root().join(if release { "target/release" } else { "target/debug" }).join("nica-backend"))
}

/// As the Dockerfile lists them: name, version, licence.
fn crates() -> Result<String> {
    let mut tree = Command::new("cargo");
    tree.args(["tree", "--locked", "--package", "nica-backend", "--edges", "normal", "--prefix", "none"]);
    tree.args(["--format", "{p} {l}", "--no-dedupe"]).current_dir(repo::root());
    let text = proc::must_succeed(&mut tree, "list the crates")?;
    let without_path = |line: &str| match (line.find(" (/"), line.find(')')) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &line[..from], &line[to + 1..]),
        _ => line.to_string(),
    };
    let lines: std::collections::BTreeSet<String> = text.lines().map(without_path).collect();
    Ok(lines.into_iter().map(|line| line + "\n").collect())
}

/// The arguments before the first stage, and the last stage.
pub(crate) fn last_stage(dockerfile: &str) -> Result<String> {
    let lines: Vec<&str> = dockerfile.lines().collect();
    let stages: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with("FROM ")).collect();
    ensure!(stages.len() > 1, "cut the Dockerfile: it has {} stages", stages.len());
    let (first, last) = (stages[0], stages[stages.len() - 1]);
    Ok([&lines[..first], &lines[last..]].concat().join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_is_the_dockerfiles_own_to_the_byte() {
        let whole = fs::read_to_string(repo::root().join("Dockerfile")).expect("it is there");
        let cut = last_stage(&whole).expect("it has stages");
        assert!(cut.contains("FROM ${BASE}") && !cut.contains("cargo build"), "{cut}");
        let from = |text: &str| text[text.find("FROM ${BASE}").expect("the stage")..].to_string();
        assert_eq!(from(&cut), from(&whole));
        assert!(last_stage("FROM a\n").is_err());
    }

    #[test]
    fn every_crate_of_the_workspace_reaches_the_layer_of_dependencies() {
        let dockerfile = fs::read_to_string(repo::root().join("Dockerfile")).expect("it is there");
        let crates = fs::read_dir(repo::root().join("crates")).expect("they are there").flatten();
        for name in
            crates.filter(|entry| entry.path().join("Cargo.toml").is_file()).map(|entry| entry.file_name())
        {
            let manifest = format!("crates/{}/Cargo.toml", name.display());
            assert!(dockerfile.contains(&format!("COPY {manifest} {manifest}\n")), "{manifest}");
        }
    }

    #[test]
    fn the_toolchain_is_the_checkouts_own() {
        let dockerfile = fs::read_to_string(repo::root().join("Dockerfile")).expect("it is there");
        let toolchain = fs::read_to_string(repo::root().join("rust-toolchain.toml")).expect("it is there");
        let channel = toolchain.split("channel = \"").nth(1).and_then(|rest| rest.split('"').next());
        assert!(dockerfile.contains(&format!("ARG RUST_VERSION={}\n", channel.expect("a channel"))));
    }
}
