//! Does one step, or undoes it, under the fence.
//!
//! The shape is the same everywhere: record that it starts (durable before anything is sent), do it, record what
//! was seen. For SQL the last two are one transaction.

use crate::answer::answered;
use crate::event::Event;
use crate::failure::Failure;
use crate::hands::Hands;
use crate::kubernetes::Release;
use crate::process::{Limits, Set};
use crate::records::brought::{migration as stored, seed_files};
use crate::records::run::{self, OpenRun};
use crate::records::step::{self, At};
use nica_engine::effect::{Desired, Effect};
use nica_engine::plan::Status;
use nica_engine::release::{Migration, SeedFile, UndoClass};
use nica_engine::world::World;
use nica_migrate::fence::{Guarded, bounded};
use nica_migrate::runner::{self, Attempts, By, RunError};
use nica_migrate::{seed, source};
use serde_json::{Value, json};
use std::time::Duration;

pub async fn perform(hands: &mut Hands, run: &OpenRun, n: usize, world: &World) -> Result<(), Failure> {
    match &run.plan.steps[n] {
        Effect::RestorePoint => restore_point(hands, run, n).await,
        Effect::Sql { migration } => sql_up(hands, run, n, migration).await,
        Effect::SqlConverge { migration } => converge_up(hands, run, n, migration).await,
        Effect::Unpark { migration, .. } => unpark(hands, run, n, migration).await,
        Effect::Seeds { files } => seeds_up(hands, run, n, files).await,
        Effect::SetDesired { component, desired, .. } => {
            set(hands, run, n, world, (component, Some(desired)), Way::Out).await
        }
        Effect::Delete { component, .. } => set(hands, run, n, world, (component, None), Way::Out).await,
        Effect::Commit => commit(hands, run, n).await,
        Effect::Anchor => anchor(hands, run, n).await,
        Effect::Create { component, desired } => create(hands, run, n, (component, desired)).await,
        Effect::Unanchor => unanchor(hands, run, n).await,
        Effect::Await { .. } | Effect::Bake => unreachable!("`next` waits for these, it never performs them"),
    }
}

pub async fn undo(hands: &mut Hands, run: &OpenRun, n: usize, world: &World) -> Result<(), Failure> {
    match &run.plan.steps[n] {
        Effect::Sql { migration } => sql_down(hands, run, n, migration).await,
        Effect::SqlConverge { migration } => converge_down(hands, run, n, migration).await,
        Effect::Seeds { .. } => seeds_down(hands, run, n).await,
        Effect::SetDesired { component, before, .. } => {
            set(hands, run, n, world, (component, before.as_ref()), Way::Back).await
        }
        Effect::Anchor => take_back(hands, run, n).await,
        other => unreachable!("`next` never undoes {other:?}"),
    }
}

/// A replica gets its own drain time and this much more before it is killed.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// All seed rows of a release are one transaction; each of its statements has a limit of its own besides.
const SEEDS_LIMIT: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Out,
    Back,
}

/// Record a status in a guarded transaction of its own.
pub async fn mark(
    hands: &mut Hands,
    run: &OpenRun,
    n: usize,
    status: Status,
    seen: Value,
) -> Result<(), Failure> {
    let at = At { run: &run.id, n, fence: hands.fence };
    let mark = async |tx: &Guarded<'_>| Ok(step::mark(tx, at, status, &seen).await?);
    hands.transact("the record of a step", mark).await
}

async fn begin(hands: &mut Hands, run: &OpenRun, n: usize, way: Way) -> Result<(), Failure> {
    let status = if way == Way::Out { Status::Started } else { Status::UndoStarted };
    hands.tell(Event::Started { n, what: describe(&run.plan.steps[n]), undo: way == Way::Back });
    mark(hands, run, n, status, Value::Null).await
}

async fn restore_point(hands: &mut Hands, run: &OpenRun, n: usize) -> Result<(), Failure> {
    let at = At { run: &run.id, n, fence: hands.fence };
    hands.tell(Event::Started { n, what: describe(&run.plan.steps[n]), undo: false });
    let point = async |tx: &Guarded<'_>| {
        let lsn = "SELECT pg_current_wal_lsn()::text";
        let lsn: String = tx.query_one(lsn, &[]).await.map_err(Failure::sql)?.get(0);
        Ok(step::mark(tx, at, Status::Done, &json!({ "lsn": lsn })).await?)
    };
    hands.transact("the restore point", point).await
}

async fn commit(hands: &mut Hands, run: &OpenRun, n: usize) -> Result<(), Failure> {
    let at = At { run: &run.id, n, fence: hands.fence };
    hands.tell(Event::Started { n, what: describe(&run.plan.steps[n]), undo: false });
    let commit = async |tx: &Guarded<'_>| {
        run::commit(tx, &run.id).await?;
        Ok(step::mark(tx, at, Status::Done, &Value::Null).await?)
    };
    hands.transact("the commit of the run", commit).await
}

