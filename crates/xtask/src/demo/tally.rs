//! What users saw, counted: answers and failures by the release that answered, and the longest wait.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::http::Response;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    /// Refused, reset, timed out, or an answer that a correct request must not get.
    pub(crate) broken: u64,
    /// 5xx by the release that answered; those without a name are nobody's excuse and count as broken.
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) longest_wait: Duration,
    /// The first few failures in words.
    pub(crate) samples: Vec<String>,
}

const SAMPLES_MAX: usize = 5;

impl Tally {
    /// One request: what came back, and how long after it was due.
    pub(crate) fn count(&mut self, what: &str, result: &io::Result<Response>, wait: Duration) {
        self.sent += 1;
        self.longest_wait = self.longest_wait.max(wait);
        let why = match result {
            Ok(response) if response.status < 400 => return,
            Ok(Response { status: 500.., version: Some(version), .. }) => {
                *self.errors.entry(version.clone()).or_default() += 1;
                return;
            }
            Ok(response) => format!("{} {}", response.status, response.body),
            Err(error) => error.to_string(),
        };
        self.broken += 1;
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(format!("{what}: {why}"));
        }
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        self.sent += other.sent;
        self.broken += other.broken;
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        for (version, errors) in &other.errors {
            *self.errors.entry(version.clone()).or_default() += errors;
        }
        let room = SAMPLES_MAX - self.samples.len();
        self.samples.extend(other.samples.iter().take(room).cloned());
    }

    /// Failed requests: whatever broke, and errors of a release that went live.
    pub(crate) fn failed(&self, undone: &[&str]) -> u64 {
        let of_live = self.errors.iter().filter(|(version, _)| !undone.contains(&version.as_str()));
        self.broken + of_live.map(|(_, errors)| errors).sum::<u64>()
    }

    /// Errors of releases that were taken back.
    pub(crate) fn errors_of(&self, undone: &[&str]) -> u64 {
        undone.iter().filter_map(|version| self.errors.get(*version)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::testing::response;

    fn tally(results: Vec<io::Result<Response>>) -> Tally {
        let mut tally = Tally::default();
        results.iter().for_each(|result| tally.count("GET /", result, Duration::from_millis(3)));
        tally
    }

    #[test]
    fn an_error_belongs_to_the_release_that_answered() {
        let tally = tally(vec![
            Ok(response(200, Some("3"))),
            Ok(response(503, Some("4"))),
            Ok(response(500, Some("3"))),
            Ok(response(404, Some("3"))),
            Ok(response(502, None)),
            Err(io::ErrorKind::ConnectionReset.into()),
        ]);
        assert_eq!((tally.sent, tally.failed(&["4"]), tally.errors_of(&["4"])), (6, 4, 1));
        assert_eq!(tally.failed(&[]), 5);
        assert_eq!(tally.samples.len(), 3);
    }

    #[test]
    fn sums_keep_the_longest_wait() {
        let mut sum = tally(vec![Ok(response(503, Some("4")))]);
        let mut other = Tally::default();
        other.count("GET /", &Ok(response(503, Some("4"))), Duration::from_secs(1));
        sum.add(&other);
        assert_eq!((sum.sent, sum.errors_of(&["4"]), sum.longest_wait), (2, 2, Duration::from_secs(1)));
    }
}
