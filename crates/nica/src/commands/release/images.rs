//! Which bytes a component's image is: said with `--image`, or asked from its registry by the release's version.

use crate::cli;
use crate::config::{Component, Config, Source, nearest, variables};
use anyhow::Context as _;
use nica_effects::registry::{Credentials, Reference, Registry};
use nica_engine::Digest;
use std::collections::BTreeMap;

/// Component → digest of its image.
pub(super) type Digests = BTreeMap<String, Digest>;

pub(super) async fn digests(config: &Config, args: &cli::Create) -> anyhow::Result<Digests> {
    let said = said(config, &args.images)?;
    let mut digests = Digests::new();
    let mut registry = None;
    for component in &config.components {
        let Source::Image(repository) = &component.source else { continue };
        let fallback = || Reference::tagged(repository, &args.version);
        let reference = said.get(&component.name).cloned().map_or_else(fallback, Ok);
        let reference = reference.with_context(|| format!("find the image of {}", component.name))?;
        let digest = match reference.digest() {
            Some(digest) => digest.clone(),
            None => {
                let registry = match &mut registry {
                    Some(registry) => registry,
                    none => none.insert(Registry::new(credentials()?)),
                };
                let digest = registry.digest(&reference).await;
                digest.with_context(|| format!("find the image of {}", component.name))?
            }
        };
        digests.insert(component.name.clone(), digest);
    }
    Ok(digests)
}

pub(in crate::commands) fn credentials() -> anyhow::Result<Credentials> {
    let Some(path) = variables::docker_config() else { return Ok(Credentials::default()) };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            Credentials::parse(&text).with_context(|| format!("read the credentials in {}", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Credentials::default()),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// What `--image NAME=REF` says, each of a component that nica.toml knows and of its own repository.
fn said(config: &Config, images: &[String]) -> anyhow::Result<BTreeMap<String, Reference>> {
    let mut said = BTreeMap::new();
    for image in images {
        let (name, reference) = image.split_once('=').with_context(|| {
            format!("read --image {image}: write it like backend=registry.example/backend@sha256:…")
        })?;
        let component = config.components.iter().find(|c| c.name == name);
        let repository = repository(config, component, name)?;
        let reference: Reference = reference.parse().with_context(|| format!("read --image {image}"))?;
        anyhow::ensure!(
            reference.repository() == repository,
            "read --image {image}: nica.toml says that {name} comes from {repository}; correct one of the two"
        );
        anyhow::ensure!(
            said.insert(name.to_string(), reference).is_none(),
            "read --image {image}: {name} is said twice"
        );
    }
    Ok(said)
}

fn repository<'c>(config: &Config, component: Option<&'c Component>, name: &str) -> anyhow::Result<&'c str> {
    match component.map(|c| &c.source) {
        Some(Source::Image(repository)) => Ok(repository),
        Some(Source::Executable(_)) => {
            anyhow::bail!("read --image {name}: nica.toml says that it is an executable")
        }
        None => {
            let near = nearest(name, config.components.iter().map(|c| c.name.as_str()));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            anyhow::bail!("read --image {name}: nica.toml has no such [[component]]{near}")
        }
    }
}
