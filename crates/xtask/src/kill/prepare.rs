//! Makes a slot ready: the releases, the baseline's snapshot, golden readings, and every point of an undisturbed run.
//!
//! Golden readings come from worlds of their own that nobody disturbs, and from the migrations' own text applied by
//! psql; nothing of them is computed from what the judged program says about itself.

use super::case::Story;
use super::cluster::Cluster;
use super::deployer::Deployer;
use super::gate::{Passed, SUPERVISOR};
use super::label::Point;
use super::lines::Lines;
use super::oracle::{self, Golden, State};
use super::project::{EXPANDS, NEW_ROW_RETIRED, Release};
use super::slot::{Base, Slot};
use super::world::World;
use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What `prepare` found and every case needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Prepared {
    pub golden: Golden,
    /// Story → the turns of its undisturbed run.
    pub turns: BTreeMap<String, Vec<Turn>>,
}

/// One turn of an undisturbed run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub point: String,
    pub said: String,
    /// At the database, else at the supervisor.
    pub database: bool,
    /// What the step does that was recorded last; empty before the first.
    pub effect: String,
}

const FILE: &str = "prepared.json";

impl Prepared {
    pub(crate) fn open(slot: &Slot) -> Result<Prepared> {
        let bytes = std::fs::read(slot.home.join(FILE)).context("read what was prepared")?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

pub(crate) fn prepare(slot: &Slot, passenger: &Path) -> Result<Prepared> {
    Release::ALL.iter().try_for_each(|release| release.write(slot, passenger))?;
    let old = deploy_baseline(slot)?;
    let schemas = schemas(slot)?;
    let forward = undisturbed(slot, Base::Fresh, Release::Good, 0)?;
    let (new, forward) = (forward.0.read()?, forward.1);
    ensure!(new != old, "tell the two releases apart: both read the same");
    let seeds = vec![old.seeds.clone(), with_retired(&old.seeds)];
    let golden = Golden { new, old, schemas, seeds };
    let (world, back) = undisturbed(slot, Base::Fresh, Release::Bad, 20)?;
    golden.name(&world.read()?).map_err(|why| anyhow::anyhow!("undo an undisturbed run: {why}"))?;
    world.keep(Base::Undone)?;
    let (world, again) = undisturbed(slot, Base::Undone, Release::Good, 0)?;
    golden.name(&world.read()?).map_err(|why| anyhow::anyhow!("deploy again what was undone: {why}"))?;
    drop(world);
    let turns = [(Story::Forward, forward), (Story::Back, back), (Story::Again, again)];
    let turns = turns.into_iter().map(|(story, turns)| (story.name().to_string(), turns)).collect();
    let prepared = Prepared { golden, turns };
    std::fs::write(slot.home.join(FILE), serde_json::to_vec(&prepared)?)?;
    Ok(prepared)
}

fn deploy_baseline(slot: &Slot) -> Result<State> {
    let world = World::empty(slot)?;
    Release::ALL.iter().try_for_each(|release| world.pack(*release))?;
    let command = world.deploy(&slot.nica, Release::Baseline, world.cluster.socket_folder());
    let mut process = super::actor::Actor::start(command, &slot.logs(), "baseline")?;
    let status = process.wait(super::world::PATIENCE)?.context("deploy the baseline: it takes too long")?;
    ensure!(
        status.success(),
        "deploy the baseline: {}\n{}",
        super::proc::describe(status),
        process.printed()
    );
    world.await_serving(Release::Baseline)?;
    let old = world.read()?;
    world.keep(Base::Fresh)?;
    Ok(old)
}

/// The baseline's schema with the first k migrations of the successor, applied by psql.
fn schemas(slot: &Slot) -> Result<Vec<Vec<String>>> {
    let world = World::database_only(slot)?;
    let read = |cluster: &Cluster| oracle::schema(cluster);
    let mut schemas = vec![read(&world.cluster)?];
    for (_, up, ..) in EXPANDS {
        world.cluster.psql(up)?;
        schemas.push(read(&world.cluster)?);
    }
    Ok(schemas)
}

fn with_retired(rows: &[String]) -> Vec<String> {
    let mut rows = rows.to_vec();
    rows.push(NEW_ROW_RETIRED.to_string());
    rows.sort();
    rows
}

/// Deploys over the baseline, undisturbed; the world afterwards and every turn on the way.
fn undisturbed(slot: &Slot, base: Base, release: Release, expected: i32) -> Result<(World<'_>, Vec<Turn>)> {
    let world = World::of(slot, base)?;
    let lines = Lines::interpose(&slot.state())?;
    let mut deployer = Deployer::deploy(&world, &lines, ("undisturbed", &slot.nica), release, None)?;
    let code = deployer.await_end(&world)?;
    if code != Some(expected) {
        deployer.tell(&world);
        anyhow::bail!("deploy release {} undisturbed: exit {code:?}\n{}", release.version(), world.timeline);
    }
    let effects = effects(&world.cluster)?;
    let turns = deployer.gate.log().into_iter().filter_map(|passed| Turn::of(passed, &effects)).collect();
    Ok((world, turns))
}

/// The last run's effects, by step.
fn effects(cluster: &Cluster) -> Result<Vec<String>> {
    let last = "SELECT effect FROM nica.step WHERE run = (SELECT id FROM nica.run ORDER BY opened_at DESC LIMIT 1) ORDER BY n";
    Ok(cluster.psql(last)?.lines().map(str::to_string).collect())
}

impl Turn {
    /// None for what is not counted.
    fn of(passed: Passed, effects: &[String]) -> Option<Turn> {
        let point = passed.point?;
        let step = point.phase.split('-').next().and_then(|n| n.parse::<usize>().ok());
        let effect = step.and_then(|n| effects.get(n)).cloned().unwrap_or_default();
        Some(Turn {
            point: point.to_string(),
            said: passed.said,
            database: passed.session != SUPERVISOR,
            effect,
        })
    }

    pub(crate) fn point(&self) -> Result<Point> {
        Point::parse(&self.point)
    }
}
