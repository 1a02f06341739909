//! The rows of this service's users: written all the while, each told to the journal once it was acknowledged.
//!
//! The journal is a file of the sweep's: `row|ID|BODY|VALUE` for an acknowledged row, `broken|…` when the schema did
//! not serve what this release needs while it called itself ready.

use crate::config::Config;
use crate::database::{Answer, Database};
use crate::trailer::Release;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) struct Writer {
    pub release: Release,
    pub read_only: bool,
    pub config: Config,
}

const EVERY: Duration = Duration::from_millis(50);

impl Writer {
    /// For ever; a lost connection is made again.
    pub(crate) fn run(&self, ready: &AtomicBool) {
        let mut n = 0;
        loop {
            let ended = self.session(ready, &mut n);
            ready.store(false, Ordering::SeqCst);
            if let Err(error) = ended {
                eprintln!("database: {error}");
            }
            std::thread::sleep(EVERY);
        }
    }

    fn session(&self, ready: &AtomicBool, n: &mut u32) -> io::Result<()> {
        let mut database = Database::connect(&self.config.url, &self.config.application_name)?;
        loop {
            match database.run(&self.needs())? {
                Answer::Done => ready.store(true, Ordering::SeqCst),
                Answer::Refused(why) => self.not_served(ready, &why)?,
            }
            if !self.read_only && ready.load(Ordering::SeqCst) {
                *n += 1;
                self.write(&mut database, *n)?;
            }
            std::thread::sleep(EVERY);
        }
    }

    /// Everything that this release must find.
    fn needs(&self) -> String {
        let more =
            if self.release.column.is_empty() { String::new() } else { format!(", {}", self.release.column) };
        format!("SELECT id, body{more} FROM note LIMIT 1")
    }

    fn not_served(&self, ready: &AtomicBool, why: &str) -> io::Result<()> {
        if ready.swap(false, Ordering::SeqCst) {
            self.tell(&format!("broken|{}|release {}: {why}", std::process::id(), self.release.version))?;
        }
        Ok(())
    }

    fn write(&self, database: &mut Database, n: u32) -> io::Result<()> {
        let id = format!("{}-{n}", std::process::id());
        let (column, value) = (&self.release.column, format!("value-{id}."));
        let sql = match column.as_str() {
            "" => format!("INSERT INTO note (id, body) VALUES ('{id}', 'body-{id}.')"),
            _ => format!("INSERT INTO note (id, body, {column}) VALUES ('{id}', 'body-{id}.', '{value}')"),
        };
        match database.run(&sql)? {
            Answer::Done if column.is_empty() => self.tell(&format!("row|{id}|body-{id}.|")),
            Answer::Done => self.tell(&format!("row|{id}|body-{id}.|{value}")),
            Answer::Refused(why) => self.tell(&format!("refused|{id}|{why}|")),
        }
    }

    fn tell(&self, line: &str) -> io::Result<()> {
        let mut journal = File::options().create(true).append(true).open(&self.config.journal)?;
        journal.write_all(format!("{line}\n").as_bytes())
    }
}
