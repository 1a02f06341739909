//! An input that every gate passes, and how a case is checked against it.

use super::input::{Certificate, Contents, Contracts, GateInput, Predecessor, Removed, RoundTrip, Variable};
use super::{GATES, judge};
use crate::approval::{self, Approval};
use crate::canonical::Digest;
use crate::evidence::{self, Check, CheckVerdict, Evidence, Signed};
use crate::finding::{Finding, Place, Severity};
use crate::instant::Instant;
use crate::ledger::{Named, Passed};
use crate::next::Ending;
use crate::people::testing::people;
use crate::policy::{Policy, Signer, testing::lax};
use crate::preflight::fit::Node;
use crate::preflight::{DryRun, ImageAsked, ImageSeen, Pods, Preflight, Right, Said};
use crate::release::{
    Commit, Component, ComponentConfig, ComponentKind, Migration, Phase, Release, SeedFile, UndoClass,
};
use crate::signature::testing::public;
use crate::waiver::{self, Waived};
use crate::window::Window;
use std::collections::BTreeMap;
use std::time::Duration;

/// One changed input, and the findings of one gate in one line each. `SHA(x)` and `SHORT(x)` in an expected line
/// stand for the digest of x.
pub(super) fn check(gate: &str, change: impl FnOnce(&mut GateInput), expected: &[&str]) {
    let found: Vec<String> = findings(gate, change).iter().map(line).collect();
    let expected: Vec<String> = expected.iter().map(|text| digests(text)).collect();
    assert_eq!(found, expected);
}

/// Only the ids.
pub(super) fn ids(gate: &str, change: impl FnOnce(&mut GateInput)) -> Vec<String> {
    findings(gate, change).into_iter().map(|f| f.id).collect()
}

fn findings(gate: &str, change: impl FnOnce(&mut GateInput)) -> Vec<Finding> {
    assert!(GATES.iter().any(|g| g.id == gate));
    let mut input = good();
    change(&mut input);
    judge(&input).gates.into_iter().find(|g| g.gate == gate).unwrap().findings
}

fn line(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Note => "note",
        Severity::Inconclusive => "inconclusive",
        Severity::Refuse => "refuse",
    };
    let place = finding.place.as_ref().map(|p| format!(" at {p}"));
    let cause = finding.cause.as_ref().map(|c| format!(" = cause: {c}"));
    let evidence: String = finding.evidence.iter().map(|e| format!(" = evidence: {e}")).collect();
    let (place, cause) = (place.unwrap_or_default(), cause.unwrap_or_default());
    format!("{severity}[{}]: {}{place}{evidence}{cause} = next: {}", finding.id, finding.says, finding.next)
}

fn digests(text: &str) -> String {
    let mut text = text.to_string();
    for (word, short) in [("SHA(", false), ("SHORT(", true)] {
        while let Some(start) = text.find(word) {
            let end = start + text[start..].find(')').unwrap();
            let digest = Digest::of(&text.as_bytes()[start + word.len()..end]);
            text.replace_range(start..=end, if short { digest.short() } else { digest.as_str() });
        }
    }
    text
}

/// Release 2.0 on its way to prod: live in stage for 24 h, CI green, approved by ana and rui, started by eva.
pub(super) fn good() -> GateInput {
    let release = release();
    let now = Instant::from_unix_ms(24 * 3_600_000).unwrap();
    let mut input = GateInput {
        service: "nica".into(),
        env: "prod".into(),
        contents: Ok(contents(&release)),
        plan_hash: Digest::of(b"plan"),
        policy: policy(),
        people: people(&[("ana", &[1, 3]), ("eva", &[4]), ("rui", &[2])]),
        evidence: Ok([("ci".to_string(), signed_evidence(&evidence(&release), 50))].into()),
        predecessors: [("stage".to_string(), Ok(stage(&release, now)))].into(),
        quarantine: Ok(BTreeMap::new()),
        needs: Ok(Vec::new()),
        variables: Ok([("PROD_AUTH_SECRET".to_string(), Variable::Set)].into()),
        migrations: release.migrations.clone(),
        contracts: Contracts::default(),
        certificates: Ok(vec![certificate()]),
        preflight: Some(preflight()),
        approvals: vec![],
        consumed: Default::default(),
        commits: Ok(vec![Commit { id: "c0ffee".into(), authors: vec!["eva@example.org".into()] }]),
        starter: "eva".into(),
        waivers: vec![],
        now,
        release,
    };
    input.approvals = vec![approve(&input, 1), approve(&input, 2)];
    input
}

pub(crate) fn policy() -> Policy {
    let checks = ["lint".to_string(), "test".to_string()].into();
    Policy {
        after: ["stage".to_string()].into(),
        soak: Duration::from_secs(24 * 3_600),
        approvals: 2,
        signers: [("ci".to_string(), Signer { key: public(50), checks })].into(),
        windows: [always()].into(),
        ..lax()
    }
}

