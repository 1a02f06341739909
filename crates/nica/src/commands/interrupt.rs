//! What a signal does to a command that acts: the running effect is finished and nothing new begins. A second
//! signal ends the process at once, which is as safe as a kill.

use crate::exit::Exit;
use crate::output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use tokio::signal::unix::{SignalKind, signal as listen};

static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// A flag that the first SIGINT or SIGTERM sets.
pub(crate) fn flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let listeners = (listen(SignalKind::interrupt()), listen(SignalKind::terminate()));
    if let (Ok(mut interrupt), Ok(mut terminate)) = listeners {
        let flag = flag.clone();
        tokio::spawn(async move {
            loop {
                let (number, exit) = tokio::select! {
                    _ = interrupt.recv() => (libc::SIGINT, Exit::Interrupted),
                    _ = terminate.recv() => (libc::SIGTERM, Exit::Terminated),
                };
                if flag.swap(true, Ordering::Relaxed) {
                    end_now(exit);
                }
                SIGNAL.store(number, Ordering::Relaxed);
                output::interrupted();
            }
        });
    }
    flag
}

/// The signal that came, if one came.
pub(crate) fn signal() -> Option<i32> {
    Some(SIGNAL.load(Ordering::Relaxed)).filter(|number| *number != 0)
}

#[expect(clippy::exit, reason = "the second signal asks for exactly this")]
fn end_now(exit: Exit) {
    output::ends_now();
    std::process::exit(exit as i32);
}
