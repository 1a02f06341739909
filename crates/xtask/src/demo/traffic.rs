//! Users who read, all the while: a constant rate in small bursts, half on new connections, half on kept ones.
//!
//! A request that is late because the one before it took long counts its wait from when it was due; otherwise a
//! server that hangs would silence its own witnesses. Bursts, because people do arrive together, and a release that
//! can serve only one of them at a time must show.

use super::http::{Client, Request};
use super::tally::Tally;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Users who arrive together.
const USERS: usize = 16;

pub(crate) struct Traffic {
    shared: Arc<Shared>,
    users: Vec<JoinHandle<()>>,
}

struct Shared {
    addresses: Vec<SocketAddr>,
    paths: Vec<String>,
    /// Between two bursts.
    pause: Duration,
    stopped: AtomicBool,
    next_path: AtomicUsize,
    tally: Mutex<Tally>,
}

impl Traffic {
    /// `rate`: requests in a second, all users together.
    pub(crate) fn start(addresses: &[SocketAddr], rate: u32, paths: &[&str]) -> Traffic {
        let users = u32::try_from(USERS).expect("a handful");
        let shared = Arc::new(Shared {
            addresses: addresses.to_vec(),
            paths: paths.iter().map(ToString::to_string).collect(),
            pause: Duration::from_secs(1) * users / rate,
            stopped: AtomicBool::new(false),
            next_path: AtomicUsize::new(0),
            tally: Mutex::default(),
        });
        let began = Instant::now();
        let user = |number| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.user(number, began))
        };
        Traffic { users: (0..USERS).map(user).collect(), shared }
    }

    /// What was counted since the last call.
    pub(crate) fn take(&self) -> Tally {
        std::mem::take(&mut *self.shared.tally.lock().expect("counting does not panic"))
    }

    /// Lets requests under way end and returns the last counts.
    pub(crate) fn stop(self) -> Tally {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.users.into_iter().for_each(|user| user.join().expect("a user does not panic"));
        std::mem::take(&mut *self.shared.tally.lock().expect("counting does not panic"))
    }
}

impl Shared {
    /// Every second user keeps the connection; every second pair goes to the next address.
    fn user(&self, number: usize, began: Instant) {
        let address = self.addresses[number / 2 % self.addresses.len()];
        let mut client = Client::new(address, number.is_multiple_of(2));
        let mut due = began;
        while !self.stopped.load(Ordering::Relaxed) {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let path = &self.paths[self.next_path.fetch_add(1, Ordering::Relaxed) % self.paths.len()];
            let result = client.send(&Request { method: "GET", path, body: "" });
            let wait = due.elapsed();
            self.tally.lock().expect("counting does not panic").count(&format!("GET {path}"), &result, wait);
            due += self.pause;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::testing::Server;

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn the_rate_is_kept_and_half_the_connections_are_new() {
        let server = Server::answering(OK);
        let traffic = Traffic::start(&[server.address], 200, &["/a", "/b"]);
        std::thread::sleep(Duration::from_millis(1000));
        let tally = traffic.stop();
        assert!((150..=260).contains(&tally.sent), "{tally:?}");
        assert_eq!(tally.failed(&[]), 0, "{tally:?}");
        let new = server.connections();
        assert!(new as u64 > tally.sent / 3 && (new as u64) < tally.sent, "{new} of {}", tally.sent);
    }

    #[test]
    fn a_server_that_hangs_is_seen_by_its_waits() {
        let server = Server::slow(OK, Duration::from_millis(300));
        let traffic = Traffic::start(&[server.address], 400, &["/a"]);
        std::thread::sleep(Duration::from_millis(900));
        let tally = traffic.stop();
        assert!(
            tally.longest_wait > Duration::from_millis(500),
            "the queue behind a slow answer counts: {tally:?}"
        );
    }

    #[test]
    fn a_server_that_is_gone_fails_every_request() {
        let server = Server::answering("");
        let address = server.address;
        drop(server);
        let traffic = Traffic::start(&[address], 200, &["/a"]);
        std::thread::sleep(Duration::from_millis(300));
        let first = traffic.take();
        let rest = traffic.stop();
        assert!(
            first.sent > 0 && first.failed(&[]) == first.sent && rest.failed(&[]) == rest.sent,
            "{first:?}"
        );
    }
}
