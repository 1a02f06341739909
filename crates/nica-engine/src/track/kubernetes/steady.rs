//! When a ready pod is believed.
//!
//! Where a readiness probe answers, a second of it is enough, as on one machine. Where nothing is probed, the kubelet
//! calls a container ready the moment it runs: recorded programs that crashed at once made their Deployment
//! *Available* that way. Such a container has to run for ten seconds, and longer where a liveness probe needs longer
//! to say no.

use super::object::{Container, Pod, Probe};
use crate::track::crash_loop::HEALTHY_AFTER_MS;

/// A start that fails for want of configuration, memory or a library fails within this.
pub(super) const UNPROBED_MS: u64 = 10_000;

/// For how long this pod has to be ready; `min_ready_secs` is the workload's own wish.
pub(super) fn needed_ms(pod: &Pod, min_ready_secs: u32) -> u64 {
    let unprobed = pod.containers().filter(|(_, runs_once)| !runs_once).map(|(c, _)| vacuous_ms(c)).max();
    HEALTHY_AFTER_MS.max(u64::from(min_ready_secs) * 1_000).max(unprobed.unwrap_or(0))
}

/// For how long this container's being ready means nothing; zero where a probe stands behind it.
pub(super) fn vacuous_ms(container: &Container) -> u64 {
    if container.readiness_probe.is_some() || container.startup_probe.is_some() {
        return 0;
    }
    UNPROBED_MS.saturating_add(container.liveness_probe.as_ref().map_or(0, no_after_ms))
}

/// How long a liveness probe needs at most to have a program killed that fails from the start.
fn no_after_ms(probe: &Probe) -> u64 {
    let rounds = u64::from(probe.period_seconds).saturating_mul(u64::from(probe.failure_threshold));
    u64::from(probe.initial_delay_seconds).saturating_add(rounds).saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(container: Container, min_ready_secs: u32, expected: u64) {
        let mut pod = Pod::default();
        pod.spec.containers = vec![container];
        assert_eq!(needed_ms(&pod, min_ready_secs), expected);
    }

    #[test]
    fn a_container_that_nothing_probes_has_to_run_longer() {
        let probe = Some(Probe::default());
        check(Container { readiness_probe: probe.clone(), ..Container::default() }, 0, 1_000);
        check(Container { readiness_probe: probe.clone(), ..Container::default() }, 5, 5_000);
        check(Container::default(), 0, 10_000);
        check(Container { liveness_probe: probe, ..Container::default() }, 0, 40_000);
    }
}
