//! Constant traffic that notices everything: new connections and kept ones, every answer read to its end.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// No answer for this long is a failed request.
const LIMIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) const CLIENTS: u64 = PATHS.len() as u64;
/// Whether the connection is kept, and what is asked for.
const PATHS: [(bool, &str); 8] = [
    (true, "/"),
    (false, "/"),
    (true, "/"),
    (false, "/"),
    (true, "/"),
    (false, "/"),
    (true, "/slow/120"),
    (true, "/slow/450"),
];

pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Tally>,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: u64,
    pub(crate) failed: Vec<String>,
    pub(crate) slowest: Duration,
    /// By the version that answered.
    pub(crate) by_version: BTreeMap<String, u64>,
}

impl Traffic {
    /// Three clients that connect anew each time, three that keep their connection, two whose answers take longer than
    /// a pause and longer than a drain.
    pub(crate) fn start(address: &str) -> Traffic {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for (keep, path) in PATHS {
            clients.spawn(client(address.to_string(), keep, path, stop.clone()));
        }
        Traffic { stop, clients }
    }

    #[allow(clippy::print_stdout, reason = "figures of a test run")]
    pub(crate) async fn end(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for tally in self.clients.join_all().await {
            sum.answered += tally.answered;
            sum.failed.extend(tally.failed);
            sum.slowest = sum.slowest.max(tally.slowest);
            tally
                .by_version
                .into_iter()
                .for_each(|(version, n)| *sum.by_version.entry(version).or_default() += n);
        }
        println!("{} answered, {} failed, slowest {:?}", sum.answered, sum.failed.len(), sum.slowest);
        sum
    }

    pub(crate) async fn end_without_loss(self) -> Tally {
        let tally = self.end().await;
        assert!(
            tally.failed.is_empty(),
            "{} lost: {:?}",
            tally.failed.len(),
            &tally.failed[..tally.failed.len().min(5)]
        );
        assert!(tally.answered > 50, "hardly any traffic: {}", tally.answered);
        tally
    }
}

async fn client(address: String, keep: bool, path: &'static str, stop: Arc<AtomicBool>) -> Tally {
    let (mut tally, mut kept) = (Tally::default(), None);
    while !stop.load(Ordering::Relaxed) {
        let since = Instant::now();
        let asked = tokio::time::timeout(LIMIT, ask(&address, keep, path, &mut kept)).await;
        match asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(version) => {
                tally.answered += 1;
                tally.slowest = tally.slowest.max(since.elapsed());
                *tally.by_version.entry(version).or_default() += 1;
            }
            Err(error) => {
                kept = None;
                tally.failed.push(format!("{} {path} keep={keep}: {error}", address));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    tally
}

/// A kept connection is given up only when the server said so: a connection that it closes silently is a loss.
async fn ask(address: &str, keep: bool, path: &str, kept: &mut Option<TcpStream>) -> io::Result<String> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(address).await?,
    };
    let connection = if keep { "keep-alive" } else { "close" };
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: {connection}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (head, body) = read(&mut stream).await?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(head));
    }
    if keep && !head.to_ascii_lowercase().contains("connection: close") {
        *kept = Some(stream);
    }
    Ok(body)
}

async fn read(stream: &mut TcpStream) -> io::Result<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase();
            let length =
                length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            if body.len() == length.unwrap_or(0) {
                return Ok((head.into(), body.into()));
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
