//! Judges the bake: is the new release as good as policy asks, by what its own replicas counted?
//!
//! Pure: scrapes and probes come in as data, told apart by generation. No data is no pass; what cannot be
//! concluded waits until `bake_max` and is inconclusive then. Errors refuse as soon as they are certain, the rest
//! is judged at the end.

use crate::effect::Generation;
use crate::metrics_text::{Counted, Requests};
use crate::policy::{Ratio, Validate};
use crate::span;
use crate::world::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that was gathered since the bake began.
#[derive(Clone, Debug)]
pub struct Seen {
    pub elapsed: Duration,
    /// The components that this run changed.
    pub components: BTreeMap<String, ComponentSeen>,
    /// What the environment's URL says, where policy names one.
    pub health: Option<Health>,
    /// What the database's health says, where somebody asked.
    pub database: Option<Health>,
}

#[derive(Clone, Debug)]
pub struct ComponentSeen {
    pub generation: Generation,
    pub replicas: u32,
    pub ready: u32,
    /// It says where its metrics are read. What says nothing is judged by readiness and health alone; what says it and
    /// cannot be read is never judged good.
    pub counts: bool,
    /// Successful scrapes of replicas of this generation, in the order of time.
    pub scrapes: Vec<Scrape>,
    /// Scrapes that failed or could not be read.
    pub gaps: u64,
    /// Probes from outside that got no answer at all: the service could not count them.
    pub unanswered: u64,
}

#[derive(Clone, Debug)]
pub struct Scrape {
    pub replica: u32,
    pub counted: Counted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Good,
    Bad(String),
    /// It could not be asked.
    Unknown(String),
}

/// What the ledger keeps of a bake, and the next release is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    pub components: BTreeMap<String, Measured>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    pub generation: Generation,
    pub requests: u64,
    pub errors: u64,
    /// 95th percentile in microseconds; none without a request, or when it lies beyond the last bucket.
    pub p95_us: Option<u64>,
    pub gaps: u64,
}

/// A verdict with its figures and what was left out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub figures: Figures,
    /// `backend: first deploy, nothing to compare with`
    pub notes: Vec<String>,
}

/// `baseline`: the figures in the ledger entry of the release that was live before.
pub fn judge(seen: &Seen, policy: &Validate, baseline: Option<&Figures>) -> Judgement {
    let deltas: BTreeMap<&str, Delta> =
        seen.components.iter().map(|(name, c)| (name.as_str(), Delta::of(c))).collect();
    let figures = figures(seen, &deltas);
    let mut said = Said::default();
    for (name, component) in &seen.components {
        errors(name, &figures.components[name], policy, &mut said);
        enough(name, component, &deltas[name.as_str()], &figures.components[name], policy, &mut said);
        if component.counts {
            latency(name, &figures.components[name], policy, baseline, &mut said);
        }
    }
    dead_letters(&deltas, policy, &mut said);
    health("health of the environment's URL", seen.health.as_ref(), &mut said);
    health("health of the database", seen.database.as_ref(), &mut said);
    let verdict = said.verdict(seen.elapsed, policy);
    Judgement { verdict, figures, notes: said.notes }
}

/// What the checks have said, by what it means for the verdict.
#[derive(Default)]
struct Said {
    /// Certain, whatever comes.
    refuse_now: Vec<String>,
    /// Refuses when it is still so at the end of the bake.
    refuse_at_end: Vec<String>,
    /// Missing; more time may bring it.
    missing: Vec<String>,
    notes: Vec<String>,
}

impl Said {
    fn verdict(&self, elapsed: Duration, policy: &Validate) -> Verdict {
        if !self.refuse_now.is_empty() {
            return Verdict::Refuse(self.refuse_now.join("; "));
        }
        if elapsed < policy.bake {
            return Verdict::Pending;
        }
        match (self.missing.is_empty(), self.refuse_at_end.is_empty()) {
            (_, false) => Verdict::Refuse(self.refuse_at_end.join("; ")),
            (true, true) => Verdict::Pass,
            (false, true) if elapsed < policy.bake_max => Verdict::Pending,
            (false, true) => {
                let after = span::text(policy.bake_max);
                Verdict::Inconclusive(format!("after {after}: {}", self.missing.join("; ")))
            }
        }
    }
}

/// What the replicas of a component counted between their first and their last scrape of this bake.
#[derive(Default)]
struct Delta {
    requests: Requests,
    /// Replicas that were read at least twice.
    read: usize,
    dlq: Option<u64>,
    retries: Option<u64>,
}

impl Delta {
    fn of(component: &ComponentSeen) -> Delta {
        let mut by_replica: BTreeMap<u32, Vec<&Counted>> = BTreeMap::new();
        for scrape in &component.scrapes {
            by_replica.entry(scrape.replica).or_default().push(&scrape.counted);
        }
        let mut delta = Delta::default();
        for scrapes in by_replica.values() {
            delta.read += usize::from(scrapes.len() > 1);
            scrapes.windows(2).for_each(|pair| delta.add(pair[0], pair[1]));
            let last = scrapes.last().and_then(|c| c.dlq);
            delta.dlq = delta.dlq.max(last);
        }
        delta
    }

    fn add(&mut self, from: &Counted, to: &Counted) {
        // A replica that restarted counts from zero again: all of it is new.
        let restarted = to.requests.total() < from.requests.total();
        let nothing = Counted::default();
        let from = if restarted { &nothing } else { from };
        grow(&mut self.requests.by_status, &from.requests.by_status, &to.requests.by_status);
        grow(&mut self.requests.buckets, &from.requests.buckets, &to.requests.buckets);
        if let Some(retries) = to.retries {
            let new = retries.saturating_sub(from.retries.unwrap_or(0));
            self.retries = Some(self.retries.unwrap_or(0) + new);
        }
    }
}

