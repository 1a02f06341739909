//! People who write all the while: rows with ascending ids through psql, into old and new columns.
//!
//! What was acknowledged is remembered by value. What was refused (the new column is not there) changed nothing;
//! what got no answer may or may not be there and is not asked for.

use super::cluster::{DATABASE, psql_command};
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the table (or the attic) must say about one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Acknowledged: it must be there.
    There(String),
    /// Acknowledged as cleared: this one must not come back.
    Cleared(String),
}

/// Everything that was acknowledged, by row; what is in doubt is not in it.
pub(crate) type Written = BTreeMap<String, Row>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub body: String,
    pub mood: Option<Value>,
}

pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    known: Arc<Mutex<Known>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Known {
    written: Written,
    /// How long each acknowledged statement took.
    waits: Vec<Duration>,
}

/// One row in so many is written and then cleared again.
const CLEARED_EVERY: u32 = 5;
const EVERY: Duration = Duration::from_millis(20);

impl Writer {
    pub(crate) fn start(socket_folder: &Path) -> Writer {
        let (stop, known) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Known::default())));
        let thread = {
            let (stop, known, folder) = (Arc::clone(&stop), Arc::clone(&known), socket_folder.to_path_buf());
            std::thread::spawn(move || write(&folder, &stop, &known))
        };
        Writer { stop, known, thread: Some(thread) }
    }

    /// Acknowledged rows so far.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        lock(&self.known).written.len()
    }

    /// Ends after the row at hand; what was acknowledged, and the longest waits first.
    pub(crate) fn end(mut self) -> (Written, Vec<Duration>) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let mut known = lock(&self.known);
        let mut waits = std::mem::take(&mut known.waits);
        waits.sort_by(|a, b| b.cmp(a));
        (std::mem::take(&mut known.written), waits)
    }
}

fn write(folder: &Path, stop: &AtomicBool, known: &Mutex<Known>) {
    let mut n = 0;
    while !stop.load(Ordering::SeqCst) {
        // An error is a lost connection: the cluster restarts after a crash of one backend.
        if let Ok(mut session) = Session::open(folder) {
            let _ = write_rows(&mut session, stop, known, &mut n);
        }
        std::thread::sleep(EVERY);
    }
}

fn write_rows(session: &mut Session, stop: &AtomicBool, known: &Mutex<Known>, n: &mut u32) -> Result<()> {
    while !stop.load(Ordering::SeqCst) {
        *n += 1;
        write_row(session, known, *n)?;
        std::thread::sleep(EVERY);
    }
    Ok(())
}

fn write_row(session: &mut Session, known: &Mutex<Known>, n: u32) -> Result<()> {
    let (id, body, mood) = (format!("w-{n:06}"), format!("body-w-{n:06}."), format!("value-w-{n:06}."));
    if !session.run(known, &format!("INSERT INTO note (id, body) VALUES ('{id}', '{body}')"))? {
        return Ok(());
    }
    lock(known).written.insert(id.clone(), Row { body, mood: None });
    let set = |value: &str| format!("UPDATE note SET mood = {value} WHERE id = '{id}'");
    if !session.run(known, &set(&format!("'{mood}'")))? {
        return Ok(());
    }
    let remember = |value| {
        if let Some(row) = lock(known).written.get_mut(&id) {
            row.mood = value;
        }
    };
    remember(Some(Value::There(mood.clone())));
    if n.is_multiple_of(CLEARED_EVERY) {
        // Until the answer is there, either is right.
        remember(None);
        let cleared = session.run(known, &set("NULL"))?;
        remember(Some(if cleared { Value::Cleared(mood) } else { Value::There(mood) }));
    }
    Ok(())
}

/// One psql that is fed statement by statement.
struct Session {
    psql: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Session {
    fn open(folder: &Path) -> Result<Session> {
        let mut psql = psql_command(folder, DATABASE)?
            .env("PGAPPNAME", "sweep/writer")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start psql")?;
        let tell = psql.stdin.take().context("write to psql")?;
        let hear = BufReader::new(psql.stdout.take().context("read from psql")?);
        Ok(Session { psql, tell, hear })
    }

    /// True when it is done, false when the server refused it; an error when nobody knows.
    fn run(&mut self, known: &Mutex<Known>, sql: &str) -> Result<bool> {
        let began = Instant::now();
        self.tell
            .write_all(format!("{sql};\n\\if :ERROR\n\\echo no\n\\else\n\\echo yes\n\\endif\n").as_bytes())?;
        let mut answer = String::new();
        self.hear.read_line(&mut answer)?;
        match answer.trim() {
            "yes" => lock(known).waits.push(began.elapsed()),
            "no" => return Ok(false),
            other => anyhow::bail!("hear from psql: {other:?}"),
        }
        Ok(true)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
