//! `nica release evidence`: what somebody saw about a release, signed over its hash and kept beside it.

use super::approve::{now, read_key};
use crate::cli;
use crate::exit::Exit;
use crate::output::Output;
use crate::release_file::ReleaseFile;
use anyhow::Context as _;
use nica_engine::evidence::{Check, EVIDENCE_FORMAT, Evidence, NAMESPACE, Signed};
use nica_engine::release::Release;
use nica_engine::{canonical, signature};
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

/// What a CI job writes: what it looked at and its checks, whatever else stands beside them.
#[derive(Deserialize)]
struct JobResult {
    commit: String,
    checks: Vec<Check>,
}

/// The result of another commit says nothing about this release, however green it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "sign evidence: {} is about commit {seen}, release {version} was made from {wanted}; run ./x ci on {wanted}",
    file.display()
)]
struct OtherCommit {
    file: PathBuf,
    seen: String,
    version: String,
    wanted: String,
}

pub(super) fn run(args: &cli::Evidence, output: Output) -> anyhow::Result<Exit> {
    let release = ReleaseFile::read(&args.release)?.release;
    let checks = checks(&args.files, &release)?;
    anyhow::ensure!(
        !checks.is_empty(),
        "sign evidence: no file with checks was named; give the results of ./x ci JOB"
    );
    let (format, kind, at) = (EVIDENCE_FORMAT, args.kind.clone(), now()?);
    let evidence =
        Evidence { format, kind, release_hash: release.hash(), commit: release.commit.clone(), checks, at };
    let document = evidence.to_document();
    let key = read_key(&args.key)?;
    let signature = signature::sign(&key, NAMESPACE, document.as_bytes()).context("sign the evidence")?;
    let folder = args.release.with_extension("evidence");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let path = folder.join(format!("{}.json", args.kind));
    std::fs::write(&path, canonical::to_bytes(&Signed { document, signature }))
        .with_context(|| format!("write {}", path.display()))?;
    let text = format!(
        "evidence {}: {} checks for {}\n{}",
        args.kind,
        evidence.checks.len(),
        release.version,
        path.display()
    );
    output.result(&json!({ "kind": args.kind, "release": evidence.release_hash, "file": path }), &text);
    Ok(Exit::Done)
}

/// What all the files say about the commit that the release was made from.
fn checks(files: &[PathBuf], release: &Release) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::new();
    for path in files {
        let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        let result: JobResult = serde_json::from_slice(&bytes)
            .with_context(|| format!("read commit and checks in {}", path.display()))?;
        if result.commit != release.commit {
            let (file, seen) = (path.clone(), result.commit);
            let (version, wanted) = (release.version.clone(), release.commit.clone());
            return Err(OtherCommit { file, seen, version, wanted }.into());
        }
        checks.extend(result.checks);
    }
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nica_engine::release::RELEASE_FORMAT;

    fn release(commit: &str) -> Release {
        Release {
            format: RELEASE_FORMAT,
            service: "nica".into(),
            version: "2026.11.3".into(),
            commit: commit.into(),
            commits: Vec::new(),
            components: Vec::new(),
            migrations: Vec::new(),
            seeds: Vec::new(),
            config: Default::default(),
            manifests: Default::default(),
        }
    }

    /// The number of checks, or what is said against the file.
    fn check(results: &[&str], expected: Result<usize, &str>) {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |(n, text): (usize, &&str)| {
            let path = folder.path().join(format!("{n}.json"));
            std::fs::write(&path, text).expect("written");
            path
        };
        let files: Vec<PathBuf> = results.iter().enumerate().map(write).collect();
        let found = checks(&files, &release("c1")).map(|checks| checks.len());
        let found = found.map_err(|e| format!("{e:#}").replace(&format!("{}/", folder.path().display()), ""));
        match expected {
            Ok(count) => assert_eq!(found, Ok(count)),
            Err(part) => assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{found:?}"),
        }
    }

    #[test]
    fn only_results_of_the_release_s_own_commit_are_signed() {
        let fmt = r#"{"format":1,"job":"lint","commit":"c1","checks":[{"name":"fmt","verdict":"pass","count":1}],"at":"t"}"#;
        check(&[fmt, fmt], Ok(2));
        let other = "1.json is about commit c2, release 2026.11.3 was made from c1; run ./x ci on c1";
        check(&[fmt, &fmt.replace("c1", "c2")], Err(other));
        let dirty = "0.json is about commit c1-dirty, release 2026.11.3 was made from c1";
        check(&[&fmt.replace("c1", "c1-dirty")], Err(dirty));
    }

    #[test]
    fn a_result_that_names_no_commit_is_not_signed() {
        check(&[r#"{"checks":[]}"#], Err("missing field `commit`"));
    }
}
