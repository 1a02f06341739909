//! A user who writes, all the while, and remembers what the service acknowledged.
//!
//! At the end the database is asked, past the service: each acknowledged value must be there, by value. A write
//! without an answer may or may not have happened, so both values are right until a later one is acknowledged.

use super::http::{Client, Request};
use super::tally::Tally;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two writes.
const PAUSE: Duration = Duration::from_millis(50);
/// Every fifth write corrects an earlier one.
const CORRECTS_EACH: u64 = 5;

/// How a note is written: path and body from its id and value. The id is a UUID made of the number.
pub(crate) type Form = fn(id: u64, value: &str) -> (String, String);

pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    tally: Mutex<Tally>,
    memory: Mutex<Memory>,
}

/// What was promised, by id.
#[derive(Debug, Default, Clone)]
pub(crate) struct Memory {
    /// Values that may stand there; empty only before the first acknowledgement.
    notes: BTreeMap<u64, Note>,
    acknowledged: u64,
}

#[derive(Debug, Default, Clone)]
struct Note {
    promised: bool,
    right: Vec<String>,
}

impl Writer {
    pub(crate) fn start(address: SocketAddr, form: Form) -> Writer {
        let shared = Arc::new(Shared::default());
        let thread = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.write(address, form))
        };
        Writer { shared, thread }
    }

    /// What was counted since the last call.
    pub(crate) fn take(&self) -> Tally {
        std::mem::take(&mut *self.shared.tally.lock().expect("counting does not panic"))
    }

    pub(crate) fn stop(self) -> (Tally, Memory) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer does not panic");
        let tally = std::mem::take(&mut *self.shared.tally.lock().expect("counting does not panic"));
        let memory = std::mem::take(&mut *self.shared.memory.lock().expect("remembering does not panic"));
        (tally, memory)
    }
}

impl Shared {
    fn write(&self, address: SocketAddr, form: Form) {
        let mut client = Client::new(address, true);
        let mut due = Instant::now();
        let mut last_id = 0;
        for n in 1.. {
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let id = if n % CORRECTS_EACH == 0 { last_id.max(2) / 2 } else { last_id + 1 };
            last_id = last_id.max(id);
            let value = format!("value {n} of note {id}");
            let (path, body) = form(id, &value);
            let result = client.send(&Request { method: "PUT", path: &path, body: &body });
            let acknowledged = result.as_ref().is_ok_and(|response| response.status < 300);
            self.tally.lock().expect("counting does not panic").count(
                &format!("PUT {path}"),
                &result,
                due.elapsed(),
            );
            self.memory.lock().expect("remembering does not panic").note(id, value, acknowledged);
            due += PAUSE;
        }
    }
}

impl Memory {
    fn note(&mut self, id: u64, value: String, acknowledged: bool) {
        let note = self.notes.entry(id).or_default();
        if acknowledged {
            note.promised = true;
            note.right.clear();
            self.acknowledged += 1;
        }
        note.right.push(value);
    }

    /// Writes that the service acknowledged.
    pub(crate) fn written(&self) -> u64 {
        self.acknowledged
    }

    /// Acknowledged notes that are not there, or with another value. `rows` are `id TAB value`.
    pub(crate) fn lost(&self, rows: &[String]) -> Vec<String> {
        let rows: BTreeMap<u64, &str> = rows
            .iter()
            .filter_map(|row| row.split_once('\t'))
            .filter_map(|(id, value)| Some((id.parse().ok()?, value)))
            .collect();
        let promised = self.notes.iter().filter(|(_, note)| note.promised);
        let lost = promised.filter_map(|(id, note)| match rows.get(id) {
            Some(value) if note.right.iter().any(|right| right == value) => None,
            Some(value) => Some(format!("note {id} is `{value}`, and was `{}`", note.right.join("` or `"))),
            None => Some(format!("note {id} is gone")),
        });
        lost.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::testing::Server;

    fn memory(notes: &[(u64, &str, bool)]) -> Memory {
        let mut memory = Memory::default();
        notes.iter().for_each(|(id, value, acknowledged)| memory.note(*id, value.to_string(), *acknowledged));
        memory
    }

    fn check(notes: &[(u64, &str, bool)], rows: &[&str], lost: &[&str]) {
        let rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
        assert_eq!(memory(notes).lost(&rows), lost, "{notes:?} {rows:?}");
    }

    #[test]
    fn an_acknowledged_value_must_be_there_by_value() {
        check(&[(1, "a", true)], &["1\ta"], &[]);
        check(&[(1, "a", true)], &[], &["note 1 is gone"]);
        check(&[(1, "a", true)], &["1\tb"], &["note 1 is `b`, and was `a`"]);
        check(&[(1, "a", true), (1, "b", true)], &["1\ta"], &["note 1 is `a`, and was `b`"]);
    }

    #[test]
    fn a_write_without_an_answer_may_have_happened_or_not() {
        check(&[(1, "a", false)], &[], &[]);
        check(&[(1, "a", true), (1, "b", false)], &["1\ta"], &[]);
        check(&[(1, "a", true), (1, "b", false)], &["1\tb"], &[]);
        check(&[(1, "a", true), (1, "b", false), (1, "c", true)], &["1\tb"], &["note 1 is `b`, and was `c`"]);
    }

    #[test]
    fn ids_ascend_and_earlier_notes_are_corrected() {
        let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let form: Form = |id, value| (format!("/notes/{id}"), value.to_string());
        let writer = Writer::start(server.address, form);
        std::thread::sleep(PAUSE * 12);
        let (tally, memory) = writer.stop();
        let ids: Vec<u64> = memory.notes.keys().copied().collect();
        assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
        assert!(
            tally.sent >= 8 && memory.written() == tally.sent && (ids.len() as u64) < tally.sent,
            "{tally:?}"
        );
    }
}
