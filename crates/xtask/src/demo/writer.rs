//! A user who writes, all the while, and remembers what the service acknowledged.
//!
//! At the end the database is asked, past the service: each acknowledged value must be there, by value. A write
//! without an answer may or may not have happened, so both values are right until a later one is acknowledged. A
//! release may have no place for a field yet; the answer says which fields it stored.

use super::http::{Client, Request, Response};
use super::tally::Tally;
use serde_json::{Value, json};
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

/// Fields of a note: what every release knows, and what migrations of the story add.
pub(crate) const FIELDS: [&str; 3] = ["body", "tag", "mood"];

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

/// What was promised.
#[derive(Debug, Default, Clone)]
pub(crate) struct Memory {
    /// By note and field.
    values: BTreeMap<(String, &'static str), Promise>,
    written: u64,
}

#[derive(Debug, Default, Clone)]
struct Promise {
    acknowledged: bool,
    /// Any of these may stand there.
    right: Vec<String>,
}

impl Writer {
    pub(crate) fn start(address: SocketAddr) -> Writer {
        let shared = Arc::new(Shared::default());
        let thread = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.write(address))
        };
        Writer { shared, thread }
    }

    /// What was counted since the last call.
    pub(crate) fn take(&self) -> Tally {
        std::mem::take(&mut *self.shared.tally.lock().expect("counting does not panic"))
    }

    /// Writes that were acknowledged so far.
    pub(crate) fn written(&self) -> u64 {
        self.shared.memory.lock().expect("remembering does not panic").written
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
    fn write(&self, address: SocketAddr) {
        let mut client = Client::new(address, true);
        let mut due = Instant::now();
        let mut last = 0;
        for n in 1.. {
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let number = if n % CORRECTS_EACH == 0 { last / 2 } else { last + 1 };
            last = last.max(number);
            self.write_one(&mut client, &format!("n{number}"), n, due);
            due += PAUSE;
        }
    }

    fn write_one(&self, client: &mut Client, note: &str, n: u64, due: Instant) {
        let value = |field: &str| format!("{field} {n} of {note}");
        let body = json!({ "body": value("body"), "tag": value("tag"), "mood": value("mood") }).to_string();
        let path = format!("/api/v1/notes/{note}");
        let result = client.send(&Request { method: "PUT", path: &path, body: &body });
        self.tally.lock().expect("counting does not panic").count(
            &format!("PUT {path}"),
            &result,
            due.elapsed(),
        );
        let stored = result.as_ref().ok().filter(|response| response.status < 300).map(stored);
        let mut memory = self.memory.lock().expect("remembering does not panic");
        for field in FIELDS {
            memory.note(note, field, value(field), stored.as_ref());
        }
        memory.written += u64::from(stored.is_some());
    }
}

/// The fields that an answer says are stored, with their values.
fn stored(response: &Response) -> Value {
    let answer: Value = serde_json::from_str(&response.body).unwrap_or_default();
    answer.get("data").cloned().unwrap_or_default()
}

impl Memory {
    /// `stored` is none when no good answer came.
    fn note(&mut self, note: &str, field: &'static str, value: String, stored: Option<&Value>) {
        if stored.is_some_and(|stored| stored.get(field).is_none()) {
            return;
        }
        let promise = self.values.entry((note.to_string(), field)).or_default();
        if stored.is_some_and(|stored| stored[field] == value.as_str()) {
            promise.acknowledged = true;
            promise.right.clear();
        }
        promise.right.push(value);
    }

    /// Writes that the service acknowledged.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// How many notes have an acknowledged value in this field.
    pub(crate) fn promised(&self, field: &str) -> usize {
        self.values.iter().filter(|((_, of), promise)| *of == field && promise.acknowledged).count()
    }

    /// Acknowledged values that are not there. `rows` are `note TAB field TAB value`.
    pub(crate) fn lost(&self, rows: &[String]) -> Vec<String> {
        let split = |row: &str| {
            let mut columns = row.splitn(3, '\t').map(str::to_string);
            Some(((columns.next()?, columns.next()?), columns.next()?))
        };
        let there: BTreeMap<(String, String), String> = rows.iter().filter_map(|row| split(row)).collect();
        let promised = self.values.iter().filter(|(_, promise)| promise.acknowledged);
        let lost = promised.filter_map(|((note, field), promise)| {
            match there.get(&(note.clone(), field.to_string())) {
                Some(value) if promise.right.contains(value) => None,
                Some(value) => Some(format!(
                    "{field} of {note} is `{value}`, and was `{}`",
                    promise.right.join("` or `")
                )),
                None => Some(format!("{field} of {note} is gone")),
            }
        });
        lost.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::testing::{Server, response};

    /// Writes of the body of one note: value, and what the answer says is stored.
    fn check(writes: &[(&str, Option<Value>)], rows: &[&str], lost: &[&str]) {
        let mut memory = Memory::default();
        writes
            .iter()
            .for_each(|(value, stored)| memory.note("n1", "body", value.to_string(), stored.as_ref()));
        let rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
        assert_eq!(memory.lost(&rows), lost, "{writes:?} {rows:?}");
    }

    fn yes(value: &str) -> Option<Value> {
        Some(json!({ "body": value }))
    }

    #[test]
    fn an_acknowledged_value_must_be_there_by_value() {
        check(&[("a", yes("a"))], &["n1\tbody\ta"], &[]);
        check(&[("a", yes("a"))], &["n1\ttag\ta", "n2\tbody\ta"], &["body of n1 is gone"]);
        check(&[("a", yes("a"))], &["n1\tbody\tb"], &["body of n1 is `b`, and was `a`"]);
        check(&[("a", yes("a")), ("b", yes("b"))], &["n1\tbody\ta"], &["body of n1 is `a`, and was `b`"]);
    }

    #[test]
    fn a_write_without_an_answer_may_have_happened_or_not() {
        check(&[("a", None)], &[], &[]);
        check(&[("a", yes("a")), ("b", None)], &["n1\tbody\ta"], &[]);
        check(&[("a", yes("a")), ("b", None)], &["n1\tbody\tb"], &[]);
        check(
            &[("a", yes("a")), ("b", None), ("c", yes("c"))],
            &["n1\tbody\tb"],
            &["body of n1 is `b`, and was `c`"],
        );
    }

    #[test]
    fn a_field_without_a_place_is_no_promise_and_breaks_none() {
        check(&[("a", Some(json!({})))], &[], &[]);
        check(&[("a", yes("a")), ("b", Some(json!({})))], &["n1\tbody\ta"], &[]);
        check(
            &[("a", yes("a")), ("b", Some(json!({})))],
            &["n1\tbody\tb"],
            &["body of n1 is `b`, and was `a`"],
        );
    }

    #[test]
    fn the_answer_says_what_is_stored() {
        let mut answer = response(200, None);
        answer.body = r#"{"data":{"body":"a","tag":null},"meta":{"not_stored":["mood"]}}"#.into();
        assert_eq!(stored(&answer), json!({ "body": "a", "tag": null }));
        answer.body = "nonsense".into();
        assert_eq!(stored(&answer), Value::Null);
    }

    #[test]
    fn ids_ascend_and_earlier_notes_are_corrected() {
        let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let writer = Writer::start(server.address);
        std::thread::sleep(PAUSE * 14);
        let (tally, memory) = writer.stop();
        assert!(tally.sent >= 8 && memory.written() == tally.sent, "{tally:?}");
        assert_eq!(memory.promised("body"), 0, "an answer without the value is no promise");
    }
}
