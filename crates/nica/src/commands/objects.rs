//! The objects that a release asks for in an environment that is a cluster.
//!
//! The release says which they are; nica.toml says where they go. The two must mean the same place.

use crate::manifests;
use crate::release_file::ReleaseFile;
use nica_effects::target::SecretNames;
use nica_engine::manifest::Rendered;
use nica_engine::policy::{Environment, Target};

/// None where processes run.
pub(super) fn of(
    environment: &Environment,
    file: &ReleaseFile,
    secrets: &SecretNames,
) -> anyhow::Result<Option<Rendered>> {
    let (env, version) = (environment.name.as_str(), file.release.version.as_str());
    let packed = file.release.manifests.get(env);
    match (&environment.reach.target, packed) {
        (Target::Process { .. }, None) => Ok(None),
        (Target::Kubernetes { namespace, .. }, Some(packed)) if *namespace == packed.namespace => {
            Ok(manifests::of_release(file, env, secrets)?)
        }
        (Target::Kubernetes { namespace, .. }, Some(packed)) => anyhow::bail!(
            "plan release {version} for {env}: it was made for the namespace {}, and nica.toml says {namespace}; \
             correct one of the two, or make it again: nica release create",
            packed.namespace
        ),
        (Target::Kubernetes { .. }, None) => anyhow::bail!(
            "plan release {version} for {env}: it has no objects for that cluster; make it again with this \
             nica.toml: nica release create"
        ),
        (Target::Process { .. }, Some(_)) => anyhow::bail!(
            "plan release {version} for {env}: it was made for a cluster, and nica.toml says that processes run \
             there; correct nica.toml, or make it again: nica release create"
        ),
    }
}
