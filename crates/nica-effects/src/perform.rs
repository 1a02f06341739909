//! Does one step, or undoes it, under the fence.
//!
//! The shape is the same everywhere: record that it starts (durable before anything is sent), do it, record what
//! was seen. For SQL the last two are one transaction.

use crate::event::Event;
use crate::failure::Failure;
use crate::hands::Hands;
use crate::records::run::{self, OpenRun};
use crate::records::step::{self, At};
use crate::records::blob;
use nica_engine::effect::{Desired, Effect};
use nica_engine::plan::Status;
use nica_engine::release::{Migration, SeedFile};
use nica_engine::world::World;
use nica_migrate::runner;
use serde_json::{Value, json};
use tokio_postgres::GenericClient;

/// A lock that could not be had is tried again this often; then the step is refused, and says who held it.
const LOCK_TRIES: u32 = 25;

pub async fn perform(hands: &mut Hands, run: &OpenRun, n: usize, world: &World) -> Result<(), Failure> {
    match &run.plan.steps[n] {
        Effect::RestorePoint => restore_point(hands, run, n).await,
        Effect::Sql { migration } => sql_up(hands, run, n, migration).await,
        Effect::SqlConverge { migration } => converge_up(hands, run, n, migration).await,
        Effect::Unpark { migration, .. } => unpark(hands, run, n, migration).await,
        Effect::Seeds { files } => seeds_up(hands, run, n, files).await,
        Effect::SetDesired { component, desired, .. } => {
            set(hands, run, n, component, Some(desired), world, Way::Out).await
        }
        Effect::Delete { component, .. } => set(hands, run, n, component, None, world, Way::Out).await,
        Effect::Commit => commit(hands, run, n).await,
        Effect::Await { .. } | Effect::Bake => unreachable!("`next` waits for these, it never performs them"),
    }
}

pub async fn undo(hands: &mut Hands, run: &OpenRun, n: usize, world: &World) -> Result<(), Failure> {
    match &run.plan.steps[n] {
        Effect::Sql { migration } => sql_down(hands, run, n, migration).await,
        Effect::SqlConverge { migration } => converge_down(hands, run, n, migration).await,
        Effect::Seeds { .. } => seeds_down(hands, run, n).await,
        Effect::SetDesired { component, before, .. } => {
            set(hands, run, n, component, before.as_ref(), world, Way::Back).await
        }
        other => unreachable!("`next` never undoes {other:?}"),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Out,
    Back,
}

/// Record a status in a guarded transaction of its own.
pub async fn mark(hands: &mut Hands, run: &OpenRun, n: usize, status: Status, seen: Value) -> Result<(), Failure> {
    let fence = hands.fence;
    let tx = hands.guarded().await?;
    step::mark(&tx, At { run: &run.id, n, fence }, status, &seen).await?;
    Ok(tx.commit().await?)
}

async fn begin(hands: &mut Hands, run: &OpenRun, n: usize, way: Way) -> Result<(), Failure> {
    let status = if way == Way::Out { Status::Started } else { Status::UndoStarted };
    hands.tell(Event::Started { n, what: describe(&run.plan.steps[n]), undo: way == Way::Back });
    mark(hands, run, n, status, Value::Null).await
}

async fn restore_point(hands: &mut Hands, run: &OpenRun, n: usize) -> Result<(), Failure> {
    let fence = hands.fence;
    hands.tell(Event::Started { n, what: describe(&run.plan.steps[n]), undo: false });
    let tx = hands.guarded().await?;
    let lsn: String =
        tx.query_one("SELECT pg_current_wal_lsn()::text", &[]).await.map_err(Failure::sql)?.get(0);
    step::mark(&tx, At { run: &run.id, n, fence }, Status::Done, &json!({ "lsn": lsn })).await?;
    Ok(tx.commit().await?)
}

async fn commit(hands: &mut Hands, run: &OpenRun, n: usize) -> Result<(), Failure> {
    let fence = hands.fence;
    hands.tell(Event::Started { n, what: describe(&run.plan.steps[n]), undo: false });
    let tx = hands.guarded().await?;
    run::commit(&tx, &run.id).await?;
    step::mark(&tx, At { run: &run.id, n, fence }, Status::Done, &Value::Null).await?;
    Ok(tx.commit().await?)
}

/// The texts of a migration from the records: going on needs no release file.
async fn stored(client: &impl GenericClient, m: &Migration) -> Result<runner::Text, Failure> {
    let down = match &m.down {
        Some(name) => Some(blob::get_text(client, name).await?),
        None => None,
    };
    Ok(runner::Text {
        id: m.id.clone(),
        up: blob::get_text(client, &m.up).await?,
        down,
        phase: m.phase.into_migrate(),
        class: m.class.into_migrate(),
        park: m.park.clone(),
        transactional: m.transactional,
    })
}
