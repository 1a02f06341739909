//! While a deployer is stopped, the users of the service hardly notice: one of a hundred may wait longer than 100 ms.
//!
//! Machines are noisy, so the same users are measured in the same world before anything happens to it, and how late
//! the machine wakes a sleeper is measured all the while: neither is a fault of a deployer that sleeps.

use crate::kill::case::{Actor, Case, How};
use crate::kill::timeline::Timeline;
use crate::kill::traffic::{Seen, Traffic, Waits};
use std::time::{Duration, Instant};

/// Part C of the promise.
const P99_MAX: Duration = Duration::from_millis(100);
/// So much slower than before may be the machine's fault.
const NOISE: u32 = 3;
/// A request wakes so many sleepers, one after the other: replica, database, replica, user, and whoever has to give way.
const WAKES: u32 = 5;
const BEFORE: Duration = Duration::from_millis(300);
/// Long enough for a hundred requests and some.
const SLEEP: Duration = Duration::from_millis(1_300);

pub(super) struct Users {
    traffic: Option<Traffic>,
    came: Instant,
    /// From when to when one that acted was stopped and nobody else acted.
    slept: Option<(Instant, Instant)>,
}

impl Users {
    /// Where a deployer will be stopped, they come, and nothing else happens for a moment.
    pub(super) fn of(case: &Case, address: &str) -> Users {
        let traffic = stops_a_deployer(case).then(|| Traffic::start(address));
        let users = Users { traffic, came: Instant::now(), slept: None };
        if users.traffic.is_some() {
            std::thread::sleep(BEFORE);
        }
        users
    }

    /// One that acted was stopped just now. They come for a while in which nobody else acts: what the next one keeps
    /// them waiting for is not this one's fault. It would have to wait for the lease meanwhile, so nothing is lost.
    pub(super) fn meet_a_sleeper(&mut self) {
        if self.traffic.is_some() && self.slept.is_none() {
            let since = Instant::now();
            std::thread::sleep(SLEEP);
            self.slept = Some((since, Instant::now()));
        }
    }

    /// Nothing is said where nobody was to come.
    pub(super) fn judge(&mut self, timeline: &Timeline) -> Judged {
        let (Some(traffic), Some((since, until))) = (self.traffic.take(), self.slept) else {
            return Judged::Served;
        };
        let Seen { waits, late } = traffic.end();
        let before = waits.answered_in(self.came, since);
        let meanwhile = waits.met(since, until);
        let late = late.met(since, until);
        timeline.say(format!(
            "users: {}; while it was stopped {}; the machine woke late: {}",
            told(&before),
            told(&meanwhile),
            told(&late)
        ));
        too_long(&before, &meanwhile, &late)
    }
}

/// What the users say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    Served,
    /// The machine was too slow to tell: this is no proof of anything.
    Unmeasured,
    Waited(String),
}

fn stops_a_deployer(case: &Case) -> bool {
    let stops = |actor, how| actor == Actor::Deployer && matches!(how, How::Stop | How::StopRestart);
    [Some(&case.fault), case.second.as_ref()].into_iter().flatten().any(|f| stops(f.actor, f.how))
}

fn too_long(before: &Waits, meanwhile: &Waits, late: &Waits) -> Judged {
    let limit = P99_MAX.max(before.p99() * NOISE).max(late.p99() * WAKES);
    let p99 = meanwhile.p99();
    if meanwhile.are_enough() && p99 <= P99_MAX {
        return Judged::Served;
    }
    if !meanwhile.are_enough() || p99 <= limit {
        return Judged::Unmeasured;
    }
    let (limit, p99, count) = (limit.as_millis(), p99.as_millis(), meanwhile.count());
    Judged::Waited(format!(
        "while the deployer was stopped, users waited up to {p99} ms (p99, {count} requests); {limit} ms is the limit"
    ))
}

fn told(waits: &Waits) -> String {
    let (p99, longest) = (waits.p99().as_millis(), waits.longest().as_millis());
    format!("{} requests, p99 {p99} ms, longest {longest} ms", waits.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_deployers_that_are_stopped_are_measured() {
        let check = |id: &str, expected: bool| {
            assert_eq!(stops_a_deployer(&Case::parse(id).expect("a case")), expected, "{id}");
        };
        check("forward.02-started.commit-1.answer.deployer.stop.deploy", true);
        check("back.07-started.set-reader-1.request.deployer.stop-restart.resume", true);
        check("forward.02-started.commit-1.answer.deployer.kill.deploy", false);
        check("forward.02-started.commit-1.answer.backend.stop.deploy", false);
        check(
            "back.02-done.commit-1.answer.deployer.kill+03-done.commit-1.answer.deployer.stop.deploy",
            true,
        );
    }

    #[test]
    fn a_slow_machine_is_no_fault_and_few_requests_are_no_measure() {
        let waits = |count: u64, ms: u64| Waits::of((0..count).map(|_| Duration::from_millis(ms)));
        let check = |before: Waits, meanwhile: Waits, late: u64, expected: &str| {
            let judged = format!("{:?}", too_long(&before, &meanwhile, &waits(200, late)));
            assert!(judged.starts_with(expected), "{judged}");
        };
        check(waits(30, 5), waits(200, 100), 1, "Served");
        check(waits(30, 5), waits(200, 101), 1, "Waited");
        check(waits(30, 50), waits(200, 150), 1, "Unmeasured");
        check(waits(30, 50), waits(200, 151), 1, "Waited");
        check(waits(30, 5), waits(200, 150), 30, "Unmeasured");
        check(waits(30, 5), waits(200, 151), 30, "Waited");
        check(waits(30, 5), waits(99, 9), 1, "Unmeasured");
        check(waits(0, 0), waits(200, 101), 1, "Waited");
    }
}
