//! What a look makes of the tracker's verdicts: why a component will not come true, with the evidence, and which of its
//! ready pods are believed.

use super::observe::{ObjectSeen, Read, Sighting};
use super::tracker::{Judged, Rollout};
use super::{Cluster, ClusterError, Scope, object};
use nica_engine::effect::Generation;
use nica_engine::track::Diagnosis;
use nica_engine::track::kubernetes::{Failure, Need};
use nica_engine::world::ComponentSeen;
use serde_json::Value;
use std::collections::BTreeMap;

/// A person reads them.
const LAST_WORDS: u32 = 20;

impl Cluster {
    /// What the tracker says of each workload, and the evidence, which is taken before anybody cleans up.
    pub(super) async fn track(
        &self,
        sighting: &mut Sighting,
        read: &Read,
        (fence, scope): (Option<i64>, &Scope),
    ) -> Result<(), ClusterError> {
        let feed = self.feed().await?;
        if !feed.is_listed().await {
            return Ok(());
        }
        feed.tracker().ask(read.rollouts(fence, scope));
        for (name, component) in &mut sighting.components {
            let Some(judged) = feed.tracker().judge(name) else { continue };
            if is_asked(scope, name, component) {
                believe(name, &mut component.seen, &judged);
            }
            let Some(failure) = judged.failure else { continue };
            sighting.failing.insert(name.clone());
            component.last_words = self.evidence(name, &failure, read).await?;
            component.seen.doomed = Some(told(failure, &component.last_words));
        }
        Ok(())
    }

    /// Fetched once for each failure.
    async fn evidence(
        &self,
        component: &str,
        failure: &Failure,
        read: &Read,
    ) -> Result<Vec<String>, ClusterError> {
        let (feed, Some(need)) = (self.feed().await?, &failure.need) else { return Ok(Vec::new()) };
        if let Some(kept) = feed.tracker().log(component, need) {
            return Ok(kept);
        }
        let lines = self.last_words(need, read.restarts(need), LAST_WORDS).await;
        feed.tracker().keep_log(component, need.clone(), lines.clone());
        Ok(lines)
    }
}

impl Read {
    /// What is asked for, where it makes pods.
    fn rollouts(&self, fence: Option<i64>, scope: &Scope) -> BTreeMap<String, Rollout> {
        let rollout = |(name, object): (&String, &Value)| {
            let limit_ms = limit_ms(scope, name, object::generation(object));
            Some((name.clone(), Rollout::of(name, object, (limit_ms, fence))?))
        };
        self.objects.iter().filter_map(rollout).collect()
    }

    /// How often the container has been started again by now.
    fn restarts(&self, need: &Need) -> Option<u32> {
        let Need::Log { pod, container, .. } = need;
        let status = &self.pods.iter().find(|p| p.metadata.name == *pod)?.status;
        let mut all = status.init_container_statuses.iter().chain(&status.container_statuses);
        Some(all.find(|status| status.name == *container)?.restart_count)
    }
}

fn limit_ms(scope: &Scope, component: &str, generation: Option<Generation>) -> Option<u64> {
    scope.limits_ms.get(&(component.to_string(), generation?)).copied()
}

/// The open run asked for it, so it is waited for.
fn is_asked(scope: &Scope, component: &str, seen: &ObjectSeen) -> bool {
    limit_ms(scope, component, seen.seen.generation.clone()).is_some()
}

/// A pod that is ready this very moment may be one that crashes in the next: only what lasted is counted.
fn believe(component: &str, seen: &mut ComponentSeen, judged: &Judged) {
    seen.ready = match component.split('/').next() {
        // Theirs is one answer for all of their pods.
        Some("DaemonSet" | "Job") if !judged.is_done => 0,
        Some("DaemonSet" | "Job") => seen.ready,
        _ => seen.ready.min(judged.steady),
    };
}

/// The root cause in one line, and what a person does about it.
fn told(failure: Failure, log: &[String]) -> String {
    let next = failure.next;
    format!("{}; next: {next}", Diagnosis::of(failure, log))
}
