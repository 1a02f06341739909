//! The objects of every environment that is a cluster, as they enter the release file.
//!
//! They are packed as they were written, and rendered once before: what could not be carried is told now, not on the
//! day of the deploy. Values of secrets are not needed for that.

use super::Entries;
use crate::config::{Config, Source};
use crate::exit::Exit;
use crate::manifests::{self, ManifestError};
use crate::output::Output;
use crate::release_file::{ReleaseFile, manifests_entry};
use anyhow::Context as _;
use nica_engine::Digest;
use nica_engine::canonical;
use nica_engine::effect::SecretName;
use nica_engine::manifest::Facts;
use nica_engine::policy::{Environment, Target};
use nica_engine::release::{Manifests, Release};
use std::collections::BTreeMap;
use std::path::Path;

pub(super) fn all(
    config: &Config,
    folder: &Path,
    release: &Release,
    entries: &mut Entries,
) -> anyhow::Result<BTreeMap<String, Manifests>> {
    let mut all = BTreeMap::new();
    let mut refused = Vec::new();
    for (env, environment) in &config.environments {
        match one(environment, config, folder, release) {
            None => {}
            Some(Err(error)) => refused.push(format!("{env}: failed to {error}")),
            Some(Ok((manifests, bytes))) => {
                entries.insert(manifests_entry(env), bytes);
                all.insert(env.clone(), manifests);
            }
        }
    }
    match refused.is_empty() {
        true => Ok(all),
        false => anyhow::bail!("pack the objects:\n{}", refused.join("\n")),
    }
}

type Packed = (Manifests, Vec<u8>);

/// None where it runs processes.
fn one(
    environment: &Environment,
    config: &Config,
    folder: &Path,
    release: &Release,
) -> Option<Result<Packed, ManifestError>> {
    let Target::Kubernetes { namespace, manifests: files, secrets, .. } = &environment.reach.target else {
        return None;
    };
    let files: Vec<_> = files.iter().map(|file| folder.join(file)).collect();
    let packed = manifests::read(&files).and_then(|placed| {
        let objects: Vec<_> = placed.iter().map(|p| &p.object).collect();
        let bytes = canonical::to_bytes(&objects);
        let (namespace, secrets) = (namespace.clone(), secrets.clone());
        let packed = Manifests { namespace, objects: Digest::of(&bytes), images: images(config), secrets };
        let (images, secrets) = (packed.images_of(release), nameless(&packed.secrets));
        let (service, namespace) = (release.service.as_str(), packed.namespace.as_str());
        manifests::render(&placed, &Facts { service, namespace, images: &images, secrets: &secrets })?;
        Ok((packed, bytes))
    });
    Some(packed)
}

/// What is applied in an environment, one document after the other, as `kubectl apply` takes it too.
pub(super) fn show(path: &Path, env: &str, output: Output) -> anyhow::Result<Exit> {
    let file = ReleaseFile::read(path)?;
    let secrets = file.release.manifests.get(env).map(|m| nameless(&m.secrets)).unwrap_or_default();
    let Some(rendered) = manifests::of_release(&file, env, &secrets)? else {
        anyhow::bail!("show the objects of {env}: this release has none there; look at it without --env");
    };
    let configurations: Vec<_> = rendered.objects.iter().map(|o| &o.applied.configuration).collect();
    let texts: Result<Vec<_>, _> = configurations.iter().map(serde_json::to_string_pretty).collect();
    output.result(&configurations, &texts.context("print the objects")?.join("\n---\n"));
    Ok(Exit::Done)
}

fn images(config: &Config) -> BTreeMap<String, String> {
    let image = |c: &crate::config::Component| match &c.source {
        Source::Image(repository) => Some((c.name.clone(), repository.clone())),
        Source::Executable(_) => None,
    };
    config.components.iter().filter_map(image).collect()
}

/// Stand-ins for values that only the deployer has: which keys there are is known.
fn nameless(
    secrets: &BTreeMap<String, BTreeMap<String, String>>,
) -> BTreeMap<String, BTreeMap<String, SecretName>> {
    let name = |(key, _): (&String, &String)| (key.clone(), SecretName(String::new()));
    secrets.iter().map(|(secret, keys)| (secret.clone(), keys.iter().map(name).collect())).collect()
}