fn grow<K: Ord + Copy>(sum: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>, to: &BTreeMap<K, u64>) {
    for (key, count) in to {
        *sum.entry(*key).or_default() += count.saturating_sub(from.get(key).copied().unwrap_or(0));
    }
}

fn figures(seen: &Seen, deltas: &BTreeMap<&str, Delta>) -> Figures {
    let measured = |(name, component): (&String, &ComponentSeen)| {
        let requests = &deltas[name.as_str()].requests;
        let measured = Measured {
            generation: component.generation.clone(),
            requests: requests.total() + component.unanswered,
            errors: requests.errors() + component.unanswered,
            p95_us: quantile_us(&requests.buckets, 95),
            gaps: component.gaps,
        };
        (name.clone(), measured)
    };
    Figures { components: seen.components.iter().map(measured).collect() }
}

/// As Prometheus does it: linear inside the bucket. None beyond the last bound: how far, nobody counted.
fn quantile_us(buckets: &BTreeMap<u64, u64>, percent: u64) -> Option<u64> {
    let total = u128::from(*buckets.values().next_back()?);
    let rank = (total * u128::from(percent)).div_ceil(100);
    let (mut lower, mut below) = (0u64, 0u64);
    for (upper, count) in buckets {
        if u128::from(*count) >= rank && total > 0 {
            let inside = u128::from(count - below).max(1);
            let share = (rank - u128::from(below)) * u128::from(upper - lower) / inside;
            return (*upper != u64::MAX).then(|| lower + u64::try_from(share).unwrap_or(u64::MAX));
        }
        (lower, below) = (*upper, *count);
    }
    None
}

fn errors(name: &str, measured: &Measured, policy: &Validate, said: &mut Said) {
    let Some(ratio) = policy.error_ratio else { return };
    // With a handful of requests one unlucky answer would turn a good release back.
    let enough = measured.requests >= policy.min_samples;
    if enough && ratio.exceeded_by(measured.errors, measured.requests) {
        let (errors, of) = (measured.errors, measured.requests);
        let says =
            format!("{name}: {errors} of {of} requests failed, at most {} are allowed", percent(ratio));
        said.refuse_now.push(says);
    }
}

fn enough(
    name: &str,
    component: &ComponentSeen,
    delta: &Delta,
    measured: &Measured,
    policy: &Validate,
    said: &mut Said,
) {
    let (ready, replicas) = (component.ready, component.replicas);
    if ready < replicas {
        said.missing.push(format!("{name}: {ready} of {replicas} replicas ready"));
    }
    if !component.counts {
        said.notes.push(format!("{name}: declares no metrics, judged by readiness and health alone"));
        return;
    }
    if delta.read < replicas as usize {
        let gaps = component.gaps;
        let says = format!(
            "{name}: metrics of {} of {replicas} replicas were read, {gaps} reads failed",
            delta.read
        );
        said.missing.push(says);
    }
    if measured.requests < policy.min_samples {
        let (seen, asked) = (measured.requests, policy.min_samples);
        said.missing.push(format!("{name}: {seen} requests seen, at least {asked} are needed"));
    }
}

fn latency(name: &str, measured: &Measured, policy: &Validate, baseline: Option<&Figures>, said: &mut Said) {
    let Some(allowed) = policy.latency_p95_increase else { return };
    let Some(before) = baseline.and_then(|b| b.components.get(name)).and_then(|m| m.p95_us) else {
        said.notes.push(format!("{name}: no earlier bake to compare the latency with"));
        return;
    };
    if measured.requests < policy.min_samples {
        return;
    }
    match measured.p95_us {
        Some(now) if allowed.exceeded_by(now.saturating_sub(before), before) => {
            let (now, before, allowed) = (millis(now), millis(before), percent(allowed));
            let says =
                format!("{name}: 95 % within {now}, {before} before; at most {allowed} more are allowed");
            said.refuse_at_end.push(says);
        }
        Some(_) => {}
        None if measured.requests > 0 => {
            said.missing
                .push(format!("{name}: the 95th percentile lies beyond the last bucket or was not counted"));
        }
        None => {}
    }
}

fn dead_letters(deltas: &BTreeMap<&str, Delta>, policy: &Validate, said: &mut Said) {
    let Some(allowed) = policy.dlq else { return };
    match deltas.values().filter_map(|d| d.dlq).max() {
        None => said.missing.push("event_bus.dlq: no replica shows it".into()),
        Some(letters) if letters > allowed => {
            said.refuse_at_end.push(format!("event_bus.dlq is {letters}, at most {allowed} is allowed"));
        }
        Some(_) => {}
    }
    let retries: u64 = deltas.values().filter_map(|d| d.retries).sum();
    if retries > 0 {
        said.refuse_at_end.push(format!("pipeline.retry.count rose by {retries}"));
    }
}

fn health(what: &str, health: Option<&Health>, said: &mut Said) {
    match health {
        None | Some(Health::Good) => {}
        Some(Health::Bad(why)) => said.refuse_at_end.push(format!("{what}: {why}")),
        Some(Health::Unknown(why)) => said.missing.push(format!("{what} could not be asked: {why}")),
    }
}

fn percent(ratio: Ratio) -> String {
    format!("{} %", ratio.millionths as f64 / 10_000.0)
}

fn millis(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1_000.0)
}

#[cfg(test)]
mod tests;
