//! How much one request may take: time, body, headers, and a place among those in flight.
//!
//! Health is outside of all but the headers' limit: an overloaded service is still alive, and must be able to say so.

use super::App;
use super::problem::Problem;
use crate::config;
use axum::error_handling::HandleErrorLayer;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::{BoxError, Router};
use std::sync::Arc;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::timeout::TimeoutLayer;

pub(super) fn limited(routes: Router<Arc<App>>, http: &config::Http) -> Router<Arc<App>> {
    let limits = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refused))
        .layer(LoadShedLayer::new())
        // Global: an ordinary limit would be counted per route.
        .layer(GlobalConcurrencyLimitLayer::new(http.in_flight_max))
        .layer(TimeoutLayer::new(http.request_timeout))
        .layer(DefaultBodyLimit::max(http.body_max));
    routes.layer(limits)
}

async fn refused(error: BoxError) -> Problem {
    let unavailable = |code, detail| Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
    if error.is::<tower::load_shed::error::Overloaded>() {
        return unavailable("overloaded", "Too many requests are in flight. Try again.");
    }
    if error.is::<tower::timeout::error::Elapsed>() {
        return unavailable("timed_out", "The answer took too long. Try again.");
    }
    Problem::internal("a layer failed in an unknown way")
}

/// For every route, known or not: what is too long is not looked at any further.
pub(super) async fn headers_within(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let max = app.config.http.header_max;
    let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        name.as_str().len() + value.len()
    };
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if request.headers().iter().map(header).sum::<usize>() + target > max {
        let detail = format!("Address and headers together may have {max} bytes.");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Problem::new(status, "headers_too_large", detail).into_response();
    }
    next.run(request).await
}
