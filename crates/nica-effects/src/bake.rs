//! Watches the new release for a while: what is seen is gathered here, what it means is judged by the engine.
//!
//! Scrapes tell what the replicas of the new generation counted themselves; probes from outside make sure that
//! even a quiet service is asked. An empty bake passes nothing.

mod database;

use crate::event::Event;
use crate::failure::Failure;
use crate::hands::Hands;
use crate::probe;
use crate::process::Metrics;
use crate::records::brought::Brought;
use database::Database;
use nica_engine::effect::{Desired, Effect};
use nica_engine::metrics_text;
use nica_engine::plan::Plan;
use nica_engine::policy::Validate;
use nica_engine::validate::{self, ComponentSeen, Figures, Health, Judgement, Scrape, Seen};
use nica_engine::world::Verdict;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often the replicas are asked what they counted.
const SCRAPE: Duration = Duration::from_millis(250);
const PROBED: &str = "/healthcheck";

pub struct Bake {
    /// Which step of the plan this is.
    pub step: usize,
    since: Instant,
    policy: Validate,
    baseline: Option<Figures>,
    components: BTreeMap<String, Watched>,
    database: Database,
    judgement: Option<Judgement>,
}

/// What the bake is judged by.
pub struct Judge {
    pub policy: Validate,
    /// Figures of the bake of the release that was live before.
    pub baseline: Option<Figures>,
}

/// One component that this run changed.
struct Watched {
    desired: Desired,
    seen: ComponentSeen,
    unanswered: Arc<AtomicU64>,
    prober: JoinHandle<()>,
}

impl Bake {
    /// Begin to probe.
    /// `brought`: what the plan put into the database, whose health is asked with it.
    pub fn begin(
        step: usize,
        plan: &Plan,
        judge: Judge,
        hands: &Hands,
        brought: Brought,
    ) -> Result<Bake, Failure> {
        let (Judge { policy, baseline }, target) = (judge, hands.target()?);
        let changed = plan.steps.iter().filter_map(|effect| match effect {
            Effect::SetDesired { component, desired, .. } if desired.kind.runs() => {
                let counts = target.counts(desired);
                Some((component.clone(), Watched::begin(desired, counts, policy.probes_per_second)))
            }
            _ => None,
        });
        let components = changed.collect();
        let database = Database::new(&hands.access, brought);
        Ok(Bake { step, since: Instant::now(), policy, baseline, components, database, judgement: None })
    }

    /// Look once more and judge.
    pub async fn look(&mut self, hands: &mut Hands) -> Result<Event, Failure> {
        tokio::time::sleep(SCRAPE).await;
        let metrics = hands.target()?.scrape().await?;
        let components = hands.components().await?;
        for (name, watched) in &mut self.components {
            watched.seen.ready = components.get(name).map_or(0, |seen| seen.world.ready);
            watched.take(metrics.get(name).and_then(|by| by.get(&watched.seen.generation)));
        }
        let seen = Seen {
            elapsed: self.since.elapsed(),
            components: self.components.iter().map(|(name, w)| (name.clone(), w.seen.clone())).collect(),
            health: health(hands.access.health_url.as_deref()).await,
            database: Some(self.database.look().await),
        };
        let judgement = validate::judge(&seen, &self.policy, self.baseline.as_ref());
        let event = self.event(&judgement);
        self.judgement = Some(judgement);
        Ok(event)
    }

    fn event(&self, judgement: &Judgement) -> Event {
        let measured = judgement.figures.components.iter();
        let notes: Vec<String> = measured
            .map(|(name, m)| format!("{name} {} requests, {} errors", m.requests, m.errors))
            .collect();
        Event::Bake {
            seconds: self.since.elapsed().as_secs_f64(),
            of: self.policy.bake.as_secs_f64(),
            note: notes.join(" · "),
        }
    }

    pub fn verdict(&self) -> Verdict {
        self.judgement.as_ref().map_or(Verdict::Pending, |j| j.verdict.clone())
    }

    /// The component whose own figures refuse the release.
    pub fn suspect(&self) -> Option<String> {
        let (judgement, ratio) = (self.judgement.as_ref()?, self.policy.error_ratio?);
        let bad = |m: &validate::Measured| ratio.exceeded_by(m.errors, m.requests);
        let refused = matches!(judgement.verdict, Verdict::Refuse(_));
        let mut measured = judgement.figures.components.iter().filter(|(_, m)| refused && bad(m));
        measured.next().map(|(name, _)| name.clone())
    }

    /// What the step's record and the ledger keep.
    pub fn figures(&self) -> Value {
        match &self.judgement {
            Some(j) => {
                json!({ "figures": j.figures, "notes": j.notes, "seconds": self.since.elapsed().as_secs_f64() })
            }
            None => Value::Null,
        }
    }
}

impl Watched {
    fn begin(desired: &Desired, counts: bool, probes_per_second: u32) -> Watched {
        let unanswered = Arc::new(AtomicU64::new(0));
        // An object names no address; its pods are scraped, and asked by whoever asks the environment's URL.
        let probes_per_second = if desired.listen.is_empty() { 0 } else { probes_per_second };
        let prober = tokio::spawn(probe_on(desired.listen.clone(), probes_per_second, unanswered.clone()));
        let seen = ComponentSeen {
            generation: desired.generation(),
            replicas: desired.replicas,
            ready: 0,
            counts,
            scrapes: Vec::new(),
            gaps: 0,
            unanswered: 0,
        };
        Watched { desired: desired.clone(), seen, unanswered, prober }
    }

    fn take(&mut self, metrics: Option<&Metrics>) {
        self.seen.unanswered = self.unanswered.load(Ordering::Relaxed);
        let living = metrics.map(|m| &m.living).into_iter().flatten();
        let read = living.filter_map(|(replica, text)| Some((*replica, metrics_text::parse(text).ok()?)));
        let read: Vec<_> = read.collect();
        let expected = if self.seen.counts { u64::from(self.desired.replicas) } else { 0 };
        self.seen.gaps += expected.saturating_sub(read.len() as u64);
        self.seen.scrapes.extend(read.into_iter().map(|(replica, counted)| Scrape { replica, counted }));
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.prober.abort();
    }
}

/// What the environment's URL says, where the policy names one.
async fn health(url: Option<&str>) -> Option<Health> {
    let url = url?;
    let Some((address, path)) =
        url.strip_prefix("http://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))
    else {
        return Some(Health::Unknown(format!("{url} is not of the form http://host:port/path")));
    };
    Some(match probe::get(address, &format!("/{path}")).await {
        Ok(status @ 200..300) => {
            tracing::debug!(status, "health of the environment's URL");
            Health::Good
        }
        Ok(status) => Health::Bad(format!("{url} answers {status}")),
        Err(error) => Health::Bad(error.to_string()),
    })
}

/// Probes at an even pace until the bake ends. What the service answered it counts itself.
async fn probe_on(address: String, per_second: u32, unanswered: Arc<AtomicU64>) {
    let Some(pause) = Duration::from_secs(1).checked_div(per_second) else { return };
    let mut pace = tokio::time::interval(pause);
    loop {
        pace.tick().await;
        if probe::get(&address, PROBED).await.is_err() {
            unanswered.fetch_add(1, Ordering::Relaxed);
        }
    }
}
