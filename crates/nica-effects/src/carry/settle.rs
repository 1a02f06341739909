//! The end of a run: ledger entry, new baseline and the closed run in one commit.

use super::{Carried, Memory};
use crate::answer::answered;
use crate::event::Event;
use crate::failure::Failure;
use crate::hands::Hands;
use crate::open::pins;
use crate::records::ledger::{self, Closing};
use crate::records::run::{self, OpenRun};
use crate::records::{RecordError, control};
use nica_engine::Digest;
use nica_engine::next::Ending;
use nica_engine::plan::Status;
use nica_migrate::seed;

pub(super) async fn settle(
    hands: &mut Hands,
    memory: &Memory,
    run: &OpenRun,
    ending: Ending,
) -> Result<Carried, Failure> {
    let retained = retained(run);
    let reason = reason(memory, run, ending);
    let (env_id, projection) = answered("the state to be settled", read_back(hands)).await?;
    let (fence, host) = (hands.fence, hands.access.host.clone());
    let closing = Closing {
        ending,
        retained: &retained,
        reason: reason.as_deref(),
        projection,
        fence,
        host: &host,
        env_id: &env_id,
        accepted: None,
    };
    let settled = hands.transact("the settling of the run", async |tx| {
        if ending == Ending::Live {
            control::set_baseline(tx, &run.plan).await?;
            // There is no way back from here on, so nothing is left to be taken back.
            seed::forget_undo(tx, &run.id).await.map_err(Failure::seeds)?;
        }
        let anchor = ledger::append(tx, run, &closing).await?;
        run::close(tx, &run.id, ending, &retained, reason.as_deref()).await?;
        Ok(anchor)
    });
    let anchor = settled.await?;
    let carried = Carried::Settled { run: run.id.clone(), ending, reason, retained };
    tell(hands, &carried);
    hands.tell(Event::Anchored { entries: anchor.entries, last: anchor.last });
    sweep_store(hands, run, ending).await;
    Ok(carried)
}

/// Why a run turned back; of a contract run, how far it came and what stopped it.
fn reason(memory: &Memory, run: &OpenRun, ending: Ending) -> Option<String> {
    if ending != Ending::Contracted {
        return run.turned.as_ref().map(|t| t.reason.clone());
    }
    let contracts = || run.plan.steps().filter(|s| s.effect.migration().is_some());
    let (of, done) = (contracts().count(), contracts().filter(|s| run.statuses[s.n] == Status::Done).count());
    let stopped = match (&memory.refused, &run.abort_by) {
        _ if done == of => None,
        (Some(refused), _) => Some(refused.why.clone()),
        (None, Some(who)) => Some(format!("aborted by {who}")),
        (None, None) => Some("the time to go forward has passed".to_string()),
    };
    let stopped = stopped.map(|why| format!("; stopped: {why}")).unwrap_or_default();
    Some(format!("{done} of {of} contracts applied{stopped}"))
}

/// The store keeps what is live and what was live before it, so that going back needs no file. The run is settled: a
/// sweep that fails is made up for by the next.
async fn sweep_store(hands: &Hands, run: &OpenRun, ending: Ending) {
    let live = match ending {
        Ending::Live => Some(run.plan.live_after()),
        _ => run.plan.baseline.clone(),
    };
    let swept = async {
        let before = answered("what was live before", control::previous(hands.client())).await?;
        let kept = [live, before];
        let pins = pins(kept.iter().flatten().flat_map(|live| live.components.values()));
        hands.target()?.pin(hands.fence, pins).await?;
        hands.target()?.gc(hands.fence).await?;
        Ok::<(), Failure>(())
    };
    if let Err(error) = swept.await {
        tracing::warn!(%error, "the target's store was not swept");
    }
}

/// Settle's own answer was lost, or somebody else closed the run: the records say how it ended.
pub(super) async fn already_closed(hands: &mut Hands, memory: &Memory) -> Result<Carried, Failure> {
    let run = memory.run.clone().unwrap_or_default();
    let ending = answered("the run's end", run::ending(hands.client(), &run)).await?;
    let (ending, reason, retained) = ending.ok_or_else(|| {
        let why = "it is neither open nor closed".to_string();
        RecordError::Damaged { what: "run", key: run.clone(), why }
    })?;
    let carried = Carried::Settled { run, ending, reason, retained };
    tell(hands, &carried);
    Ok(carried)
}

fn tell(hands: &Hands, carried: &Carried) {
    if let Carried::Settled { run, ending, reason, retained } = carried {
        let (run, reason, retained) = (run.clone(), reason.clone(), retained.clone());
        hands.tell(Event::Settled { run, ending: *ending, retained, reason });
    }
}

pub(crate) fn retained(run: &OpenRun) -> Vec<String> {
    let kept = run.plan.steps().filter(|s| run.statuses[s.n] == Status::Retained);
    kept.filter_map(|s| s.effect.migration().map(|m| m.id.clone())).collect()
}

/// What an outsider would read now; the ledger keeps its hash.
pub(crate) async fn read_back(hands: &mut Hands) -> Result<(String, Digest), Failure> {
    let control = control::read(hands.client()).await?;
    let env_id = control.map(|c| c.env_id).unwrap_or_default();
    let components = hands.components().await?;
    let projection = crate::sight::projection(hands.client_mut(), &env_id, &components).await?;
    Ok((env_id, projection.hash()))
}
