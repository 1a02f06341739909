//! Health, metrics and the question of readiness, on a thread of their own.
//!
//! However busy the service's own threads are, a probe is answered in time: overload must not look like death. The
//! thread outlives the service by the last answer, so that a last scrape finds the last request.

use super::ServeError;
use crate::api::{self, App};
use crate::server::{self, Gate, Phase, Socket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

/// What an answer to a probe may still take at the end.
const END_MAX: Duration = Duration::from_millis(200);

pub(super) struct Control {
    phases: watch::Sender<Phase>,
    ended: oneshot::Receiver<()>,
}

impl Control {
    /// Serves the admin routes on `socket` and runs `watcher` beside them.
    ///
    /// # Errors
    /// The runtime of the thread cannot be had.
    pub(super) fn start(
        socket: Socket,
        app: Arc<App>,
        watcher: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Control, ServeError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(ServeError::Runtime)?;
        let (phases, phase) = server::phases();
        let (done, ended) = oneshot::channel();
        let gate = Gate::admin(phase, app.readiness.clone());
        let header_timeout = app.config.http.header_timeout;
        thread::spawn(move || {
            runtime.spawn(watcher);
            let served = runtime.block_on(server::serve(socket, gate, api::admin(app), header_timeout));
            if let Err(error) = served {
                tracing::error!(%error, "the admin socket cannot be served");
            }
            // Nobody waits any more when the deadline of the end has passed.
            let _ = done.send(());
        });
        Ok(Control { phases, ended })
    }

    /// Closes the admin socket.
    pub(super) async fn end(self) {
        self.phases.send_replace(Phase::Ending);
        let _ = timeout(END_MAX, self.ended).await;
    }
}
