//! `nica resume`: finish an open run, whoever opened it. `deploy` does the same before it plans.

use super::again::under_lease;
use super::context::Context;
use super::objects;
use super::secrets;
use crate::exit::Exit;
use crate::output;
use nica_effects::carry::{Carried, Memory, carry};
use nica_effects::event::{Event, Outline};
use nica_effects::hands::Hands;
use nica_effects::open;
use nica_effects::records::run;
use nica_engine::next::{Direction, Ending};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

pub(super) async fn run(context: &Context, env: &str) -> anyhow::Result<Exit> {
    let access = context.access(env, context.output.sink(env))?;
    under_lease(access, async |hands| resume(context, hands).await).await
}

async fn resume(context: &Context, hands: &mut Hands) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    hands.start_target().await?;
    let Some(open) = open::open_run(hands).await? else {
        context.output.result(&json!({ "open_run": null }), "no run is open. Exit 0.");
        return Ok(Exit::Done);
    };
    let carried = carry_open(hands, &open).await?;
    let baseline = open.plan.baseline.as_ref().map(|b| b.version.as_str());
    Ok(report(context, &carried, &open.plan.version, baseline, begun))
}

/// What became of a run that somebody had left open.
pub(super) enum Left {
    /// Nothing is open.
    Nothing,
    /// It is open still, so that nothing new can begin; or it was our own, whose opening we did not hear of.
    Ended(Exit),
    /// Nothing can settle it; a newer release may take its place.
    Stuck(Box<Stuck>),
}

pub(super) struct Stuck {
    pub open: run::OpenRun,
    carried: Carried,
    begun: Instant,
}

impl Stuck {
    /// Say that it stays open, and why no newer release takes its place.
    pub(super) fn stays(&self, context: &Context, why: Option<String>) -> Exit {
        if let Some(why) = why {
            context.output.progress(&format!("not superseded: {why}"));
        }
        let baseline = self.open.plan.baseline.as_ref().map(|b| b.version.as_str());
        report(context, &self.carried, &self.open.plan.version, baseline, self.begun)
    }
}

/// Carry what somebody left open.
pub(super) async fn finish_open_run(context: &Context, hands: &mut Hands) -> anyhow::Result<Left> {
    let begun = Instant::now();
    let Some(open) = open::open_run(hands).await? else {
        return Ok(Left::Nothing);
    };
    let carried = carry_open(hands, &open).await?;
    if let Carried::Settled { .. } = carried {
        if !hands.began(&open.id) {
            return Ok(Left::Nothing);
        }
        let stuck = Stuck { open, carried, begun };
        return Ok(Left::Ended(stuck.stays(context, None)));
    }
    // As it stands now: carrying it has moved its steps.
    let open = open::open_run(hands).await?.unwrap_or(open);
    let stuck = Stuck { open, carried, begun };
    Ok(match stuck.carried {
        Carried::Stuck(_) => Left::Stuck(Box::new(stuck)),
        _ => Left::Ended(stuck.stays(context, None)),
    })
}

async fn carry_open(hands: &mut Hands, open: &run::OpenRun) -> anyhow::Result<Carried> {
    objects::stays(&open.plan.env, &open.participants, &hands.access.reach)?;
    hands.name_run(&open.id).await?;
    open::admit_target(hands).await?;
    secrets::hold(hands, open).await?;
    let direction = if open.direction == Direction::Back { "back" } else { "forward" };
    let outline = Outline::of(&open.plan, &open.judged, &open.statuses, open.turned.as_ref());
    hands.tell(Event::Resumed { run: open.id.clone(), direction, outline: Arc::new(outline) });
    let as_planned = open::is_as_planned(hands, &open.plan).await?;
    let mut memory = Memory::drifted(!as_planned);
    Ok(carry(hands, &mut memory).await?)
}

/// Say how it ended; the exit code that means the same.
pub(super) fn report(
    context: &Context,
    carried: &Carried,
    version: &str,
    baseline: Option<&str>,
    begun: Instant,
) -> Exit {
    let seconds = begun.elapsed().as_secs_f64();
    let exit = exit(carried);
    let (value, text) = match carried {
        Carried::Settled { ending, reason, retained, run } => (
            json!({ "end": ending, "version": version, "run": run, "reason": reason, "retained": retained, "seconds": seconds, "exit": exit as u8 }),
            output::ending((*ending, reason.as_deref()), version, baseline, seconds, exit as u8),
        ),
        Carried::Interrupted => (
            json!({ "end": "interrupted", "version": version, "exit": exit as u8 }),
            format!(
                "interrupted: the run is open where it stands\n  = next: nica resume\nExit {}.",
                exit as u8
            ),
        ),
        Carried::Held(why) => (
            json!({ "end": "held", "version": version, "reason": why, "exit": exit as u8 }),
            format!("held: {why}\n  = next: nica resume, or nica abort"),
        ),
        Carried::Stuck(why) => (
            json!({ "end": "stuck", "version": version, "reason": why, "exit": exit as u8 }),
            format!(
                "stuck: {why}\n  = next: mend it, then nica resume; or nica deploy a newer release; or have two people sign it: nica accept-state"
            ),
        ),
    };
    context.output.result(&value, &text);
    exit
}

fn exit(carried: &Carried) -> Exit {
    match carried {
        Carried::Settled { ending: Ending::Live | Ending::Contracted | Ending::Accepted, .. } => Exit::Done,
        Carried::Settled { ending: Ending::Back | Ending::Absent, .. } => Exit::Back,
        Carried::Settled { ending: Ending::Refused | Ending::Superseded, .. } => Exit::Outdated,
        Carried::Interrupted => interrupted(),
        Carried::Held(_) => Exit::Inconclusive,
        Carried::Stuck(_) => Exit::Stuck,
    }
}

fn interrupted() -> Exit {
    match super::interrupt::signal() {
        Some(libc::SIGTERM) => Exit::Terminated,
        _ => Exit::Interrupted,
    }
}
