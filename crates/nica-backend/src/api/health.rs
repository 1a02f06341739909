//! What a deployer asks: alive, ready, which version. Answers come from memory.

use super::App;
use super::problem::{FieldError, Problem};
use crate::server::Phase;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// Alive. Touches nothing.
pub(super) async fn healthcheck() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether requests should come here.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let reasons = if *app.phase.borrow() == Phase::Serving {
        app.readiness.borrow().reasons()
    } else {
        vec!["this process is ending".to_string()]
    };
    if reasons.is_empty() {
        return Ok(Json(json!({ "status": "ready" })));
    }
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", reasons.join("; "));
    let error = |message: String| FieldError { field: "readiness".into(), message };
    Err(problem.with_errors(reasons.into_iter().map(error)))
}

pub(super) async fn version(State(app): State<Arc<App>>) -> Json<Value> {
    let generation = &app.config.replica.generation;
    Json(json!({ "version": app.build.version, "commit": app.build.commit, "generation": generation }))
}
