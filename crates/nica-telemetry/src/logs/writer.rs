//! Carries finished lines to a pipe or file on a thread of its own.
//!
//! The queue is bounded. When nobody reads the pipe, lines are dropped and counted, and the counter is written as a
//! line once there is room again: a log that lies about its gaps is worse than one with gaps.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often a flush looks for room in a full queue.
const ROOM_POLL: Duration = Duration::from_millis(2);
/// Lines that wait at most. At 300 bytes a line this is under 3 MB.
const QUEUE_MAX: usize = 8_192;

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Reads how many lines were given up since the start.
#[derive(Clone, Default)]
pub struct Dropped(Arc<AtomicU64>);

impl Dropped {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
pub(super) struct Sender {
    queue: SyncSender<Message>,
    dropped: Dropped,
}

impl Sender {
    pub(super) fn send(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.queue.try_send(Message::Line(line))
        {
            self.dropped.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(super) struct Writer {
    sender: Sender,
}

impl Writer {
    pub(super) fn start(out: impl Write + Send + 'static) -> Writer {
        let (queue, lines) = sync_channel(QUEUE_MAX);
        let dropped = Dropped::default();
        let seen = dropped.clone();
        thread::spawn(move || carry(&lines, out, &seen));
        Writer { sender: Sender { queue, dropped } }
    }

    pub(super) fn sender(&self) -> Sender {
        self.sender.clone()
    }

    pub(super) fn dropped(&self) -> Dropped {
        self.sender.dropped.clone()
    }

    /// Waits until everything sent so far is written, at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let (done, wait) = sync_channel(1);
        let until = Instant::now() + limit;
        while self.sender.queue.try_send(Message::Flush(done.clone())).is_err() {
            if Instant::now() >= until {
                return;
            }
            thread::sleep(ROOM_POLL);
        }
        let _ = wait.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

fn carry(lines: &Receiver<Message>, mut out: impl Write, dropped: &Dropped) {
    let mut told = 0;
    while let Ok(message) = lines.recv() {
        match message {
            Message::Line(line) => write(&mut out, &line),
            Message::Flush(done) => {
                let _ = done.send(());
            }
        }
        let count = dropped.count();
        if count > told {
            let line = format!(
                "{{\"level\":\"WARN\",\"scope\":\"system\",\"message\":\"log lines were dropped\",\"dropped\":{count}}}\n"
            );
            write(&mut out, line.as_bytes());
            told = count;
        }
    }
}

/// A reader that is gone is no reason to stop serving.
fn write(out: &mut impl Write, line: &[u8]) {
    let _ = out.write_all(line).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A pipe whose reader sleeps until it is woken.
    #[derive(Clone)]
    struct Stopped(Arc<Mutex<Vec<u8>>>);

    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("the test never poisons it").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stopped_reader_costs_lines_and_never_blocks_the_sender() {
        let pipe = Stopped(Arc::default());
        let writer = Writer::start(pipe.clone());
        let stop = pipe.0.lock().expect("the test never poisons it");
        for _ in 0..QUEUE_MAX + 100 {
            writer.sender().send(b"x\n".to_vec());
        }
        assert!(writer.dropped().count() >= 99, "{}", writer.dropped().count());
        drop(stop);
        writer.flush(Duration::from_secs(5));
        let text = String::from_utf8(pipe.0.lock().expect("no poison").clone()).expect("we wrote text");
        assert!(text.contains("log lines were dropped"), "the gap is told");
    }
}
