//! Watches the new release for a while: what is seen is gathered here, what it means is judged by the engine.

use crate::event::Event;
use crate::failure::Failure;
use crate::hands::Hands;
use nica_engine::plan::Plan;
use nica_engine::world::Verdict;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

pub struct Bake {
    /// Which step of the plan this is.
    pub step: usize,
    since: Instant,
    lasts: Duration,
}

const LOOK: Duration = Duration::from_millis(50);

impl Bake {
    pub fn begin(step: usize, plan: &Plan) -> Bake {
        Bake { step, since: Instant::now(), lasts: Duration::from_millis(plan.limits.bake_ms) }
    }

    pub async fn look(&mut self, _hands: &mut Hands) -> Result<Event, Failure> {
        tokio::time::sleep(LOOK).await;
        let (seconds, of) = (self.since.elapsed().as_secs_f64(), self.lasts.as_secs_f64());
        Ok(Event::Bake { seconds, of, note: String::new() })
    }

    pub fn verdict(&self) -> Verdict {
        if self.since.elapsed() >= self.lasts { Verdict::Pass } else { Verdict::Pending }
    }

    pub fn figures(&self) -> Value {
        json!({ "seconds": self.since.elapsed().as_secs_f64() })
    }
}
