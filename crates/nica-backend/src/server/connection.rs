//! One client from its first byte to its last.
//!
//! HTTP/1.1 only: the drain below is proven for it. From `Draining` on, each answer says `Connection: close`, so that
//! a client with a kept connection opens its next one at a replica that stays.

use super::gate::Phase;
use super::socket::Stream;
use axum::Router;
use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;
use tower::ServiceExt as _;

/// More than `HEADER_MAX` may be, so that it is we who answer 431, with a trace id.
const HEAD_BUFFER_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) header_timeout: Duration,
}

/// The other end's address; absent on a unix socket.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub Option<IpAddr>);

pub(super) async fn serve(
    stream: Box<dyn Stream>,
    peer: Option<IpAddr>,
    router: Router,
    mut phase: watch::Receiver<Phase>,
    limits: Limits,
) {
    let seen = phase.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, seen) = (router.clone(), seen.clone());
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            let mut answer = router.oneshot(request).await?;
            if *seen.borrow() != Phase::Serving {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(HEAD_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // A client that hangs up is its own business.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = phase.wait_for(|phase| *phase == Phase::Ending) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
