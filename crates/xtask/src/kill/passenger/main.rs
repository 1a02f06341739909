//! The smallest service that a `process` target can run: two listening sockets, a database session, rows.
//!
//! The sweep delivers it instead of the real service, because each release must be another executable and building
//! five of those takes minutes. Release number and needed column stand in the last line of the executable itself (see
//! `trailer`), so one build becomes any release by appending a line.
#![allow(clippy::print_stderr, reason = "its only log")]

mod config;
mod database;
mod http;
mod trailer;
mod writer;

use http::{Health, Socket};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// systemd's convention: the first handed-over descriptor is 3.
const SERVICE_FD: i32 = 3;
const ADMIN_FD: i32 = 4;

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
    let admin = {
        let health = Arc::clone(&health);
        std::thread::spawn(move || http::serve(&Socket::Admin(inherited(ADMIN_FD).into()), &health))
    };
    let read_only = std::env::args().any(|arg| arg == "--read-only");
    let writer = writer::Writer { release, read_only, config };
    let ready = Arc::clone(&health);
    std::thread::spawn(move || writer.run(&ready.ready));
    while !health.ready.load(Ordering::SeqCst) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // Only a program that is ready takes requests from the socket that it shares.
    std::thread::spawn(move || http::serve(&Socket::Service(inherited(SERVICE_FD).into()), &health));
    let _ = admin.join();
    std::process::ExitCode::SUCCESS
}

#[expect(
    unsafe_code,
    reason = "the supervisor hands this descriptor over; nobody else in this process has it"
)]
fn inherited(fd: i32) -> OwnedFd {
    unsafe { OwnedFd::from_raw_fd(fd) }
}
