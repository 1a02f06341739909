//! What planning looks at: records, database and target, read without any power to change them.

use crate::answer::answered;
use crate::failure::Failure;
use crate::observe;
use crate::records::control::{self, Control};
pub use crate::target::Components;
use nica_engine::projection::Projection;
use nica_engine::world::{SeedsSeen, World};
use nica_migrate::fingerprint::{Fingerprint, FingerprintError};
use nica_migrate::seed::SeedFile;
use tokio_postgres::Client;

pub struct Sight {
    /// None where NICA was never here.
    pub control: Option<Control>,
    pub world: World,
    pub projection: Projection,
}

pub async fn look(
    client: &mut Client,
    components: &Components,
    seeds: &[SeedFile],
) -> Result<Sight, Failure> {
    answered("what is there now", see(client, components, seeds)).await
}

async fn see(client: &mut Client, components: &Components, seeds: &[SeedFile]) -> Result<Sight, Failure> {
    let control = control::read(client).await?;
    let world = World {
        migrations: observe::migrations(client).await?,
        seeds: SeedsSeen {
            as_released: nica_migrate::seed::differences(client, seeds)
                .await
                .map_err(Failure::seeds)?
                .is_empty(),
            to_undo: false,
        },
        parked: observe::parked(client).await?,
        components: components.iter().map(|(name, seen)| (name.clone(), seen.world.clone())).collect(),
        ..World::default()
    };
    let env_id = control.as_ref().map(Control::settled_id).unwrap_or_default();
    let projection = projection(client, &env_id, components).await?;
    Ok(Sight { control, world, projection })
}

/// The written projection of what is there now.
pub async fn projection(
    client: &mut Client,
    env_id: &str,
    components: &Components,
) -> Result<Projection, Failure> {
    let states = components.iter().filter_map(|(name, seen)| Some((name.clone(), seen.state.clone()?)));
    let fingerprint = fingerprint(client).await?;
    Ok(Projection {
        env_id: env_id.to_string(),
        components: states.collect(),
        migrations: observe::migration_states(client).await?,
        schema: Some(fingerprint.hash()),
        seeds: nica_migrate::seed::digest(client).await.map_err(Failure::seeds)?,
    })
}

/// How often the schema is looked at while objects go in the middle of the look.
const SCHEMA_TRIES: u32 = 5;

/// What the schema is. An object that goes while it is read makes the read fail: looking again helps.
pub async fn fingerprint(client: &mut Client) -> Result<Fingerprint, Failure> {
    for _ in 1..SCHEMA_TRIES {
        match fingerprint_once(client).await {
            Err(Failure::Records(why)) => tracing::debug!(%why, "the schema is read again"),
            other => return other,
        }
    }
    fingerprint_once(client).await
}

async fn fingerprint_once(client: &mut Client) -> Result<Fingerprint, Failure> {
    let sort = |error: FingerprintError| Failure::sql(error.postgres());
    answered("the schema", async { Fingerprint::read(client).await.map_err(sort) }).await
}
