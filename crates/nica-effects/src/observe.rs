//! Looks at every participant and writes down what was seen as a `World`.
//!
//! Reads only. Each look is taken after admission, so nothing of a lower fence can still change what was read.

use crate::carry::Memory;
use crate::failure::Failure;
use crate::hands::Hands;
use crate::records::brought;
use crate::records::run::OpenRun;
use crate::records::step::{self, At};
use nica_engine::Effect;
use nica_engine::effect::Generation;
use nica_engine::next::Direction;
use nica_engine::plan::Status;
use nica_engine::world::{Clock, ComponentSeen, MigrationSeen, SeedsSeen, World};
use nica_migrate::attic::{self, WaitingState};
use nica_migrate::state::{self, AppliedMigration, MigrationState};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Client;

/// The world, as the open run needs it.
pub async fn observe(hands: &mut Hands, run: &OpenRun, memory: &Memory) -> Result<World, Failure> {
    let components = components(hands).await?;
    let clock = clock(hands, run, memory).await?;
    let client = hands.client();
    let world = World {
        migrations: migrations(client).await?,
        seeds: seeds(client, run).await?,
        parked: parked(client).await?,
        components,
        anchor: hands.anchor(),
        sessions: sessions(client, &hands.access.service).await?,
        clock,
        verdict: memory.verdict(),
        drifted: memory.drifted,
        abort: run.abort_by.is_some(),
        refused: memory.refused.clone(),
    };
    Ok(world)
}

/// Migrations whose values wait in the attic for the next up, or to be moved back now. What did not fit stays there
/// and is waited for no longer.
pub async fn parked(client: &Client) -> Result<BTreeSet<String>, Failure> {
    let waits = |w: &attic::Waiting| matches!(w.state, WaitingState::Parked | WaitingState::Unparking);
    let waiting = attic::waiting(client).await?;
    Ok(waiting.into_iter().filter(waits).map(|w| w.migration).collect())
}

pub async fn components(hands: &mut Hands) -> Result<BTreeMap<String, ComponentSeen>, Failure> {
    let seen = hands.components().await?;
    Ok(seen.iter().map(|(name, component)| (name.clone(), component.world.clone())).collect())
}

pub async fn migrations(client: &Client) -> Result<BTreeMap<String, MigrationSeen>, Failure> {
    let there = known(client).await?.into_iter().filter_map(|m| match m.state {
        MigrationState::Started => Some((m.id, MigrationSeen::Started)),
        MigrationState::Applied | MigrationState::Retained => Some((m.id, MigrationSeen::Applied)),
        MigrationState::Undone => None,
    });
    Ok(there.collect())
}

/// Every row of the migration table; none where NICA was never here.
async fn known(client: &Client) -> Result<Vec<AppliedMigration>, Failure> {
    Ok(state::migrations(client).await?.unwrap_or_default())
}

/// Migration id → digest of its text and its state, for the projection.
pub async fn migration_states(client: &Client) -> Result<BTreeMap<String, String>, Failure> {
    let there = known(client).await?.into_iter().filter(|m| m.state != MigrationState::Undone);
    Ok(there.map(|m| (m.id, format!("{} {:?}", m.sha256, m.state))).collect())
}

async fn seeds(client: &Client, run: &OpenRun) -> Result<SeedsSeen, Failure> {
    let Some(files) = run.plan.steps.iter().find_map(|e| match e {
        Effect::Seeds { files } => Some(files),
        _ => None,
    }) else {
        return Ok(SeedsSeen { as_released: true, to_undo: false });
    };
    let files = brought::seed_files(client, files).await?;
    Ok(SeedsSeen {
        as_released: nica_migrate::seed::differences(client, &files)
            .await
            .map_err(Failure::seeds)?
            .is_empty(),
        to_undo: nica_migrate::seed::undo_open(client, &run.id).await.map_err(Failure::seeds)?,
    })
}

/// Sessions of the service are named `<service>/<component>/<generation>`; NICA's own have a fence in that place.
async fn sessions(client: &Client, service: &str) -> Result<BTreeSet<Generation>, Failure> {
    let select = "SELECT DISTINCT split_part(application_name, '/', 3) FROM pg_stat_activity \
                  WHERE datname = current_database() AND split_part(application_name, '/', 1) = $1 \
                  AND split_part(application_name, '/', 3) ~ '^[0-9a-f]{12}$'";
    let rows = client.query(select, &[&service]).await.map_err(Failure::sql)?;
    Ok(rows.iter().map(|row| Generation(row.get(0))).collect())
}

async fn clock(hands: &mut Hands, run: &OpenRun, memory: &Memory) -> Result<Clock, Failure> {
    let limits = &run.plan.limits;
    let back_for = memory.back_for_ms();
    Ok(Clock {
        forward_until: run.limits.forward_until,
        down_until: run.limits.down_until,
        rollout: run.direction == Direction::Forward && rollout_too_long(hands, run).await?,
        barrier: back_for > limits.barrier_ms,
        undo: back_for > limits.undo_ms,
        leaving: memory.committed_for_ms() > limits.undo_ms,
    })
}

/// The component that is waited for under this very fence took longer than its limit. After a takeover the limit
/// starts anew: the time in which nobody acted is nobody's fault.
async fn rollout_too_long(hands: &Hands, run: &OpenRun) -> Result<bool, Failure> {
    for s in run.plan.steps().filter(|s| matches!(s.effect, Effect::Await { .. })) {
        if run.statuses[s.n] != Status::Started {
            continue;
        }
        let at = At { run: &run.id, n: s.n, fence: hands.fence };
        if step::running_for(hands.client(), at).await?.is_some_and(|ms| ms > run.plan.limits.rollout_ms) {
            return Ok(true);
        }
    }
    Ok(false)
}
