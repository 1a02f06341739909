//! Real releases behind their small numbers.

use super::{CONTRACT, IDS, NAMES};
use crate::exhaust::rules::Rules;
use crate::exhaust::state::PARTS;
use nica_engine::canonical::Digest;
use nica_engine::effect::{Desired, SecretName};
use nica_engine::plan::{Live, Object, OnInconclusive, Target};
use nica_engine::release::{
    Component, ComponentConfig, ComponentKind, Migration, Phase, Release, SeedFile, UndoClass,
};
use std::collections::BTreeMap;

/// Without objects the target is a supervisor.
pub(super) fn target<'a>(
    release: &'a Release,
    objects: Option<&'a [Object]>,
    baseline: Option<Live>,
    projection: Digest,
) -> Target<'a> {
    static NO_SECRETS: BTreeMap<String, BTreeMap<String, SecretName>> = BTreeMap::new();
    let policy = crate::lax::policy(OnInconclusive::Undo);
    let people = Digest::of(b"nobody");
    Target { env: "dev", release, baseline, secrets: &NO_SECRETS, policy, people, projection, objects }
}

pub(super) fn objects(rules: &Rules, number: u8) -> Vec<Object> {
    let parts = (0..PARTS).filter(|p| rules.part_of(*p, number) > 0);
    let object = |p: usize| {
        let (kind, content) = (rules.kind(p), rules.part_of(p, number));
        let desired = |form: &str, replicas| Desired {
            kind,
            digest: Digest::of(format!("{} {content} {form}", NAMES[p]).as_bytes()),
            args: Vec::new(),
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            replicas,
            listen: String::new(),
        };
        let inert = kind.runs().then(|| desired("inert", 0));
        let replicas = u32::from(kind.runs());
        Object { component: NAMES[p].to_string(), desired: desired("", replicas), inert, waits: true }
    };
    parts.map(object).collect()
}

pub(super) fn release(rules: &Rules, number: u8) -> Release {
    let parts: Vec<usize> = (0..PARTS).filter(|p| rules.part_of(*p, number) > 0).collect();
    let component = |p: &usize| Component {
        name: NAMES[*p].to_string(),
        kind: ComponentKind::Executable,
        digest: Digest::of(format!("{} {number}", NAMES[*p]).as_bytes()),
    };
    let config = ComponentConfig {
        exec: "serve".to_string(),
        replicas: 1,
        listen: "127.0.0.1:8080".to_string(),
        config: BTreeMap::new(),
        secrets: BTreeMap::new(),
    };
    let components = parts.iter().map(component).collect();
    let configs = parts.iter().map(|p| (NAMES[*p].to_string(), config.clone())).collect();
    Release {
        format: 1,
        service: "nica".to_string(),
        version: number.to_string(),
        commit: number.to_string(),
        commits: Vec::new(),
        components,
        migrations: if number >= 2 { migrations(rules) } else { Vec::new() },
        seeds: if rules.seeds { vec![seed_file(rules.seeds_of(number))] } else { Vec::new() },
        config: BTreeMap::from([("dev".to_string(), configs)]),
        manifests: BTreeMap::new(),
    }
}

fn migrations(rules: &Rules) -> Vec<Migration> {
    let real = |(m, id): (usize, &str)| {
        let small = rules.migrations[m]?;
        let park =
            if small.class == UndoClass::Parking { vec!["diary.note".to_string()] } else { Vec::new() };
        Some(Migration {
            id: id.to_string(),
            up: Digest::of(id.as_bytes()),
            down: Some(Digest::of(b"down")),
            phase: Phase::Expand,
            class: small.class,
            park,
            transactional: !small.index,
            after: None,
        })
    };
    let contract = rules.contract.then(|| Migration {
        id: CONTRACT.to_string(),
        up: Digest::of(CONTRACT.as_bytes()),
        down: None,
        phase: Phase::Contract,
        class: UndoClass::Sticky,
        park: Vec::new(),
        transactional: true,
        after: None,
    });
    IDS.into_iter().enumerate().filter_map(real).chain(contract).collect()
}

fn seed_file(rows_of: u8) -> SeedFile {
    SeedFile { file: "0001_foods.toml".to_string(), sha256: Digest::of(&[rows_of]) }
}
