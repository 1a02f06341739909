//! Carries the open run to its end: look, ask `next`, act, look again.
//!
//! `deploy`, `rollback` and `resume` are this one loop with three ways to get a plan. It needs nothing but records
//! and credentials, so whoever comes later goes on where this process died.

mod memory;
mod news;
mod settle;
mod wait;

pub use memory::Memory;
pub(crate) use settle::{read_back, retained};

use crate::answer::answered;
use crate::event::Event;
use crate::failure::Failure;
use crate::hands::Hands;
use crate::observe::observe;
use crate::perform::{self, describe, mark};
use crate::records::run::{self, OpenRun, Turned};
use crate::records::step::{self, How, Standing};
use nica_engine::next::{Action, Direction, Ending, next};
use nica_engine::plan::Status;
use nica_engine::undo;
use nica_engine::world::{Refused, Verdict, World};
use nica_migrate::fence::Guarded;
use std::time::Duration;

/// How a run stands when the loop leaves it.
#[derive(Clone, Debug)]
pub enum Carried {
    Settled {
        run: String,
        ending: Ending,
        reason: Option<String>,
        retained: Vec<String>,
    },
    /// A person has to look; the run stays open.
    Held(String),
    /// A signal came; the run stays open where it is, as safe as after a kill.
    Interrupted,
    /// Cannot go back as things are; the run stays open and every further deploy looks again.
    Stuck(String),
}

/// A lock that could not be had is tried again this often before the step counts as refused.
const LOCK_TRIES: u32 = 30;
/// Answers in a row that did not come, each under a new fence, until nobody counts as reachable.
pub const LOST_TRIES: u32 = 8;
const LOCK_PAUSE: Duration = Duration::from_millis(60);

/// Carry the run that is open. The caller has taken `hands` and admitted the target.
pub async fn carry(hands: &mut Hands, memory: &mut Memory) -> Result<Carried, Failure> {
    loop {
        if hands.must_stop() {
            return Ok(Carried::Interrupted);
        }
        match turn(hands, memory).await {
            Ok(Some(carried)) => return Ok(carried),
            Ok(None) => memory.went_on(),
            Err(Failure::Lost(why)) if memory.lost >= LOST_TRIES => {
                return Err(Failure::Unreachable { participant: "database or target", why });
            }
            Err(Failure::Lost(why)) => {
                hands.readmit(&why).await?;
                memory.fence_changed();
            }
            Err(Failure::Locked(why)) => locked(memory, why).await?,
            Err(other) => return Err(other),
        }
    }
}

async fn turn(hands: &mut Hands, memory: &mut Memory) -> Result<Option<Carried>, Failure> {
    let Some(run) = answered("the open run", run::read_open(hands.client())).await? else {
        return settle::already_closed(hands, memory).await.map(Some);
    };
    memory.meet(&run);
    let world = answered("the world", observe(hands, &run, memory)).await?;
    let action = next(&run.plan, &run.statuses, run.direction, &world);
    tracing::debug!(run.id = run.id, action = ?action, "next");
    match action {
        Action::Perform(n) => act(hands, memory, &run, n, &world, Direction::Forward).await,
        Action::Undo(n) => act(hands, memory, &run, n, &world, Direction::Back).await,
        Action::Note(n, status) => note(hands, memory, &run, n, status).await,
        Action::Await(waiting) => wait::wait(hands, memory, &run, &waiting, &world).await.map(|()| None),
        Action::TurnBack(reason) => turn_back(hands, memory, &run, reason, &world).await,
        Action::Settle(ending) => settle::settle(hands, memory, &run, ending).await.map(Some),
        Action::Hold(reason) => {
            stand(hands, &run, How::Held, &reason).await?;
            Ok(Some(Carried::Held(reason)))
        }
        Action::Stuck(reason) => {
            stand(hands, &run, How::Stuck, &reason).await?;
            Ok(Some(Carried::Stuck(reason)))
        }
    }
}

