//! What the loop remembers between two looks. Nothing of it is needed to be right: whoever takes over starts with
//! an empty memory, measures anew and comes to the same end.

use super::news::News;
use crate::records::run::OpenRun;
use nica_engine::next::Direction;
use nica_engine::world::{Refused, Verdict};
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::time::Instant;

#[derive(Default)]
pub struct Memory {
    /// The run that this loop carries, once it met it.
    pub run: Option<String>,
    pub refused: Option<Refused>,
    /// The world was not the planned one when it was looked at after opening.
    pub drifted: bool,
    /// Tries in a row that did not get a lock.
    pub locked: u32,
    /// Answers in a row that did not come.
    pub lost: u32,
    pub bake: Option<crate::bake::Bake>,
    back_since: Option<Instant>,
    committed_since: Option<Instant>,
    waiting_since: BTreeMap<usize, Instant>,
    /// What was told of what is waited for.
    pub(super) news: News,
}

impl Memory {
    /// `drifted`: after opening the world was not the planned one.
    pub fn drifted(drifted: bool) -> Memory {
        Memory { drifted, ..Memory::default() }
    }

    pub fn meet(&mut self, run: &OpenRun) {
        self.run = Some(run.id.clone());
        if run.direction == Direction::Back && self.back_since.is_none() {
            self.back_since = Some(Instant::now());
        }
        if run.plan.committed(&run.statuses) && self.committed_since.is_none() {
            self.committed_since = Some(Instant::now());
        }
    }

    /// Under a new fence every limit and the bake start anew: what was measured under the old one may be stale.
    pub fn fence_changed(&mut self) {
        self.bake = None;
        self.news = News::default();
        self.lost += 1;
    }

    /// Something was done or seen: failures in a row begin to count anew.
    pub fn went_on(&mut self) {
        self.locked = 0;
        self.lost = 0;
    }

    pub fn back_for_ms(&self) -> u64 {
        self.back_since.map_or(0, |since| since.elapsed().as_millis() as u64)
    }

    /// For how long nothing is left but what has to go.
    pub fn committed_for_ms(&self) -> u64 {
        self.committed_since.map_or(0, |since| since.elapsed().as_millis() as u64)
    }

    pub fn verdict(&self) -> Verdict {
        self.bake.as_ref().map_or(Verdict::Pending, |bake| bake.verdict())
    }

    pub fn waits_for(&mut self, n: usize) {
        self.waiting_since.entry(n).or_insert_with(Instant::now);
    }

    pub fn waited_ms(&self, n: usize) -> u64 {
        self.waiting_since.get(&n).map_or(0, |since| since.elapsed().as_millis() as u64)
    }

    /// What a step's record says that was seen: the figures of the bake.
    pub fn seen(&self, n: usize) -> Value {
        match &self.bake {
            Some(bake) if bake.step == n => bake.figures(),
            _ => Value::Null,
        }
    }
}