async fn sql_up(hands: &mut Hands, run: &OpenRun, n: usize, migration: &Migration) -> Result<(), Failure> {
    begin(hands, run, n, Way::Out).await?;
    let text = answered("the migration's text", stored(hands.client(), migration)).await?;
    let session = hands.session(run);
    let limit = session.up_limit(&text)?;
    let mut attempts = session.attempts().await?;
    loop {
        let tried = bounded(limit, up_once(&mut attempts, run, n, (&text, &session.by))).await;
        if attempts.judge(tried).await?.is_some() {
            return Ok(());
        }
    }
}

/// The change, its row in the migration table and the step's record are one commit.
async fn up_once(
    attempts: &mut Attempts,
    run: &OpenRun,
    n: usize,
    (text, by): (&source::Migration, &By),
) -> Result<(), RunError> {
    let tx = attempts.begin().await?;
    runner::up(&tx, text, by).await?;
    let at = At { run: &run.id, n, fence: tx.fence() };
    step::mark(&tx, at, Status::Done, &json!({ "migration": text.id })).await?;
    Ok(tx.commit().await?)
}

async fn sql_down(hands: &mut Hands, run: &OpenRun, n: usize, migration: &Migration) -> Result<(), Failure> {
    begin(hands, run, n, Way::Back).await?;
    let session = hands.session(run);
    if migration.class == UndoClass::Parking {
        // Most values are copied beside the traffic; the down itself copies the rest under its lock.
        session.park(&migration.id).await?;
    }
    let mut attempts = session.attempts().await?;
    loop {
        let tried = bounded(session.down_limit(), down_once(&mut attempts, run, n, &migration.id)).await;
        if attempts.judge(tried).await?.is_some() {
            return Ok(());
        }
    }
}

async fn down_once(attempts: &mut Attempts, run: &OpenRun, n: usize, id: &str) -> Result<(), RunError> {
    let tx = attempts.begin().await?;
    runner::down(&tx, id).await?;
    let at = At { run: &run.id, n, fence: tx.fence() };
    step::mark(&tx, at, Status::Undone, &json!({ "migration": id })).await?;
    Ok(tx.commit().await?)
}

