//! A hub for tests: a list of files, their bytes in a store on another port, and the ways in which hubs fail.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_RANGE, LOCATION, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const TOKEN: &str = "hf_hunter2";
pub(crate) const CONFIG: &[u8] = b"{\"hidden\":4}\n";
/// `git hash-object` of CONFIG.
pub(crate) const CONFIG_NAME: &str = "5763e9ce70f3e72a3b22550a503976bfc61847f3";
/// sha256 of the weights.
pub(crate) const WEIGHTS_NAME: &str = "3c65ea93424a9c362fec0e3a69ea36031e8a358441479dd665cc6110eabe7b08";

/// Long enough to come in pieces.
pub(crate) fn weights() -> Vec<u8> {
    (0..300_000_u32).map(|n| u8::try_from(n % 251).expect("below 251")).collect()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Each answer with the weights ends after so many bytes.
    pub(crate) cut_after: Option<usize>,
    /// The store knows no ranges.
    pub(crate) no_ranges: bool,
    /// One bit of the weights is another one.
    pub(crate) altered: bool,
    /// Only whoever has the token is told anything.
    pub(crate) private: bool,
    /// So many requests for weights are answered with 503 first.
    pub(crate) busy: usize,
}

pub(crate) struct Hub {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

struct Seen {
    faults: Faults,
    store: SocketAddr,
    /// Path, first byte, and whether the token came along.
    requests: Mutex<Vec<Request>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) from: usize,
    pub(crate) token: bool,
}

impl Hub {
    pub(crate) async fn start(faults: Faults) -> Hub {
        let bind = || TcpListener::bind("127.0.0.1:0");
        let (hub, store) = (bind().await.expect("a port"), bind().await.expect("a port"));
        let addresses = [&hub, &store].map(|socket| socket.local_addr().expect("bound"));
        let seen = Arc::new(Seen { faults, store: addresses[1], requests: Mutex::default() });
        let routes = Router::new()
            .route("/api/models/{owner}/{name}/revision/{revision}", get(list))
            .route("/{owner}/{name}/resolve/{commit}/{*path}", get(resolve))
            .with_state(seen.clone());
        let stored = Router::new().route("/weights", get(bytes)).with_state(seen.clone());
        tokio::spawn(async move { axum::serve(hub, routes).await });
        tokio::spawn(async move { axum::serve(store, stored).await });
        Hub { address: addresses[0], seen }
    }

    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        let requests = self.seen.requests.lock().expect("nobody panics here");
        requests.iter().filter(|request| request.path == path).cloned().collect()
    }
}

impl Seen {
    fn note(&self, path: &str, headers: &HeaderMap) -> Request {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let from =
            text(RANGE).and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let token = text(AUTHORIZATION) == Some(&format!("Bearer {TOKEN}"));
        let request = Request { path: path.into(), from: from.unwrap_or(0), token };
        self.requests.lock().expect("nobody panics here").push(request.clone());
        request
    }
}

async fn list(State(seen): State<Arc<Seen>>, headers: HeaderMap) -> Response {
    let request = seen.note("list", &headers);
    if seen.faults.private && !request.token {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let siblings = json!([
        {"rfilename": "1_Pooling/config.json", "size": CONFIG.len(), "blobId": CONFIG_NAME},
        {"rfilename": "model.safetensors", "size": weights().len(), "blobId": "0".repeat(40),
         "lfs": {"sha256": WEIGHTS_NAME, "size": weights().len(), "pointerSize": 134}},
    ]);
    axum::Json(json!({"sha": COMMIT, "siblings": siblings})).into_response()
}

async fn resolve(
    State(seen): State<Arc<Seen>>,
    Path((_, _, commit, path)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Response {
    seen.note(&path, &headers);
    assert_eq!(commit, COMMIT, "what was listed is what is fetched");
    match path.as_str() {
        "1_Pooling/config.json" => CONFIG.into_response(),
        _ => (StatusCode::FOUND, [(LOCATION, format!("http://{}/weights", seen.store))]).into_response(),
    }
}

async fn bytes(State(seen): State<Arc<Seen>>, headers: HeaderMap) -> Response {
    let request = seen.note("store", &headers);
    let faults = seen.faults;
    if seen.requests.lock().expect("nobody panics here").iter().filter(|r| r.path == "store").count()
        <= faults.busy
    {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let mut all = weights();
    all[1000] ^= u8::from(faults.altered);
    let from = if faults.no_ranges { 0 } else { request.from };
    let range = format!("bytes {from}-{}/{}", all.len() - 1, all.len());
    let wanted = all.split_off(from);
    let length = wanted.len();
    let sent = wanted[..faults.cut_after.unwrap_or(length).min(length)].to_vec();
    let mut answer = Response::builder().header("content-length", length);
    if from > 0 {
        answer = answer.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, range);
    }
    // A body that is shorter than announced: the connection breaks, a moment after what was sent has left.
    let whole = sent.len() == length;
    let broken = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(std::io::Error::other("cut"))
    };
    let pieces = stream::once(async { Ok(sent) });
    let body =
        if whole { Body::from_stream(pieces) } else { Body::from_stream(pieces.chain(stream::once(broken))) };
    answer.body(body).expect("an answer")
}