/// A cluster that has nothing against it.
pub(super) fn preflight() -> Preflight {
    let there = ImageSeen::There { platforms: vec!["linux/amd64".into()] };
    let reference = "registry.example/backend@sha256:2".to_string();
    let image = ImageAsked { component: "backend".into(), reference, baseline: false, seen: there };
    let right = Right { verb: "patch".into(), resource: "deployments.apps".into(), allowed: true };
    Preflight {
        images: vec![image],
        nodes: Ok(vec![node("amd64")]),
        pods: vec![Pods { component: "Deployment/backend".into(), spec: serde_json::json!({}) }],
        dry_runs: Ok(vec![DryRun { object: "Deployment/backend".into(), said: Said::Accepted }]),
        rights: Ok(vec![right]),
    }
}

pub(super) fn node(architecture: &str) -> Node {
    let label = |key: &str, value: &str| (format!("kubernetes.io/{key}"), value.to_string());
    let labels = [label("os", "linux"), label("arch", architecture)].into();
    Node { name: architecture.into(), labels, ..Node::default() }
}

fn always() -> Window {
    let allow = vec![String::from("Mon-Sun 00:00-24:00").try_into().unwrap()];
    Window { allow, freeze: Vec::new(), zone: "UTC".into() }
}

pub(crate) fn release() -> Release {
    let migration = Migration {
        id: "0002_note".into(),
        up: Digest::of(b"up"),
        down: Some(Digest::of(b"down")),
        phase: Phase::Expand,
        class: UndoClass::Parking,
        park: vec!["note.text".into()],
        transactional: true,
        after: None,
    };
    let config = ComponentConfig {
        exec: "serve".into(),
        replicas: 2,
        listen: "127.0.0.1:8080".into(),
        config: BTreeMap::new(),
        secrets: [("AUTH_SECRET".to_string(), "PROD_AUTH_SECRET".to_string())].into(),
    };
    let digest = Digest::of(b"backend 2");
    Release {
        format: 1,
        service: "nica".into(),
        version: "2.0".into(),
        commit: "c0ffee".into(),
        commits: vec![],
        components: vec![Component { name: "backend".into(), kind: ComponentKind::Executable, digest }],
        migrations: vec![migration],
        seeds: vec![SeedFile { file: "0001_sex.toml".into(), sha256: Digest::of(b"seed") }],
        config: [("prod".to_string(), [("backend".to_string(), config)].into())].into(),
        manifests: BTreeMap::new(),
    }
}

fn contents(release: &Release) -> Contents {
    let parts: [&[u8]; 4] = [b"up", b"down", b"seed", b"backend 2"];
    Contents { hash: release.hash(), present: parts.iter().map(|part| Digest::of(part)).collect() }
}

fn stage(release: &Release, now: Instant) -> Predecessor {
    let release = Named { hash: release.hash(), version: release.version.clone() };
    let settled_at = Instant::from_unix_ms(0).unwrap();
    Predecessor { runs: vec![Passed { entry: 118, release, ending: Ending::Live, settled_at }], now }
}

fn certificate() -> Certificate {
    let place = Some(Place { file: "migrations/0002_note/down.sql".into(), line: 1, column: 1 });
    let print = |p: &str| p.to_string();
    Certificate {
        migration: "0002_note".into(),
        has_down: true,
        round_trip: Some(RoundTrip {
            before: print("aaaa"),
            up: print("bbbb"),
            down: print("aaaa"),
            up_again: print("bbbb"),
            difference: vec![],
        }),
        removes: vec![Removed { name: "note.text".into(), writable: true, keyed: true, place }],
        changes: vec![],
        errors: vec![],
    }
}

pub(super) fn evidence(release: &Release) -> Evidence {
    let check = |name: &str| Check { name: name.into(), verdict: CheckVerdict::Pass, count: 40 };
    Evidence {
        format: 1,
        kind: "ci".into(),
        release_hash: release.hash(),
        commit: release.commit.clone(),
        checks: vec![check("lint"), check("test")],
        at: Instant::from_unix_ms(0).unwrap(),
    }
}

pub(super) fn signed_evidence(evidence: &Evidence, key: u8) -> Signed {
    evidence::testing::signed(&evidence.to_document(), key)
}

/// A waiver of what the input asks for, by the person with this key, until this hour of 1970-01-02.
pub(super) fn waive(input: &GateInput, key: u8, finding: &str, reason: &str, until: i64) -> Signed {
    let waived = Waived {
        format: 1,
        plan_hash: input.plan_hash.clone(),
        env: input.env.clone(),
        finding: finding.into(),
        reason: reason.into(),
        until: Instant::from_unix_ms((24 + until) * 3_600_000).unwrap(),
        nonce: format!("waiver {key} {finding}"),
    };
    waiver::testing::signed(&waived, key)
}

/// An approval of what the input asks for, by the person with this key.
pub(super) fn approve(input: &GateInput, key: u8) -> Signed {
    let approval = Approval {
        format: 1,
        plan_hash: input.plan_hash.clone(),
        env: input.env.clone(),
        expiry: input.now.plus(approval::VALID_FOR),
        nonce: format!("nonce {key}"),
    };
    approval::testing::signed(&approval, key)
}
