//! Routes: who may ask what, is it well formed, and what the answer looks like. No SQL, no decisions about food.
//!
//! Every answer goes through `answer`, which gives it a trace id, a metric and a log line, and turns every error
//! into a problem document; a handler cannot forget it.

mod answer;
mod body;
mod foods;
mod health;
mod limits;
mod metrics;
mod notes;
mod problem;
mod trace;

pub use metrics::Metrics;

use crate::cli::Build;
use crate::config;
use crate::orchestrator::search_foods::Foods;
use crate::readiness::{Needs, State};
use crate::server::Phase;
use crate::store::Store;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_response_with_state};
use axum::routing::get;
use std::sync::Arc;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;

/// What requests share.
pub struct App {
    pub build: Build,
    pub config: config::Serve,
    pub store: Store,
    pub foods: Foods,
    pub needs: Needs,
    pub readiness: watch::Receiver<State>,
    pub phase: watch::Receiver<Phase>,
    pub metrics: Metrics,
}

/// What people and their programs reach.
pub fn service(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/api/v1/foods", get(foods::search))
        .route("/api/v1/foods/{id}", get(foods::by_id))
        .route("/api/v1/notes/{client_id}", get(notes::read).put(notes::save));
    let routes = limits::limited(routes, &app.config.http).merge(health());
    finished(routes, app.clone()).layer(from_fn_with_state(app, answer::counted))
}

/// What the supervisor reaches: the same health, and metrics. Answers here are not counted, else a probe every
/// 50 ms would hide the errors of the few requests that people make.
pub fn admin(app: Arc<App>) -> Router {
    finished(health().route("/metrics", get(metrics::render)), app)
}

fn health() -> Router<Arc<App>> {
    Router::new()
        .route("/healthcheck", get(health::healthcheck))
        .route("/readyz", get(health::readyz))
        .route("/version", get(health::version))
}

fn finished(routes: Router<Arc<App>>, app: Arc<App>) -> Router {
    routes
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn_with_state(app.clone(), limits::headers_within))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(from_fn(answer::finish))
        .layer(from_fn_with_state(app.clone(), trace::begin))
        .layer(map_response_with_state(app.clone(), answer::name_release))
        .with_state(app)
}

#[cfg(test)]
mod tests;
