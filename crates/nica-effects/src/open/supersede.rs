//! The end of a doomed run, written in the commit that opens the run which takes its place.
//!
//! Its ledger entry says what stayed; what it left to undo is the new run's from then on. The baseline does not move.

use crate::answer::answered;
use crate::carry::{read_back, retained};
use crate::event::Event;
use crate::failure::Failure;
use crate::hands::Hands;
use crate::records::ledger::{self, Closing};
use crate::records::run::{self, OpenRun};
use nica_engine::Digest;
use nica_engine::next::Ending;
use nica_migrate::fence::Guarded;
use nica_migrate::seed;

pub(super) struct End<'a> {
    old: &'a OpenRun,
    new: &'a str,
    retained: Vec<String>,
    reason: String,
    env_id: String,
    projection: Digest,
    fence: i64,
    host: String,
}

impl<'a> End<'a> {
    pub(super) async fn of(hands: &mut Hands, old: &'a OpenRun, new: &'a str) -> Result<End<'a>, Failure> {
        let (env_id, projection) = answered("the state that is left behind", read_back(hands)).await?;
        let why = old.turned.as_ref().map(|turned| format!(": {}", turned.reason)).unwrap_or_default();
        let reason = format!("superseded by run {new}{why}");
        let (fence, host) = (hands.fence, hands.access.host.clone());
        Ok(End { retained: retained(old), old, new, reason, env_id, projection, fence, host })
    }

    pub(super) async fn write(&self, tx: &Guarded<'_>) -> Result<(), Failure> {
        let closing = Closing {
            ending: Ending::Superseded,
            retained: &self.retained,
            reason: Some(&self.reason),
            projection: self.projection.clone(),
            fence: self.fence,
            host: &self.host,
            env_id: &self.env_id,
            accepted: None,
        };
        ledger::append(tx, self.old, &closing).await?;
        let (id, ending) = (&self.old.id, Ending::Superseded);
        run::close(tx, id, ending, &self.retained, Some(&self.reason)).await?;
        seed::hand_over_undo(tx, id, self.new).await.map_err(Failure::seeds)?;
        Ok(())
    }

    pub(super) fn event(self) -> Event {
        let (run, reason) = (self.old.id.clone(), Some(self.reason));
        Event::Settled { run, ending: Ending::Superseded, retained: self.retained, reason }
    }
}
