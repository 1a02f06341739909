//! Releases as a seed draws them, and the real values behind them.

use super::dice::Dice;
use nica_engine::canonical::Digest;
use nica_engine::effect::{Desired, Generation, SecretName};
use nica_engine::plan::{Live, OnInconclusive, Target, desired};
use nica_engine::release::{
    Component, ComponentConfig, ComponentKind, Migration, Phase, Release, SeedFile, UndoClass,
};
use std::collections::BTreeMap;

const PARTS: [&str; 3] = ["api", "reader", "worker"];

/// What one release wants, in the fewest words.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) parts: BTreeMap<&'static str, PartSpec>,
    pub(crate) migrations: Vec<Migration>,
    /// Key of a managed seed row → value.
    pub(crate) seeds: BTreeMap<u8, u8>,
}

#[derive(Clone, PartialEq)]
pub(crate) struct PartSpec {
    code: usize,
    level: usize,
    secret: usize,
    replicas: u32,
}

/// A release together with everything that is derived from it once.
pub(crate) struct Known {
    pub(crate) spec: Spec,
    pub(crate) release: Release,
    pub(crate) secrets: BTreeMap<String, BTreeMap<String, SecretName>>,
    pub(crate) desired: BTreeMap<String, Desired>,
    pub(crate) generations: BTreeMap<String, Generation>,
}

impl Spec {
    pub(crate) fn first(dice: &mut Dice) -> Spec {
        let mut spec = Spec { parts: BTreeMap::new(), migrations: Vec::new(), seeds: BTreeMap::new() };
        for name in PARTS.iter().take(1 + dice.below(3)) {
            spec.parts.insert(name, PartSpec::draw(dice));
        }
        spec.grow(dice);
        spec
    }

    /// The next release: every part of it may change, or none.
    pub(crate) fn after(&self, dice: &mut Dice) -> Spec {
        let mut spec = self.clone();
        for name in PARTS {
            match (dice.below(10), spec.parts.contains_key(name)) {
                (0, true) if spec.parts.len() > 1 => drop(spec.parts.remove(name)),
                (1..7, true) => drop(spec.parts.insert(name, PartSpec::draw(dice))),
                (0..3, false) => drop(spec.parts.insert(name, PartSpec::draw(dice))),
                _ => {}
            }
        }
        spec.grow(dice);
        spec
    }

    fn grow(&mut self, dice: &mut Dice) {
        for _ in 0..dice.below(4) {
            self.migrations.push(migration(self.migrations.len() + 1, dice));
        }
        for key in 0..4 {
            match dice.below(6) {
                0 => drop(self.seeds.insert(key, dice.below(9) as u8)),
                1 => drop(self.seeds.remove(&key)),
                _ => {}
            }
        }
    }

    pub(crate) fn known(self, number: usize) -> Known {
        let release = self.release(number);
        let secrets: BTreeMap<_, _> = self.parts.iter().map(|(n, p)| (n.to_string(), p.secrets())).collect();
        let target = target(&release, None, &secrets, OnInconclusive::Undo, Digest::of(b""));
        let desired = desired(&target);
        let generations = desired.iter().map(|(n, d)| (n.clone(), d.generation())).collect();
        Known { spec: self, release, secrets, desired, generations }
    }

    fn release(&self, number: usize) -> Release {
        let component = |(name, part): (&&str, &PartSpec)| Component {
            name: name.to_string(),
            kind: ComponentKind::Executable,
            digest: Digest::of(format!("{name} {}", part.code).as_bytes()),
        };
        let configs = self.parts.iter().map(|(n, p)| (n.to_string(), p.config())).collect();
        let seeds = SeedFile { file: "0001_rows.toml".to_string(), sha256: Digest::of_value(&self.seeds) };
        Release {
            format: 1,
            service: "nica".to_string(),
            version: number.to_string(),
            commit: number.to_string(),
            commits: Vec::new(),
            components: self.parts.iter().map(component).collect(),
            migrations: self.migrations.clone(),
            seeds: vec![seeds],
            config: BTreeMap::from([("prod".to_string(), configs)]),
            manifests: BTreeMap::new(),
        }
    }
}

impl PartSpec {
    fn draw(dice: &mut Dice) -> PartSpec {
        let (code, level, secret) = (dice.below(4), dice.below(2), dice.below(2));
        PartSpec { code, level, secret, replicas: 1 + dice.below(2) as u32 }
    }

    fn config(&self) -> ComponentConfig {
        ComponentConfig {
            exec: "serve".to_string(),
            replicas: self.replicas,
            listen: "127.0.0.1:8080".to_string(),
            config: BTreeMap::from([("LEVEL".to_string(), self.level.to_string())]),
            secrets: BTreeMap::new(),
        }
    }

    fn secrets(&self) -> BTreeMap<String, SecretName> {
        BTreeMap::from([("AUTH".to_string(), SecretName(self.secret.to_string()))])
    }
}

fn migration(number: usize, dice: &mut Dice) -> Migration {
    let class = *dice.pick(&[UndoClass::Lossless, UndoClass::Parking, UndoClass::Parking, UndoClass::Sticky]);
    let id = format!("{number:04}_step");
    let has_down = class != UndoClass::Sticky || dice.percent(70);
    Migration {
        up: Digest::of(id.as_bytes()),
        down: has_down.then(|| Digest::of(b"down")),
        phase: Phase::Expand,
        class,
        park: if class == UndoClass::Parking { vec![format!("diary.c{number}")] } else { Vec::new() },
        transactional: class == UndoClass::Parking || dice.percent(70),
        after: None,
        id,
    }
}

impl Known {
    pub(crate) fn live(&self) -> Live {
        Live {
            release: self.release.hash(),
            version: self.release.version.clone(),
            components: self.desired.clone(),
        }
    }

    pub(crate) fn replicas(&self, name: &str) -> u32 {
        self.spec.parts.get(name).map_or(0, |p| p.replicas)
    }
}

pub(crate) fn target<'a>(
    release: &'a Release,
    baseline: Option<Live>,
    secrets: &'a BTreeMap<String, BTreeMap<String, SecretName>>,
    on_inconclusive: OnInconclusive,
    projection: Digest,
) -> Target<'a> {
    let (policy, people) = (crate::lax::policy(on_inconclusive), Digest::of(b"nobody"));
    Target { env: "prod", release, baseline, secrets, policy, people, projection, objects: None }
}
