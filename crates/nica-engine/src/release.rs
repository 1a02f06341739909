//! A release: an immutable set of component digests, migrations, seeds and the config of every environment.
//!
//! `release.json` is its canonical JSON and the SHA-256 of that is the release hash: what is promoted, what
//! evidence is signed over. How the tar around it is packed stands elsewhere.

use crate::canonical::Digest;
use crate::manifest::Image;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const RELEASE_FORMAT: u32 = 1;
/// Of releases with manifests, which an older nica cannot carry; all others keep the format that it reads.
pub const RELEASE_FORMAT_2: u32 = 2;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub format: u32,
    pub service: String,
    pub version: String,
    /// The commit that was built.
    pub commit: String,
    /// Commits since the previous release, with the e-mail addresses of their authors.
    pub commits: Vec<Commit>,
    pub components: Vec<Component>,
    /// In the order in which they are applied.
    pub migrations: Vec<Migration>,
    pub seeds: Vec<SeedFile>,
    /// Environment → component → how it runs there.
    pub config: BTreeMap<String, BTreeMap<String, ComponentConfig>>,
    /// Environment → the Kubernetes objects that run there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub manifests: BTreeMap<String, Manifests>,
}

/// The objects of one environment, as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifests {
    pub namespace: String,
    /// SHA-256 of `manifests/<env>.json`: canonical JSON, a list of objects.
    pub objects: Digest,
    /// Component → repository of its image, without tag and digest.
    pub images: BTreeMap<String, String>,
    /// Secret → key → variable of the deployer's environment that holds the value.
    #[serde(default)]
    pub secrets: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    pub id: String,
    pub authors: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    pub name: String,
    pub kind: ComponentKind,
    pub digest: Digest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComponentKind {
    Executable,
    Image,
    /// An object that has pods: a Deployment, a StatefulSet, a Job, a CronJob.
    Workload,
    /// An object that has none and may change: a Service, an Ingress, a HorizontalPodAutoscaler.
    Passive,
    /// Configuration that is named by its content.
    Immutable,
}

impl ComponentKind {
    /// It has processes, which may serve somebody and hold sessions.
    pub fn runs(self) -> bool {
        !matches!(self, ComponentKind::Passive | ComponentKind::Immutable)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// The folder's name, `0042_diary_client_id`.
    pub id: String,
    /// SHA-256 of up.sql, byte for byte.
    pub up: Digest,
    /// SHA-256 of down.sql, when there is one.
    pub down: Option<Digest>,
    pub phase: Phase,
    pub class: UndoClass,
    /// `table.column` or `table`, for the class `parking`.
    #[serde(default)]
    pub park: Vec<String>,
    /// False for a single statement that cannot run inside a transaction (a concurrent index).
    pub transactional: bool,
    /// The contract migration that must be there before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Expand,
    Contract,
}

/// What going back may do with an expand migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UndoClass {
    /// Its down removes nothing that a user could have written.
    Lossless,
    /// Its down copies the named values to the attic first.
    Parking,
    /// It stays once the new release may have served anybody.
    Sticky,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedFile {
    /// File name inside `seeds/`.
    pub file: String,
    pub sha256: Digest,
}

/// How a component runs in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentConfig {
    /// Arguments of the executable, split at spaces: `serve --read-only`.
    pub exec: String,
    pub replicas: u32,
    /// `127.0.0.1:8080`, the service socket.
    pub listen: String,
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Variable of the program → variable of the deployer's environment that holds the value.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
}

impl Manifests {
    /// The release's digests of the images that these objects may name, in its order.
    pub fn images_of(&self, release: &Release) -> Vec<Image> {
        let image = |c: &Component| {
            let repository = self.images.get(&c.name)?.clone();
            Some(Image { component: c.name.clone(), repository, digest: c.digest.clone() })
        };
        release.components.iter().filter_map(image).collect()
    }
}

impl Release {
    /// The lowest format that says what this release has to say.
    pub fn format_needed(&self) -> u32 {
        if self.manifests.is_empty() { RELEASE_FORMAT } else { RELEASE_FORMAT_2 }
    }

    /// What containers of an environment run, in the order in which components roll.
    pub fn images(&self, env: &str) -> Vec<Image> {
        self.manifests.get(env).map(|manifests| manifests.images_of(self)).unwrap_or_default()
    }

    pub fn hash(&self) -> Digest {
        Digest::of_value(self)
    }

    /// The number of its highest contract: below an environment's floor it can no longer run there.
    pub fn highest_contract(&self) -> Option<u64> {
        let contracts = self.migrations.iter().filter(|m| m.phase == Phase::Contract);
        contracts.map(|m| number(&m.id)).max()
    }

    /// Something was applied that takes away what this release may need.
    pub fn is_below(&self, floor: Option<&str>) -> bool {
        floor.is_some_and(|floor| self.highest_contract().is_none_or(|own| own < number(floor)))
    }

    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components.iter().find(|c| c.name == name)
    }
}

/// The digits before a migration's name, by which contracts are ordered.
pub fn number(id: &str) -> u64 {
    id.split('_').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