async fn act(
    hands: &mut Hands,
    memory: &mut Memory,
    run: &OpenRun,
    n: usize,
    world: &World,
    direction: Direction,
) -> Result<Option<Carried>, Failure> {
    let started = tokio::time::Instant::now();
    let answer = match direction {
        Direction::Forward => perform::perform(hands, run, n, world).await,
        Direction::Back => perform::undo(hands, run, n, world).await,
    };
    match answer {
        Ok(()) => {
            let undo = direction == Direction::Back;
            let ms = started.elapsed().as_millis() as u64;
            hands.tell(Event::Done { n, what: describe(&run.plan.steps[n]), undo, ms });
        }
        Err(Failure::Refused(why)) => memory.refused = Some(Refused { step: n, why }),
        Err(Failure::Locked(why)) if memory.locked + 1 >= LOCK_TRIES => {
            let why = format!("{}: {why}", describe(&run.plan.steps[n]));
            memory.refused = Some(Refused { step: n, why });
        }
        Err(other) => return Err(other),
    }
    Ok(None)
}

async fn locked(memory: &mut Memory, why: String) -> Result<(), Failure> {
    memory.locked += 1;
    if memory.locked > 2 * LOCK_TRIES {
        return Err(Failure::Unreachable { participant: "database", why });
    }
    tokio::time::sleep(LOCK_PAUSE.mul_f64(rand::random_range(0.5..1.5))).await;
    Ok(())
}

async fn note(
    hands: &mut Hands,
    memory: &mut Memory,
    run: &OpenRun,
    n: usize,
    status: Status,
) -> Result<Option<Carried>, Failure> {
    match status {
        Status::Retained => perform::retain(hands, run, n).await?,
        _ => mark(hands, run, n, status, memory.seen(n)).await?,
    }
    let what = describe(&run.plan.steps[n]);
    match status {
        Status::Retained => hands.tell(Event::Retained { n, what }),
        Status::Done if wait::is_waited_for(&run.plan.steps[n]) => {
            hands.tell(Event::Done { n, what, undo: false, ms: memory.waited_ms(n) });
        }
        _ => {}
    }
    Ok(None)
}

async fn turn_back(
    hands: &mut Hands,
    memory: &mut Memory,
    run: &OpenRun,
    reason: String,
    world: &World,
) -> Result<Option<Carried>, Failure> {
    let suspect = suspect(run, memory, world);
    let refused =
        !world.abort && (suspect.is_some() || memory.refused.is_some() || world.verdict != Verdict::Pending);
    let log = suspect.as_deref().map(|name| hands.last_words(name)).unwrap_or_default();
    let turned = Turned { reason: reason.clone(), refused, suspect: suspect.clone() };
    let turn = async |tx: &Guarded<'_>| Ok(run::turn_back(tx, &run.id, &turned).await?);
    hands.transact("the record that it turns back", turn).await?;
    memory.refused = None;
    hands.tell(Event::TurnedBack { reason, component: suspect, log });
    Ok(None)
}

/// Leave word of why the run stays open, for whoever asks where it stands: with the last step that began.
async fn stand(hands: &mut Hands, run: &OpenRun, how: How, reason: &str) -> Result<(), Failure> {
    let n = run.statuses.iter().rposition(|status| status.began()).unwrap_or_default();
    let standing = Standing { how, reason: reason.to_string(), fence: hands.fence };
    let stand = async |tx: &Guarded<'_>| Ok(step::stand(tx, &run.id, n, &standing).await?);
    hands.transact("the record that it stays open", stand).await
}

/// The component that the diagnosis names, by data and not by the words of the reason.
fn suspect(run: &OpenRun, memory: &Memory, world: &World) -> Option<String> {
    let doomed = undo::changed(&run.plan)
        .map(|c| c.component)
        .find(|name| world.components.get(*name).is_some_and(|seen| seen.doomed.is_some()));
    doomed.map(str::to_string).or_else(|| memory.bake.as_ref().and_then(|bake| bake.suspect()))
}
