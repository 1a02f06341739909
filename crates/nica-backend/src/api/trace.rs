//! The id under which one request is found in the answer, in logs and later in every agent.
//!
//! A `traceparent` is continued from trusted proxies only; from anyone else it becomes a link, because a stranger
//! must not join the flows of others.

use super::App;
use crate::server::Peer;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use nica_telemetry::fields::scope;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use tracing::Instrument as _;

/// 32 lower-case hex digits, never all zero (W3C Trace Context, section 3.2.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TraceId(String);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TraceId {
    fn random() -> TraceId {
        TraceId(format!("{:032x}", rand::random::<u128>().max(1)))
    }

    /// The trace id of a `traceparent`, when it is well formed.
    fn parse(header: &str) -> Option<TraceId> {
        let mut parts = header.split('-');
        let (version, id, parent) = (parts.next()?, parts.next()?, parts.next()?);
        let hex =
            |text: &str, len| text.len() == len && text.bytes().all(|b| b"0123456789abcdef".contains(&b));
        let whole = hex(version, 2) && hex(id, 32) && hex(parent, 16) && hex(parts.next()?, 2);
        (whole && version != "ff" && id.bytes().any(|b| b != b'0')).then(|| TraceId(id.into()))
    }
}

/// Gives the request its id and its span.
pub(super) async fn begin(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let sent = request.headers().get("traceparent").and_then(|value| TraceId::parse(value.to_str().ok()?));
    let peer = request.extensions().get::<Peer>().and_then(|peer| peer.0);
    let (id, link) = decide(sent, peer, &app.config.http.trusted_proxies);
    let span = tracing::info_span!(
        "request",
        trace_id = %id,
        linked_trace_id = link.map(|link| link.0),
        scope = if request.uri().path().starts_with("/api/") { scope::CLINICAL } else { scope::SYSTEM },
    );
    request.extensions_mut().insert(id);
    next.run(request).instrument(span).await
}

fn decide(sent: Option<TraceId>, peer: Option<IpAddr>, trusted: &[IpAddr]) -> (TraceId, Option<TraceId>) {
    match (sent, peer) {
        (Some(sent), Some(peer)) if trusted.contains(&peer) => (sent, None),
        (link, _) => (TraceId::random(), link),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_traceparent_is_read() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let zero = "0".repeat(32);
        let cases = [
            (format!("00-{id}-00f067aa0ba902b7-01"), true),
            (format!("01-{id}-00f067aa0ba902b7-01-more"), true),
            (format!("ff-{id}-00f067aa0ba902b7-01"), false),
            (format!("00-{zero}-00f067aa0ba902b7-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()), false),
            (format!("00-{id}-00f067aa0ba902b7"), false),
            (format!("00-{id}"), false),
            (String::new(), false),
        ];
        for (header, good) in cases {
            let expected = good.then(|| TraceId(id.into()));
            assert_eq!(TraceId::parse(&header), expected, "{header}");
        }
    }

    #[test]
    fn a_strangers_trace_becomes_a_link_and_a_trusted_proxys_is_continued() {
        let sent = TraceId("4bf92f3577b34da6a3ce929d0e0e4736".into());
        let proxy: IpAddr = [10, 0, 0, 1].into();
        let stranger: IpAddr = [10, 0, 0, 2].into();
        assert_eq!(decide(Some(sent.clone()), Some(proxy), &[proxy]), (sent.clone(), None));
        for peer in [Some(stranger), None] {
            let (id, link) = decide(Some(sent.clone()), peer, &[proxy]);
            assert_ne!(id, sent);
            assert_eq!(link, Some(sent.clone()));
        }
    }
}
