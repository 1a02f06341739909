//! The end of a run: ledger entry, new baseline and the closed run in one commit.

use super::{Carried, Memory};
use crate::event::Event;
use crate::failure::Failure;
use crate::hands::Hands;
use crate::records::ledger;
use crate::records::run::{self, OpenRun};
use crate::records::{RecordError, control};
use nica_engine::next::Ending;
use nica_engine::plan::Status;

pub async fn settle(hands: &mut Hands, run: &OpenRun, ending: Ending) -> Result<Carried, Failure> {
    let retained = retained(run);
    let projection = projection_after(hands).await?;
    let fence = hands.fence;
    let tx = hands.guarded().await?;
    if ending == Ending::Live {
        control::set_baseline(&tx, Some(&run.plan.live_after())).await?;
    }
    ledger::append(&tx, run, ending, &retained, &projection, fence).await?;
    run::close(&tx, &run.id, ending, &retained).await?;
    tx.commit().await?;
    let carried = Carried::Settled { run: run.id.clone(), ending, reason: run.reason.clone(), retained };
    tell(hands, &carried);
    Ok(carried)
}

/// Settle's own answer was lost, or somebody else closed the run: the records say how it ended.
pub async fn already_closed(hands: &mut Hands, memory: &Memory) -> Result<Carried, Failure> {
    let run = memory.run.clone().unwrap_or_default();
    let (ending, reason, retained) = run::ending(hands.client(), &run).await?.ok_or_else(|| {
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

fn retained(run: &OpenRun) -> Vec<String> {
    let kept = run.plan.steps().filter(|s| run.statuses[s.n] == Status::Retained);
    kept.filter_map(|s| s.effect.migration().map(|m| m.id.clone())).collect()
}

/// What an outsider would read now; the ledger keeps its hash.
async fn projection_after(hands: &mut Hands) -> Result<String, Failure> {
    let control = control::read(hands.client()).await?;
    let env_id = control.map(|c| c.env_id).unwrap_or_default();
    Ok(crate::observe::projection(hands, &env_id).await?.hash().to_string())
}
