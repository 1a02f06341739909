//! Counting, and the page that a scraper reads. Names stand in `nica_telemetry::names`.

use super::App;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use nica_telemetry::logs::Dropped;
use nica_telemetry::names;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::{Atomic as _, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Upper bounds in seconds; OpenTelemetry's advice for this metric, with 1 and 2.5 ms below.
const BUCKETS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    http_request_method: &'static str,
    http_route: String,
    http_response_status_code: u32,
}

type Durations = Family<Answered, Histogram, fn() -> Histogram>;

/// All metrics of one process.
pub struct Metrics {
    registry: Registry,
    durations: Durations,
    active: Gauge,
    ready: Gauge,
    pool_max: Gauge,
    pool_in_use: Gauge,
    pool_timeouts: Counter,
    lines_dropped: Counter,
    dropped: Dropped,
}

/// Counts as active until it is dropped, also when the request's future is.
pub(super) struct Active(Gauge);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub fn new(generation: &str, dropped: Dropped) -> Metrics {
        let label = (Cow::Borrowed(names::LABEL_GENERATION), Cow::Owned(generation.to_string()));
        let mut metrics = Metrics {
            registry: Registry::with_labels([label].into_iter()),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            active: Gauge::default(),
            ready: Gauge::default(),
            pool_max: Gauge::default(),
            pool_in_use: Gauge::default(),
            pool_timeouts: Counter::default(),
            lines_dropped: Counter::default(),
            dropped,
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(names::HTTP_REQUEST_DURATION, "Time to the answer", self.durations.clone());
        registry.register(names::HTTP_ACTIVE_REQUESTS, "Requests in flight", self.active.clone());
        registry.register(names::READY, "1 while ready", self.ready.clone());
        registry.register(names::POOL_MAX, "Database connections at most", self.pool_max.clone());
        registry.register(names::POOL_IN_USE, "Database connections in use", self.pool_in_use.clone());
        registry.register(names::POOL_TIMEOUTS, "Requests without a connection", self.pool_timeouts.clone());
        registry.register(names::LOG_LINES_DROPPED, "Log lines given up", self.lines_dropped.clone());
    }

    pub(super) fn begin(&self) -> Active {
        self.active.inc();
        Active(self.active.clone())
    }

    pub(super) fn observe(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let answered = Answered {
            http_request_method: known(method),
            http_route: route.to_string(),
            http_response_status_code: status.as_u16().into(),
        };
        self.durations.get_or_create(&answered).observe(took.as_secs_f64());
    }
}

/// A stranger's method must not become a label of its own.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "PUT" => "PUT",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

pub(super) async fn render(State(app): State<Arc<App>>) -> Response {
    let metrics = &app.metrics;
    let pool = app.store.pool_state();
    metrics.ready.set(app.readiness.borrow().is_ready().into());
    metrics.pool_max.set(i64::try_from(pool.max).unwrap_or(i64::MAX));
    metrics.pool_in_use.set(i64::try_from(pool.in_use).unwrap_or(i64::MAX));
    raise(&metrics.pool_timeouts, pool.exhausted);
    raise(&metrics.lines_dropped, metrics.dropped.count());
    let mut page = String::new();
    text::encode(&mut page, &metrics.registry).expect("writing to a string cannot fail");
    ([(CONTENT_TYPE, OPEN_METRICS)], page).into_response()
}

/// Brings a counter up to a count that is kept elsewhere.
fn raise(counter: &Counter, to: u64) {
    counter.inner().inc_by(to.saturating_sub(counter.get()));
}
