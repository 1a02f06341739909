//! Strikes: waits until an actor's traffic stands at the point, then kills or stops who is to be killed or stopped.

use crate::kill::case::{Actor, Fault, How};
use crate::kill::deployer::Deployer;
use crate::kill::gate::{Caught, Place, Release};
use crate::kill::proc::{self, Signal, wait_for};
use crate::kill::psql::{self, Lock, Mode};
use crate::kill::timeline::Timeline;
use crate::kill::world::{PATIENCE, World};
use anyhow::{Context as _, Result};
use std::time::Duration;

/// Longest undisturbed way to any point.
const POINT_LIMIT: Duration = Duration::from_secs(120);

/// What a strike left behind.
#[derive(Default)]
pub(super) struct Struck {
    /// False when the run ended without coming by the point.
    pub reached: bool,
    /// Killed or stopped: nothing more comes from it for now.
    pub deployer_is_down: bool,
    /// The supervisor dies and is started again before anybody goes on.
    pub restarts: bool,
    /// A word to the supervisor that comes a second time.
    pub repeat: Option<String>,
    /// What was held is a word at the supervisor.
    pub at_supervisor: bool,
    stopped_backend: Option<u32>,
    /// Pid and start time, because a stopped supervisor may be killed by whoever takes over.
    stopped: Option<(u32, Option<u64>)>,
}

pub(super) fn strike(world: &World<'_>, deployer: &mut Deployer, fault: &Fault) -> Result<Struck> {
    let process = &mut deployer.process;
    let caught = deployer.gate.caught(POINT_LIMIT, || process.ended().is_some())?;
    let Some(caught) = caught else {
        world.timeline.say(format!("{} ended before the point", deployer.name));
        return Ok(Struck::default());
    };
    world.timeline.say(format!("{} stands at {fault}: {}", deployer.name, caught.said));
    let struck = match fault.actor {
        Actor::Deployer => deployer_falls(world, deployer, fault, &caught)?,
        Actor::Backend => backend_falls(world, deployer, fault, &caught)?,
        Actor::Supervisor => program_falls(world, deployer, fault, "supervise")?,
        Actor::Keeper => program_falls(world, deployer, fault, "keep")?,
        Actor::Network => network_fails(deployer, fault, &caught),
    };
    let at_supervisor = caught.session.backend.is_none();
    Ok(Struck { reached: true, at_supervisor, ..struck })
}

fn deployer_falls(
    world: &World<'_>,
    deployer: &mut Deployer,
    fault: &Fault,
    caught: &Caught,
) -> Result<Struck> {
    let backend = caught.session.backend;
    let lock = match fault.place {
        Place::Sent => Some(wait_behind_lock(world, deployer, caught)?),
        _ => None,
    };
    match fault.how {
        How::Stop | How::StopRestart => {
            stop(deployer.process.pid())?;
            deployer.stopped = true;
        }
        _ => deployer.process.kill()?,
    }
    world.timeline.say(format!("{}: {}", deployer.name, fault.how.name()));
    match (lock, backend) {
        // What is half-built waits until somebody ends it.
        (Some(lock), Some(backend)) if lock.mode == Mode::RowExclusive => lock.until_gone(backend),
        // What the orphan waited for is free now: nothing but the fence keeps it from going on.
        (lock, _) => drop(lock),
    }
    if fault.how == How::KillLost {
        deployer.gate.release(Release::Lose);
    }
    Ok(Struck { deployer_is_down: true, restarts: fault.how == How::StopRestart, ..Struck::default() })
}

/// Nobody falls. What is delayed stays held until the end.
fn network_fails(deployer: &Deployer, fault: &Fault, caught: &Caught) -> Struck {
    let mut struck = Struck::default();
    match fault.how {
        How::Cut => deployer.gate.release(Release::Lose),
        How::Twice => {
            struck.repeat = caught.said.split_once(" -- ").map(|(_, question)| question.to_string());
            deployer.gate.release(Release::Forward);
        }
        _ => {}
    }
    struck
}

/// Lets the held statement go to the server while psql holds its table, until the server says that it waits. Where
/// holding it took too long, the server has ended that session; then it is the deployer's next try that waits.
fn wait_behind_lock(world: &World<'_>, deployer: &Deployer, caught: &Caught) -> Result<Lock> {
    let beside_traffic = caught.said.to_uppercase().contains(" CONCURRENTLY ");
    let mode = if beside_traffic { Mode::RowExclusive } else { Mode::AccessExclusive };
    let lock = Lock::take(&world.cluster, "note", mode)?;
    deployer.gate.release(Release::Forward);
    psql::await_blocked(&world.cluster, "nica/%", PATIENCE)?;
    Ok(lock)
}

fn backend_falls(
    world: &World<'_>,
    deployer: &mut Deployer,
    fault: &Fault,
    caught: &Caught,
) -> Result<Struck> {
    let backend =
        caught.session.backend.context("strike a server process: the point is not at the database")?;
    let mut struck = Struck::default();
    match fault.how {
        How::Terminate => drop(world.cluster.psql(&format!("SELECT pg_terminate_backend({backend}, 5000)"))?),
        How::Stop => {
            stop(backend)?;
            struck.stopped_backend = Some(backend);
            // Its own time-outs are half a minute long; what is asked here is what the next run does.
            deployer.process.kill()?;
            struck.deployer_is_down = true;
        }
        _ => {
            proc::signal(backend, Signal::KILL)?;
            wait_for("wait for a server process to end", PATIENCE, || (!proc::alive(backend)).then_some(()))?;
        }
    }
    world.timeline.say(format!("server process {backend}: {}", fault.how.name()));
    deployer.gate.release(Release::Forward);
    Ok(struck)
}

fn program_falls(world: &World<'_>, deployer: &Deployer, fault: &Fault, word: &str) -> Result<Struck> {
    let pid = world.program(word).with_context(|| format!("find the process `nica {word}`"))?;
    let mut struck = Struck::default();
    match fault.how {
        How::Stop => {
            stop(pid)?;
            struck.stopped = Some((pid, proc::began(pid)));
        }
        _ => {
            proc::signal(pid, Signal::KILL)?;
            wait_for(&format!("wait for `nica {word}` to end"), PATIENCE, || {
                (!proc::alive(pid)).then_some(())
            })?;
        }
    }
    world.timeline.say(format!("nica {word} ({pid}): {}", fault.how.name()));
    deployer.gate.release(Release::Forward);
    Ok(struck)
}

/// SIGSTOP, and standing when this returns.
fn stop(pid: u32) -> Result<()> {
    proc::signal(pid, Signal::STOP)?;
    wait_for("wait for a process to stand", PATIENCE, || {
        matches!(proc::state(pid), Some('T' | 'Z') | None).then_some(())
    })
}

impl Struck {
    pub(super) fn continue_backend(&mut self, timeline: &Timeline) -> Result<()> {
        let Some(backend) = self.stopped_backend.take() else { return Ok(()) };
        timeline.say(format!("server process {backend} goes on"));
        proc::signal(backend, Signal::CONT)
    }

    pub(super) fn continue_all(&mut self, timeline: &Timeline) -> Result<()> {
        self.continue_backend(timeline)?;
        let Some((pid, began)) = self.stopped.take() else { return Ok(()) };
        if proc::alive(pid) && proc::began(pid) == began {
            timeline.say(format!("process {pid} goes on"));
            proc::signal(pid, Signal::CONT)?;
        }
        Ok(())
    }
}
