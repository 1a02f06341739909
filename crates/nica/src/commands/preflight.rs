//! What the target's side says of a plan before anything is written: its registries, its API server, its nodes.
//!
//! Nothing is judged here. A plan that changes nothing is not asked about.

use super::context::Context;
use super::preparation::Preparation;
use super::release::images::credentials;
use nica_effects::answer::answered;
use nica_effects::kubernetes::{Tried, pods_of};
use nica_effects::records::blob;
use nica_effects::registry::{Credentials, Reference, Registry, RegistryError};
use nica_engine::manifest::{Image, Object};
use nica_engine::preflight::{ImageAsked, ImageSeen, Preflight};
use nica_engine::release::{ComponentKind, Release};
use tokio_postgres::Client;

pub(super) async fn ask(
    context: &Context,
    release: &Release,
    prepared: &Preparation,
    client: &Client,
) -> anyhow::Result<Option<Preflight>> {
    let plan = &prepared.plan;
    if plan.is_empty() || prepared.objects.is_empty() {
        return Ok(None);
    }
    let tried: Vec<Tried<'_>> = prepared.objects.iter().map(tried).collect();
    let reach = context.reach(context.environment(&plan.env)?);
    let Some(said) = reach.preflight(&plan.service, &tried).await else { return Ok(None) };
    let images = images(release, prepared, client).await?;
    let pods = pods_of(&tried);
    Ok(Some(Preflight { images, nodes: said.nodes, pods, dry_runs: said.dry_runs, rights: said.rights }))
}

fn tried(object: &Object) -> Tried<'_> {
    let immutable = object.kind == ComponentKind::Immutable;
    Tried { component: &object.component, configuration: &object.applied.configuration, immutable }
}

/// Of the release and of what is live: the way back needs those.
async fn images(
    release: &Release,
    prepared: &Preparation,
    client: &Client,
) -> anyhow::Result<Vec<ImageAsked>> {
    let env = prepared.plan.env.as_str();
    let new = release.images(env);
    let old = match &prepared.plan.baseline {
        Some(live) => answered("the live release", blob::find(client, &live.release)).await?,
        None => None,
    };
    let old = old.and_then(|bytes| serde_json::from_slice::<Release>(&bytes).ok());
    let old = old.map(|old| old.images(env)).unwrap_or_default();
    let old = old.into_iter().filter(|image| !new.contains(image)).map(|image| (image, true));
    let all: Vec<(Image, bool)> = new.iter().cloned().map(|image| (image, false)).chain(old).collect();
    // Whoever has no readable credentials is asked for them by the registries that need some.
    let registry = credentials().map(Registry::new).unwrap_or_else(|_| Registry::new(Credentials::default()));
    let look = async |(image, baseline): (Image, bool)| {
        let reference = format!("{}@sha256:{}", image.repository, image.digest);
        let seen = look(&registry, &reference).await;
        ImageAsked { component: image.component, reference, baseline, seen }
    };
    Ok(futures_util::future::join_all(all.into_iter().map(look)).await)
}

async fn look(registry: &Registry, reference: &str) -> ImageSeen {
    let reference: Reference = match reference.parse() {
        Ok(reference) => reference,
        Err(error) => return ImageSeen::Unknown(format!("failed to {error}")),
    };
    match registry.platforms(&reference).await {
        Ok(platforms) => ImageSeen::There { platforms },
        Err(RegistryError::Absent { .. }) => ImageSeen::Absent,
        Err(error) => ImageSeen::Unknown(format!("failed to {error}")),
    }
}
