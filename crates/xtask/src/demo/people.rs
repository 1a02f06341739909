//! Everybody who uses prod during the story: readers on both components, a writer, and what they saw.

use super::tally::Tally;
use super::traffic::Traffic;
use super::writer::{Memory, Writer};
use anyhow::{Result, ensure};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Requests in a second, all readers together.
const READS_PER_SECOND: u32 = 160;
const PATHS: [&str; 4] =
    ["/api/v1/foods?q=arroz", "/api/v1/notes/n1", "/api/v1/foods?q=feij%C3%A3o", "/api/v1/notes/n2"];
/// Written before anybody reads.
const NOTES_FIRST: u64 = 5;
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct People {
    traffic: Traffic,
    writer: Writer,
    /// All that was seen until the last look.
    sum: Tally,
}

impl People {
    /// The first address takes writes. Readers ask for notes, so somebody writes some first.
    pub(crate) fn let_in(addresses: &[SocketAddr]) -> Result<People> {
        let writer = Writer::start(addresses[0]);
        let until = Instant::now() + LIMIT;
        while writer.written() < NOTES_FIRST {
            ensure!(Instant::now() < until, "see notes written within {LIMIT:?}: {:?}", writer.take());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(People {
            traffic: Traffic::start(addresses, READS_PER_SECOND, &PATHS),
            writer,
            sum: Tally::default(),
        })
    }

    /// What they saw since the last look.
    pub(crate) fn look(&mut self) -> Tally {
        let mut seen = self.traffic.take();
        seen.add(&self.writer.take());
        self.sum.add(&seen);
        seen
    }

    /// Everything they saw, and what they were promised.
    pub(crate) fn leave(mut self) -> (Tally, Memory) {
        self.sum.add(&self.traffic.stop());
        let (written, memory) = self.writer.stop();
        self.sum.add(&written);
        (self.sum, memory)
    }
}
