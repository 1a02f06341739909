//! `/healthcheck`, `/readyz`, `/version`, `/metrics`, `/note`: HTTP/1.1, one request a connection.

use crate::notes::Notes;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

pub(crate) struct Health {
    pub version: String,
    pub ready: AtomicBool,
    /// Requests answered so far.
    pub served: AtomicU64,
}

const READ_LIMIT: Duration = Duration::from_secs(5);
const HISTOGRAM: &str = "http_server_request_duration_seconds";

/// The service socket, shared with other replicas; the admin socket is this replica's own.
pub(crate) enum Socket {
    Service(TcpListener),
    Admin(UnixListener),
}

/// Answers one after the other, for ever. A socket may be non-blocking: another process shares it.
pub(crate) fn serve(socket: &Socket, health: &Health, mut notes: Option<Notes>) {
    loop {
        if socket.answer_next(health, notes.as_mut()).is_err() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Socket {
    fn answer_next(&self, health: &Health, notes: Option<&mut Notes>) -> io::Result<()> {
        match self {
            Socket::Service(listener) => {
                let client = listener.accept()?.0;
                client.set_nonblocking(false)?;
                client.set_read_timeout(Some(READ_LIMIT))?;
                answer(&client, &client, health, notes)
            }
            Socket::Admin(listener) => {
                let client = listener.accept()?.0;
                client.set_nonblocking(false)?;
                client.set_read_timeout(Some(READ_LIMIT))?;
                answer(&client, &client, health, notes)
            }
        }
    }
}

fn answer(from: impl Read, mut to: impl Write, health: &Health, notes: Option<&mut Notes>) -> io::Result<()> {
    let mut lines = BufReader::new(from).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = say(path, health, notes);
    health.served.fetch_add(1, Ordering::SeqCst);
    let length = body.len();
    write!(to, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn say(path: &str, health: &Health, notes: Option<&mut Notes>) -> (&'static str, String) {
    let version = &health.version;
    match path {
        "/readyz" if !health.ready.load(Ordering::SeqCst) => {
            ("503 Service Unavailable", r#"{"status":"starting"}"#.to_string())
        }
        "/healthcheck" | "/readyz" => ("200 OK", format!(r#"{{"status":"ok","version":"{version}"}}"#)),
        "/version" => ("200 OK", format!(r#"{{"version":"{version}"}}"#)),
        "/metrics" => ("200 OK", metrics(health.served.load(Ordering::SeqCst))),
        "/note" => match notes.map(Notes::touch) {
            Some(true) => ("200 OK", String::new()),
            Some(false) => ("503 Service Unavailable", String::new()),
            None => ("404 Not Found", String::new()),
        },
        _ => ("404 Not Found", String::new()),
    }
}

fn metrics(count: u64) -> String {
    let labels = r#"http_response_status_code="200""#;
    let mut text = format!("# TYPE {HISTOGRAM} histogram\n");
    for le in ["0.005", "0.1", "1", "+Inf"] {
        text += &format!("{HISTOGRAM}_bucket{{{labels},le=\"{le}\"}} {count}\n");
    }
    text + &format!(
        "{HISTOGRAM}_sum{{{labels}}} {}\n{HISTOGRAM}_count{{{labels}}} {count}\n",
        count as f64 * 0.001
    )
}