/// Keep a migration although the release goes back: the migration table and the step say so in one commit.
pub async fn retain(hands: &mut Hands, run: &OpenRun, n: usize) -> Result<(), Failure> {
    let at = At { run: &run.id, n, fence: hands.fence };
    let retain = async |tx: &Guarded<'_>| {
        if let Some(migration) = run.plan.steps[n].migration() {
            match runner::retain(tx, &migration.id).await {
                // Half-built things are looked at again by the next up; there is nothing to keep in the table yet.
                Ok(_) | Err(RunError::NotApplied { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(step::mark(tx, at, Status::Retained, &Value::Null).await?)
    };
    hands.transact("the record of what is retained", retain).await
}

async fn converge_up(
    hands: &mut Hands,
    run: &OpenRun,
    n: usize,
    migration: &Migration,
) -> Result<(), Failure> {
    begin(hands, run, n, Way::Out).await?;
    let text = answered("the migration's text", stored(hands.client(), migration)).await?;
    hands.session(run).converge_up(&text).await?;
    mark(hands, run, n, Status::Done, json!({ "migration": migration.id })).await
}

async fn converge_down(
    hands: &mut Hands,
    run: &OpenRun,
    n: usize,
    migration: &Migration,
) -> Result<(), Failure> {
    begin(hands, run, n, Way::Back).await?;
    hands.session(run).converge_down(&migration.id).await?;
    mark(hands, run, n, Status::Undone, json!({ "migration": migration.id })).await
}

async fn unpark(hands: &mut Hands, run: &OpenRun, n: usize, migration: &str) -> Result<(), Failure> {
    begin(hands, run, n, Way::Out).await?;
    let back = hands.session(run).unpark(migration).await?;
    let misfits: i64 = back.misfits.iter().map(|m| m.rows).sum();
    mark(hands, run, n, Status::Done, json!({ "moved": back.moved, "left": misfits })).await
}

async fn seeds_up(hands: &mut Hands, run: &OpenRun, n: usize, files: &[SeedFile]) -> Result<(), Failure> {
    begin(hands, run, n, Way::Out).await?;
    let files = answered("the seed files", seed_files(hands.client(), files)).await?;
    let at = At { run: &run.id, n, fence: hands.fence };
    let apply = async |tx: &Guarded<'_>| {
        let changed = seed::apply(tx, &files, &run.id).await.map_err(Failure::seeds)?;
        Ok(step::mark(tx, at, Status::Done, &changed_words(&changed)).await?)
    };
    hands.transact_within(SEEDS_LIMIT, "the seeds", apply).await
}

async fn seeds_down(hands: &mut Hands, run: &OpenRun, n: usize) -> Result<(), Failure> {
    begin(hands, run, n, Way::Back).await?;
    let at = At { run: &run.id, n, fence: hands.fence };
    let undo = async |tx: &Guarded<'_>| {
        let undone = seed::undo(tx, &run.id).await.map_err(Failure::seeds)?;
        Ok(step::mark(tx, at, Status::Undone, &undone_words(&undone)).await?)
    };
    hands.transact_within(SEEDS_LIMIT, "the seeds before", undo).await
}

/// Counts only: the rows themselves stand in `nica.seed_undo`.
fn changed_words(changed: &seed::Changed) -> Value {
    json!({
        "inserted": changed.inserted.len(),
        "updated": changed.updated.len(),
        "retired": changed.retired.len(),
        "local": changed.local.len(),
    })
}

fn undone_words(undone: &seed::Undone) -> Value {
    let kept: Vec<String> = undone.kept.iter().map(ToString::to_string).collect();
    json!({ "restored": undone.restored.len(), "retired": undone.retired.len(), "kept": kept })
}

/// The generation that this was decided on was read after admission and before the step's start was recorded: a
/// late or doubled request finds another one and is refused.
async fn set(
    hands: &mut Hands,
    run: &OpenRun,
    n: usize,
    world: &World,
    (component, desired): (&str, Option<&Desired>),
    way: Way,
) -> Result<(), Failure> {
    let expected = world.components.get(component).and_then(|seen| seen.generation.clone());
    begin(hands, run, n, way).await?;
    let key = format!("{}/{n}", run.id);
    let drain_within = run.plan.policy.limits.drain + DRAIN_GRACE;
    let limits = Limits {
        ready_within_ms: run.plan.limits.rollout_ms,
        drain_within_ms: u64::try_from(drain_within.as_millis()).unwrap_or(u64::MAX),
    };
    let (fence, component, desired_now) = (hands.fence, component.to_string(), desired.cloned());
    let set = Set { fence, key, component, desired: desired_now, expected, limits };
    let taken = hands.target()?.set(set, hands.cursor(), way == Way::Back).await?;
    let status = if way == Way::Out { Status::Done } else { Status::Undone };
    let mut seen = json!({ "generation": desired.map(Desired::generation) });
    if !taken.is_empty() {
        seen["taken"] = json!(taken);
    }
    mark(hands, run, n, status, seen).await
}

async fn anchor(hands: &mut Hands, run: &OpenRun, n: usize) -> Result<(), Failure> {
    begin(hands, run, n, Way::Out).await?;
    hands.target()?.create_anchor(hands.fence).await?;
    mark(hands, run, n, Status::Done, Value::Null).await
}

/// The anchor that will own it was seen before the step's start was recorded.
async fn create(
    hands: &mut Hands,
    run: &OpenRun,
    n: usize,
    (component, desired): (&str, &Desired),
) -> Result<(), Failure> {
    begin(hands, run, n, Way::Out).await?;
    hands.target()?.create(hands.fence, (component, desired), hands.cursor()).await?;
    mark(hands, run, n, Status::Done, json!({ "generation": desired.generation() })).await
}

async fn unanchor(hands: &mut Hands, run: &OpenRun, n: usize) -> Result<(), Failure> {
    begin(hands, run, n, Way::Out).await?;
    hands.target()?.release(Release::Orphan, hands.cursor()).await?;
    mark(hands, run, n, Status::Done, Value::Null).await
}

/// What it owns goes first and then the anchor; that it is undone is noted once nothing of it is left.
async fn take_back(hands: &mut Hands, run: &OpenRun, n: usize) -> Result<(), Failure> {
    begin(hands, run, n, Way::Back).await?;
    hands.target()?.release(Release::Foreground, hands.cursor()).await
}

/// An effect in a few words, for whoever watches.
pub fn describe(effect: &Effect) -> String {
    match effect {
        Effect::RestorePoint => "restore-point".to_string(),
        Effect::Sql { migration } | Effect::SqlConverge { migration } => {
            format!("migration {}", migration.id)
        }
        Effect::Unpark { migration, .. } => format!("unpark values of {migration}"),
        Effect::Seeds { files } => format!("seeds {} files", files.len()),
        Effect::Anchor => "anchor".to_string(),
        Effect::Create { component, .. } => format!("create {component}"),
        Effect::SetDesired { component, .. } => format!("set {component}"),
        Effect::Await { component, .. } => format!("{component} serves"),
        Effect::Bake => "bake".to_string(),
        Effect::Commit => "commit".to_string(),
        Effect::Delete { component, .. } => format!("delete {component}"),
        Effect::Unanchor => "release the anchor".to_string(),
    }
}
