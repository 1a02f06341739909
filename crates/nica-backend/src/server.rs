//! Carries connections: from a listening socket to a router, and to an end that no client notices.
//!
//! `socket` opens or takes over sockets, `gate` says when to accept, `connection` serves one client. Routes and
//! answers live in `api`.

mod connection;
mod gate;
mod socket;

pub use connection::Peer;
pub use gate::{Gate, Phase};
pub use socket::{Socket, SocketError};

use axum::Router;
use connection::Limits;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a full descriptor table or a similar trouble of `accept` is given to pass.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `router` on `socket` until the phase is `Ending` and every connection is closed.
///
/// Whoever calls bounds the wait: a client that reads nothing would keep its connection for ever.
///
/// # Errors
/// The runtime cannot watch the socket.
pub async fn serve(
    socket: Socket,
    mut gate: Gate,
    router: Router,
    header_timeout: Duration,
) -> std::io::Result<()> {
    let listener = socket.listen()?;
    let phase = gate.phase();
    let limits = Limits { header_timeout };
    let mut connections = JoinSet::new();
    while !gate.is_ending() {
        let open = gate.is_open();
        tokio::select! {
            biased;
            () = gate.changed() => {}
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if open => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection::serve(stream, peer, router.clone(), phase.clone(), limits));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // Closed here, while others may still hold the socket: what waits in the queue is theirs.
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// A sender that starts in `Serving`.
pub fn phases() -> (watch::Sender<Phase>, watch::Receiver<Phase>) {
    watch::channel(Phase::Serving)
}
