//! The smallest program that a `process` target can run, for the tests: it is ready at once and answers its admin socket.
//!
//! `serve FILE`: as long as that file is there, it ends at once. That is how a release, or a baseline, is broken.
//!
//! Standard library only, so that its executable is small enough to be released many times.
#![allow(unsafe_code, reason = "a test program: adopts the descriptor that it was handed")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;

/// systemd's convention: 3 is the service socket, which every replica shares, 4 this one's own.
const ADMIN_FD: i32 = 4;

fn main() -> std::process::ExitCode {
    if std::env::args().nth(2).is_some_and(|file| std::path::Path::new(&file).exists()) {
        let _ = writeln!(std::io::stderr(), "failed to start: this version ends at once");
        return std::process::ExitCode::from(3);
    }
    // SAFETY: the supervisor opened it for this process, and nobody else here adopts it.
    let admin: UnixListener = unsafe { OwnedFd::from_raw_fd(ADMIN_FD) }.into();
    loop {
        let Ok((mut client, _)) = admin.accept() else {
            std::thread::sleep(std::time::Duration::from_millis(2));
            continue;
        };
        let _ = client.set_nonblocking(false);
        let Ok(reading) = client.try_clone() else { continue };
        let asked = BufReader::new(reading).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let metrics = asked.collect::<Vec<_>>().first().is_some_and(|line| line.contains("/metrics"));
        let body = if metrics { "# TYPE tiny gauge\ntiny 1\n" } else { "{\"status\":\"ok\"}" };
        let length = body.len();
        let _ =
            write!(client, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    }
}
