//! What cannot be asked of a running program: handlers that panic or answer an error of their own.

use super::*;
use crate::cli::Build;
use crate::embedded::Bundle;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse as _;
use http_body_util::BodyExt as _;
use nica_telemetry::logs::Dropped;
use tower::ServiceExt as _;

fn app() -> Arc<App> {
    let lookup = |name: &str| match name {
        "DATABASE_URL" => Some("postgresql://nobody@localhost/nothing".to_string()),
        "TRUSTED_PROXIES" => Some("10.0.0.1".into()),
        _ => None,
    };
    let config = config::serve(&lookup, true).expect("good");
    Arc::new(App {
        build: Build { version: "1", commit: "c", bundle: Bundle::default() },
        store: Store::new(&config.database, true).expect("nothing is opened yet"),
        foods: Foods::default(),
        needs: Needs::default(),
        readiness: watch::channel(State::default()).1,
        phase: crate::server::phases().1,
        metrics: Metrics::new("g", Dropped::default()),
        config,
    })
}

async fn panics() {
    panic!("patient 4711 weighs 81 kg");
}

async fn bare_error() -> axum::response::Response {
    (StatusCode::CONFLICT, [("content-type", "text/plain")], "plain words").into_response()
}

#[tokio::test]
async fn a_panic_and_a_bare_error_leave_as_problem_documents_that_quote_nothing() {
    let routes = Router::new().route("/panic", get(panics)).route("/bare", get(bare_error));
    let router = finished(routes, app());
    for (path, status, code) in [("/panic", 500, "internal"), ("/bare", 409, "bad_request")] {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let answer = router.clone().oneshot(request).await.expect("infallible");
        assert_eq!(answer.status(), status);
        let header = |name: &str| answer.headers()[name].to_str().expect("text").to_string();
        let (trace_id, kind) = (header("x-trace-id"), header("content-type"));
        assert_eq!(kind, "application/problem+json");
        let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
        let problem: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!((problem["code"].as_str(), problem["trace_id"].as_str()), (Some(code), Some(&*trace_id)));
        let text = problem.to_string();
        assert!(!text.contains("4711") && !text.contains("plain words"), "{text}");
    }
}
