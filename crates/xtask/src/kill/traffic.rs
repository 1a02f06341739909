//! Users who ask the service through its port, at a fixed rate, and how long each of them waited.
//!
//! A wait counts from the moment at which the request was due: whoever would have come while another waits, waits too.
//! What is refused is asked again, and its wait goes on.

use anyhow::{Result, ensure};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(10);
const AGAIN: Duration = Duration::from_millis(2);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Fewer requests have no 99th percentile.
const ENOUGH: usize = 100;

pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<()>,
}

/// When each request was due, and how long it waited.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits(Vec<(Instant, Duration)>);

/// What a traffic has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub waits: Waits,
    /// How late the machine woke us: no service can be quicker than that.
    pub late: Waits,
}

impl Traffic {
    pub(crate) fn start(address: &str) -> Traffic {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Seen>>::default());
        let thread = {
            let (stop, seen, address) = (Arc::clone(&stop), Arc::clone(&seen), address.to_string());
            std::thread::spawn(move || ask_on(&address, &stop, &seen))
        };
        Traffic { stop, seen, thread }
    }

    /// Who waits still, has waited until now.
    pub(crate) fn end(self) -> Seen {
        self.stop.store(true, Ordering::SeqCst);
        let _ = self.thread.join();
        std::mem::take(&mut *self.seen.lock().expect("no holder of this lock panics"))
    }
}

fn ask_on(address: &str, stop: &AtomicBool, seen: &Mutex<Seen>) {
    let lock = || seen.lock().expect("no holder of this lock panics");
    let mut due = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        let early = due.saturating_duration_since(Instant::now());
        std::thread::sleep(early);
        if !early.is_zero() {
            lock().late.0.push((due, due.elapsed()));
        }
        while ask(address).is_err() && !stop.load(Ordering::SeqCst) {
            std::thread::sleep(AGAIN);
        }
        lock().waits.0.push((due, due.elapsed()));
        due += EVERY;
    }
}

fn ask(address: &str) -> Result<()> {
    let mut service = TcpStream::connect(address)?;
    service.set_read_timeout(Some(ANSWER_LIMIT))?;
    service.write_all(b"GET /note HTTP/1.1\r\nhost: sweep\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    service.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "ask for a note: {answer:?}");
    Ok(())
}

impl Waits {
    /// Who came and had an answer inside.
    pub(crate) fn answered_in(&self, from: Instant, to: Instant) -> Waits {
        Waits(self.0.iter().copied().filter(|(due, wait)| *due >= from && *due + *wait < to).collect())
    }

    /// Who waited at any moment of it.
    pub(crate) fn met(&self, from: Instant, to: Instant) -> Waits {
        Waits(self.0.iter().copied().filter(|(due, wait)| *due < to && *due + *wait >= from).collect())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn are_enough(&self) -> bool {
        self.count() >= ENOUGH
    }

    /// Of a hundred, one waited longer; zero when nobody asked.
    pub(crate) fn p99(&self) -> Duration {
        self.at(99)
    }

    pub(crate) fn longest(&self) -> Duration {
        self.at(100)
    }

    #[cfg(test)]
    pub(crate) fn of(waits: impl Iterator<Item = Duration>) -> Waits {
        let now = Instant::now();
        Waits(waits.map(|wait| (now, wait)).collect())
    }

    fn at(&self, percent: usize) -> Duration {
        let mut sorted: Vec<Duration> = self.0.iter().map(|(_, wait)| *wait).collect();
        sorted.sort();
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(ms: impl Iterator<Item = u64>) -> Waits {
        let born = Instant::now();
        Waits(ms.map(|ms| (born + Duration::from_millis(ms), Duration::from_millis(ms))).collect())
    }

    #[test]
    fn one_of_a_hundred_may_wait_longer() {
        let check = |waits: Waits, p99: u64, longest: u64| {
            assert_eq!((waits.p99().as_millis(), waits.longest().as_millis()), (p99.into(), longest.into()));
        };
        check(waits(1..=100), 99, 100);
        check(waits(1..=200), 198, 200);
        check(waits(7..=7), 7, 7);
        check(waits(0..0), 0, 0);
    }

    #[test]
    fn who_waited_when_it_began_is_of_it() {
        let born = Instant::now();
        let at = |ms| born + Duration::from_millis(ms);
        let all = Waits((0..100).map(|n| (at(n), Duration::from_millis(5))).collect());
        let count = |waits: Waits| waits.count();
        assert_eq!(count(all.answered_in(at(10), at(20))), 5);
        assert_eq!(count(all.met(at(10), at(20))), 15);
        assert_eq!(count(all.met(at(10), at(20))) + count(all.answered_in(at(0), at(10))), 20);
        assert!(!all.met(at(10), at(20)).are_enough() && all.met(at(0), at(200)).are_enough());
    }
}
