//! The last thing that happens to every answer: header, problem document, metric, log line.

use super::App;
use super::problem::Problem;
use super::trace::TraceId;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use std::time::Instant;

const X_TRACE_ID: &str = "x-trace-id";
const X_NICA_VERSION: &str = "x-nica-version";
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The route of a request that no route matched.
const UNMATCHED: &str = "unmatched";

/// Address of a request as a pattern, never as it was asked: a path holds ids.
#[derive(Clone, Debug)]
struct Route(String);

/// Gives the answer its trace id and, if it is an error, its problem document; logs it.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str).to_string();
    let trace_id = request.extensions().get::<TraceId>().map(ToString::to_string).unwrap_or_default();
    let mut response = next.run(request).await;
    let problem = problem_of(&response);
    if let Some(problem) = &problem {
        write_problem(&mut response, problem, &trace_id);
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(value) = HeaderValue::try_from(&trace_id) {
        headers.insert(X_TRACE_ID, value);
    }
    log(method.as_str(), &route, response.status(), problem.as_ref(), started);
    response.extensions_mut().insert(Route(route));
    response
}

fn problem_of(response: &Response) -> Option<Problem> {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let made = || response.extensions().get::<Problem>().cloned();
    is_error.then(|| made().unwrap_or_else(|| Problem::of_status(status)))
}

/// Keeps what HTTP itself demands of an error (Allow of a 405) and replaces the rest.
fn write_problem(response: &mut Response, problem: &Problem, trace_id: &str) {
    let allow = response.headers().get(ALLOW).cloned();
    let body = problem.to_json(trace_id).to_string();
    *response.body_mut() = Body::from(body);
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, PROBLEM_JSON);
    if let Some(allow) = allow {
        headers.insert(ALLOW, allow);
    }
    if problem.status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
}

fn log(method: &str, route: &str, status: StatusCode, problem: Option<&Problem>, started: Instant) {
    let duration_ms = started.elapsed().as_secs_f64() * 1000.0;
    let code = problem.map(|problem| problem.code);
    let error = problem.and_then(Problem::cause);
    let http_status = status.as_u16();
    if !route.starts_with("/api/") && route != UNMATCHED {
        // Asked many times a second; what it answers is told when it changes.
        tracing::debug!(
            http.method = method,
            http.route = route,
            http.status_code = http_status,
            "health asked"
        );
    } else if status.is_server_error() {
        tracing::warn!(
            http.method = method,
            http.route = route,
            http.status_code = http_status,
            duration_ms,
            code,
            error,
            "request failed"
        );
    } else {
        tracing::info!(
            http.method = method,
            http.route = route,
            http.status_code = http_status,
            duration_ms,
            code,
            "request answered"
        );
    }
}

/// Says which release answered: while two of them serve, an error must be told to the right one.
pub(super) async fn name_release(State(app): State<Arc<App>>, mut response: Response) -> Response {
    response.headers_mut().insert(X_NICA_VERSION, HeaderValue::from_static(app.build.version));
    response
}

/// Counts an answer of the service socket.
pub(super) async fn counted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let _active = app.metrics.begin();
    let response = next.run(request).await;
    let route = response.extensions().get::<Route>().map_or(UNMATCHED, |route| route.0.as_str());
    app.metrics.observe(&method, route, response.status(), started.elapsed());
    response
}
