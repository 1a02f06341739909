//! A `nica` that acts, with its own way to the database and its own gate.

use super::actor::Actor;
use super::gate::{Gate, Trap};
use super::lines::Lines;
use super::proc;
use super::project::Release;
use super::proxy;
use super::world::World;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// A run that is left alone closes within this, however slow the machine.
const RUN_LIMIT: Duration = Duration::from_secs(150);

pub(crate) struct Deployer {
    pub name: String,
    pub process: Actor,
    pub gate: Arc<Gate>,
    pub stopped: bool,
}

impl Deployer {
    /// `nica deploy` of `release`, to be caught in `trap`.
    pub(crate) fn deploy(
        world: &World<'_>,
        lines: &Lines,
        (name, nica): (&str, &Path),
        release: Release,
        trap: Option<Trap>,
    ) -> Result<Deployer> {
        let gate = Arc::new(Gate::new(world.timeline.born, trap));
        let folder = world.slot.home.join("proxy").join(name);
        proxy::open(&folder, world.cluster.socket_folder(), Arc::clone(&gate))?;
        Deployer::start(world, lines, name, world.deploy(nica, release, &folder), gate)
    }

    /// `nica resume`, which reaches the database directly.
    pub(crate) fn resume(
        world: &World<'_>,
        lines: &Lines,
        (name, nica): (&str, &Path),
        release: Release,
    ) -> Result<Deployer> {
        let gate = Arc::new(Gate::new(world.timeline.born, None));
        Deployer::start(world, lines, name, world.resume(nica, release), gate)
    }

    fn start(
        world: &World<'_>,
        lines: &Lines,
        name: &str,
        command: Command,
        gate: Arc<Gate>,
    ) -> Result<Deployer> {
        world.timeline.say(format!("{name} starts"));
        let process = Actor::start(command, &world.slot.logs(), name)?;
        lines.watch(process.pid(), Arc::clone(&gate));
        Ok(Deployer { name: name.to_string(), process, gate, stopped: false })
    }

    /// Its exit code; none when a signal ended it.
    pub(crate) fn await_end(&mut self, world: &World<'_>) -> Result<Option<i32>> {
        let Some(status) = self.process.wait(RUN_LIMIT)? else {
            bail!("wait for {}: it is still there after {} s", self.name, RUN_LIMIT.as_secs());
        };
        world.timeline.say(format!("{} ended: {}", self.name, proc::describe(status)));
        Ok(status.code())
    }

    /// Its traffic and what it printed.
    pub(crate) fn tell(&self, world: &World<'_>) {
        world.timeline.traffic(&self.name, &self.gate);
        for line in self.process.printed().lines() {
            world.timeline.say(format!("{} printed: {line}", self.name));
        }
    }
}
