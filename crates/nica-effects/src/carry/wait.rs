//! Waiting: for replicas, for the bake, for the barrier. Each look is short and each limit has a name in the plan.

use super::Memory;
use crate::answer::answered;
use crate::bake::{Bake, Judge};
use crate::event::Event;
use crate::failure::Failure;
use crate::hands::Hands;
use crate::perform::{self, mark};
use crate::records::brought::Brought;
use crate::records::run::OpenRun;
use crate::records::step::{self, At};
use crate::records::{control, ledger};
use nica_engine::Effect;
use nica_engine::next::Waiting;
use nica_engine::plan::Status;
use nica_engine::policy;
use nica_engine::world::World;
use serde_json::Value;
use std::time::Duration;

/// How long a look at the target may wait for something to change.
const LOOK: Duration = Duration::from_millis(100);
/// How often what only Postgres knows is asked.
const POLL: Duration = Duration::from_millis(50);

pub(super) fn is_waited_for(effect: &Effect) -> bool {
    matches!(effect, Effect::Await { .. } | Effect::Bake)
}

pub(super) async fn wait(
    hands: &mut Hands,
    memory: &mut Memory,
    run: &OpenRun,
    waiting: &Waiting,
    world: &World,
) -> Result<(), Failure> {
    match waiting {
        Waiting::Rollout(n) => {
            begin_waiting(hands, memory, run, *n).await?;
            tell(hands, memory.news.rollout(&run.plan.steps[*n], world));
            hands.watch_target(LOOK).await?;
        }
        Waiting::Bake(n) => {
            begin_waiting(hands, memory, run, *n).await?;
            bake(hands, memory, run, *n).await?;
        }
        Waiting::Deletion(_) | Waiting::BaselineServes(_) | Waiting::Collection(_) => {
            tell(hands, memory.news.waiting(waiting));
            hands.watch_target(LOOK).await?;
        }
        Waiting::Barrier | Waiting::OlderPrograms => {
            tell(hands, memory.news.waiting(waiting));
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

/// A step that is waited for starts with its record, and starts anew under another fence: limits count the time in
/// which somebody acted. One that was reached and is lost again starts anew too.
async fn begin_waiting(
    hands: &mut Hands,
    memory: &mut Memory,
    run: &OpenRun,
    n: usize,
) -> Result<(), Failure> {
    memory.waits_for(n);
    let at = At { run: &run.id, n, fence: hands.fence };
    let ours = answered("the step's start", step::running_for(hands.client(), at)).await?.is_some();
    if ours && run.statuses[n] == Status::Started {
        return Ok(());
    }
    hands.tell(Event::Started { n, what: perform::describe(&run.plan.steps[n]), undo: false });
    mark(hands, run, n, Status::Started, Value::Null).await
}

async fn bake(hands: &mut Hands, memory: &mut Memory, run: &OpenRun, n: usize) -> Result<(), Failure> {
    if memory.bake.as_ref().is_none_or(|bake| bake.step != n) {
        memory.bake = Some(begin_bake(hands, run, n).await?);
    }
    if let Some(bake) = memory.bake.as_mut() {
        let seen = bake.look(hands).await?;
        tell(hands, memory.news.bake(seen));
    }
    Ok(())
}

/// Judged by the stricter of the plan's policy and the last settled run's.
async fn begin_bake(hands: &Hands, run: &OpenRun, n: usize) -> Result<Bake, Failure> {
    let client = hands.client();
    let rows = answered("the ledger", ledger::read(client)).await?;
    let settled = answered("the settled policy", control::settled_policy(client)).await?;
    let brought = answered("what the plan brought", Brought::by(client, &run.plan)).await?;
    let policy = policy::stricter(settled.as_ref(), &run.plan.policy).validate;
    let judge = Judge { policy, baseline: ledger::baseline_bake(&rows) };
    Bake::begin(n, &run.plan, judge, hands, brought)
}

fn tell(hands: &Hands, news: Option<Event>) {
    if let Some(event) = news {
        hands.tell(event);
    }
}
