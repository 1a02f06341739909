//! The last lines of a container, of the one that runs or the one before it. Always bounded.

use super::api::About;
use super::{Cluster, ClusterError};
use kube::core::Request;
use kube::core::subresource::LogParams;
use nica_engine::track::kubernetes::Need;
use std::time::Duration;

/// Which log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub pod: String,
    pub container: String,
    /// Of the container that ended before the one that runs.
    pub previous: bool,
    pub lines_max: u32,
}

/// Twenty lines of a stack trace are long; a megabyte of one line is no line.
const BYTES_MAX: i64 = 64 * 1024;
const LINE_CHARS: usize = 500;
/// A node that is away answers late; going back does not wait for its words.
const EVIDENCE_LIMIT: Duration = Duration::from_secs(2);

impl Cluster {
    /// Oldest line first. A container that is not there, or logged nothing, has none.
    pub async fn log(&self, log: &Log) -> Result<Vec<String>, ClusterError> {
        let about = About::new("read the log of", "Pod", &log.pod);
        let path = self.path(self.kinds().await?.get("Pod")?);
        let params = LogParams {
            container: Some(log.container.clone()),
            previous: log.previous,
            tail_lines: Some(i64::from(log.lines_max)),
            limit_bytes: Some(BYTES_MAX),
            ..LogParams::default()
        };
        let make = || Request::new(&path).logs(&log.pod, &params).expect("a pod's name is part of a URL");
        // It does not run yet or has gone: the server says 400 or 404.
        let text = self.read(&about, &make).await?.unwrap_or_default();
        Ok(text.lines().map(|line| line.chars().take(LINE_CHARS).collect()).collect())
    }

    /// The evidence beside a diagnosis; its absence is no reason to fail. `restarts`: of the container by now. The start
    /// that is meant has become the previous one where it was restarted since.
    pub(super) async fn last_words(&self, need: &Need, restarts: Option<u32>, lines_max: u32) -> Vec<String> {
        let Need::Log { pod, container, previous, restarts: then, .. } = need;
        let log = |previous| Log { pod: pod.clone(), container: container.clone(), previous, lines_max };
        let first = *previous || restarts.is_some_and(|now| now > *then);
        for previous in [first, !first] {
            match tokio::time::timeout(EVIDENCE_LIMIT, self.log(&log(previous))).await {
                Ok(Ok(lines)) if !lines.is_empty() => return lines,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!(%error, "no last words"),
                Err(_) => return Vec::new(),
            }
        }
        Vec::new()
    }
}
