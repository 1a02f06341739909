//! `nica release evidence`: what somebody saw about a release, signed over its hash and kept beside it.

use super::approve::{now, read_key};
use crate::cli;
use crate::exit::Exit;
use crate::output::Output;
use crate::release_file::ReleaseFile;
use anyhow::Context as _;
use nica_engine::evidence::{Check, EVIDENCE_FORMAT, Evidence, NAMESPACE, Signed};
use nica_engine::{canonical, signature};
use serde::Deserialize;
use serde_json::json;

/// What a CI job writes: its checks, whatever else stands beside them.
#[derive(Deserialize)]
struct JobResult {
    checks: Vec<Check>,
}

pub(super) fn run(args: &cli::Evidence, output: Output) -> anyhow::Result<Exit> {
    let release = ReleaseFile::read(&args.release)?.release;
    let mut checks = Vec::new();
    for path in &args.files {
        let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        let result: JobResult = serde_json::from_slice(&bytes)
            .with_context(|| format!("read the checks in {}", path.display()))?;
        checks.extend(result.checks);
    }
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
