//! The smallest service that a `process` target can run: two listening sockets, a database session, rows.
//!
//! The sweep delivers it instead of the real service, because each release must be another executable and building
//! five of those takes minutes. Release number and needed column stand in the last line of the executable itself (see
//! `trailer`), so one build becomes any release by appending a line.
#![allow(clippy::print_stderr, reason = "its only log")]

mod config;
mod database;
mod http;
mod notes;
mod trailer;
mod writer;

use http::{Health, Socket};
use notes::Notes;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// systemd's convention: the first handed-over descriptor is 3.
const SERVICE_FD: i32 = 3;
const ADMIN_FD: i32 = 4;
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Asked to end, the successor finishes what it is at; the baseline just ends.
const DRAIN: Duration = Duration::from_millis(250);

static ENDING: AtomicBool = AtomicBool::new(false);

fn main() -> std::process::ExitCode {
    let (release, config) = (trailer::read(), config::read());
    if config.greeting == "broken" {
        eprintln!("error: failed to read GREETING: nobody is greeted with \"broken\"");
        return std::process::ExitCode::FAILURE;
    }
    let health = Arc::new(Health {
        version: release.version.clone(),
        ready: AtomicBool::new(false),
        served: 0.into(),
    });
    if !release.column.is_empty() {
        end_slowly();
    }
    let asked = Arc::clone(&health);
    std::thread::spawn(move || http::serve(&Socket::Admin(inherited(ADMIN_FD).into()), &asked, None));
    let notes = Notes::of(&config);
    let read_only = std::env::args().any(|arg| arg == "--read-only");
    let writer = writer::Writer { release, read_only, config };
    let ready = Arc::clone(&health);
    std::thread::spawn(move || writer.run(&ready.ready));
    while !health.ready.load(Ordering::SeqCst) {
        std::thread::sleep(LOOK_EVERY);
    }
    // Only a program that is ready takes requests from the socket that it shares.
    let service = Socket::Service(inherited(SERVICE_FD).into());
    std::thread::spawn(move || http::serve(&service, &health, Some(notes)));
    while !ENDING.load(Ordering::SeqCst) {
        std::thread::sleep(LOOK_EVERY);
    }
    std::thread::sleep(DRAIN);
    std::process::ExitCode::SUCCESS
}

/// From now on SIGTERM asks, and does not end.
#[expect(unsafe_code, reason = "the handler does nothing but store a flag")]
fn end_slowly() {
    extern "C" fn asked(_: libc::c_int) {
        ENDING.store(true, Ordering::SeqCst);
    }
    unsafe { libc::signal(libc::SIGTERM, asked as *const () as libc::sighandler_t) };
}

#[expect(
    unsafe_code,
    reason = "the supervisor hands this descriptor over; nobody else in this process has it"
)]
fn inherited(fd: i32) -> OwnedFd {
    unsafe { OwnedFd::from_raw_fd(fd) }
}
