//! Settles a stuck run as it stands, by the word of two people: one commit, and nothing but records is written.
//!
//! What they signed names all that was seen; whoever calls `accept` has looked anew, under the number that settles, and
//! seen the same.

use crate::answer::answered;
use crate::carry::{Carried, Memory, read_back};
use crate::event::Event;
use crate::failure::Failure;
use crate::hands::Hands;
use crate::observe::observe;
use crate::records::control;
use crate::records::ledger::{self, Closing};
use crate::records::run::{self, OpenRun};
use nica_engine::acceptance::{Acceptance, Stuck, Unacceptable};
use nica_engine::approval::Approver;
use nica_engine::ledger::{Accepted, Named};
use nica_engine::next::Ending;
use nica_migrate::seed;

/// What people would sign for the stuck run as it stands now.
pub async fn seen(
    hands: &mut Hands,
    run: &OpenRun,
    reason: &str,
) -> Result<Result<Acceptance, Unacceptable>, Failure> {
    let world = answered("the world", observe(hands, run, &Memory::default())).await?;
    let (_, projection) = answered("the state to be accepted", read_back(hands)).await?;
    let stuck = Stuck { run: &run.id, plan: &run.plan, statuses: &run.statuses };
    Ok(Acceptance::of(stuck, &world, projection, reason))
}

/// The run is over, and what was accepted is the baseline.
pub async fn accept(
    hands: &mut Hands,
    run: &OpenRun,
    acceptance: &Acceptance,
    people: Vec<Approver>,
) -> Result<Carried, Failure> {
    let names: Vec<&str> = people.iter().map(|approver| approver.person.as_str()).collect();
    let reason = format!("accepted by hand by {}: {}", names.join(", "), acceptance.reason);
    let control = answered("the control row", control::read(hands.client())).await?;
    let env_id = control.map(|control| control.env_id).unwrap_or_default();
    let mut run = run.clone();
    run.judged.approvals.extend(people);
    let (fence, host) = (hands.fence, hands.access.host.clone());
    let live = acceptance.live.as_ref();
    let named = live.map(|live| Named { hash: live.release.clone(), version: live.version.clone() });
    let closing = Closing {
        ending: Ending::Accepted,
        retained: &acceptance.stays,
        reason: Some(&reason),
        projection: acceptance.projection.clone(),
        fence,
        host: &host,
        env_id: &env_id,
        accepted: Some(Accepted { hash: acceptance.hash(), live: named }),
    };
    let settled = hands.transact("the acceptance of the state", async |tx| {
        control::set_live(tx, live).await?;
        if acceptance.is_new(&run.plan) {
            control::set_rules(tx, &run.plan).await?;
        }
        seed::forget_undo(tx, &run.id).await.map_err(Failure::seeds)?;
        let anchor = ledger::append(tx, &run, &closing).await?;
        run::close(tx, &run.id, Ending::Accepted, &acceptance.stays, Some(&reason)).await?;
        Ok(anchor)
    });
    let anchor = settled.await?;
    let (id, retained) = (run.id.clone(), acceptance.stays.clone());
    hands.tell(Event::Settled {
        run: id.clone(),
        ending: Ending::Accepted,
        retained: retained.clone(),
        reason: Some(reason.clone()),
    });
    hands.tell(Event::Anchored { entries: anchor.entries, last: anchor.last });
    Ok(Carried::Settled { run: id, ending: Ending::Accepted, reason: Some(reason), retained })
}
